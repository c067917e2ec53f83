package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"holdfast/ops/confirm"
)

func (a *app) confirmCommand() *cobra.Command {
	var r confirm.Request
	cmd := &cobra.Command{
		Use:   "confirm",
		Short: "tell GRUB that this boot was good; for the appliance's boot script",
		Long: `Set GRUB's default back to the first entry of the group that was booted, and mark
the image as confirmed. Until then, GRUB goes on to the next entry at every
start, and an image on trial has its tries counted. It asks nothing, and to run
it twice does no harm: the second time, it writes nothing.`,
		Example: `  holdfast confirm                    the slot is read from the kernel's command line
  holdfast confirm --slot active`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			outliveReaders()
			// That the boot was good holds whoever signed the image, and must not fail for a bad key.
			if r.Report, err = a.look(); err != nil {
				return err
			}
			r.CommandLine, r.Running, r.Session = a.commandLine(), confirm.ReadRunning(), a.session()
			p, err := r.Plan()
			if err != nil {
				return sayWhere(r.Report, err)
			}
			if p.Nothing() {
				a.remark(p.Unmarked())
				fmt.Fprintf(a.out, "already confirmed: the boot default is entry %s\n", shown(p.Default.From))
				return nil
			}
			return sayWhere(r.Report, a.carryOut(cmd.Context(), p))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&r.Slot, "slot", "", "the `SLOT` that was booted, when the kernel's command line does not say it")
	flags.IntVar(&r.Retries, "retries", 0, "size `N` of the groups of entries, for a GRUB whose menu cannot be read")
	return cmd
}
