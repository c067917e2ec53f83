package main

import (
	"github.com/spf13/cobra"

	"holdfast/ops/repair"
)

func (a *app) repairCommand() *cobra.Command {
	var r repair.Request
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "finish or undo what a crash interrupted",
		Long: `Finish or undo an operation that a crash interrupted, and roll back an image that
did not confirm in its tries. The console does this at every start. When there is
nothing to do, nothing is written, and the flash is not mounted for writing.`,
		Example: `  holdfast repair --dry-run          what it would do
  holdfast repair --yes
  holdfast repair --clear backup     a bad image may be booted again`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if r.Report, err = a.report(); err != nil {
				return err
			}
			r.Session = a.session()
			p, err := r.Plan()
			if err != nil {
				return err
			}
			done := "repaired"
			if p.Nothing() {
				done = ""
			}
			return a.carry(cmd.Context(), p, "do it", done)
		},
	}
	cmd.Flags().StringVar(&r.Clear, "clear", "", "forget that the image of this slot or version, `NAME`, is bad")
	return operation(cmd)
}
