package main

import (
	"github.com/spf13/cobra"
)

// initCommand is there to be found in the help: the work begins in main, before any flag is read.
func initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "what /init of the kexec stage runs; only as process 1",
		Args:  cobra.ArbitraryArgs,
		RunE: func(*cobra.Command, []string) error {
			return usage("this is not process 1: initramfs create makes an archive in which it is")
		},
	}
}
