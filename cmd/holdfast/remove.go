package main

import (
	"github.com/spf13/cobra"

	"holdfast/ops"
	"holdfast/ops/remove"
)

func (a *app) removeCommand() *cobra.Command {
	return operation(&cobra.Command{
		Use:   "remove NAME",
		Short: "delete the image of a slot, or a staged version",
		Long: `Delete the image of the slot active or backup, or a staged version. When the boot
default names the slot, it is set elsewhere first. Factory, the last confirmed
image and the only whole one stay, whatever is said.`,
		Example: `  holdfast remove 1.3.125 --dry-run
  holdfast remove backup --yes`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := remove.Request{Name: args[0], Session: a.session()}
			var err error
			if r.Report, err = a.report(); err != nil {
				return err
			}
			p, err := planned(a, func(rep ops.Reporter) (remove.Plan, error) {
				r.Progress = rep
				return r.Plan(cmd.Context())
			})
			if err != nil {
				return err
			}
			return a.carry(cmd.Context(), p, "delete it", "removed")
		},
	})
}
