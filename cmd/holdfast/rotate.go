package main

import (
	"github.com/spf13/cobra"

	"holdfast/ops"
	"holdfast/ops/rotate"
)

func (a *app) rotateCommand() *cobra.Command {
	var r rotate.Request
	cmd := &cobra.Command{
		Use:   "rotate [VERSION]",
		Short: "exchange active and backup, or make a staged version the active one",
		Long: `Without VERSION, exchange active and backup: a roll-back, and to do it again undoes
it. With VERSION, a staged version becomes active and what was active steps back,
as with install. An image that has not confirmed is on trial afterwards.`,
		Example: `  holdfast rotate --dry-run        what would boot then
  holdfast rotate --yes --bad      back to the other image: this one is no good
  holdfast rotate 1.3.125 --yes    of those that install --stage-only has put beside the slots`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err = checkTries(cmd, r.Tries); err != nil {
				return err
			}
			if r.Report, err = a.report(); err != nil {
				return err
			}
			r.Session = a.session()
			if len(args) == 1 {
				r.Version = args[0]
			}
			p, err := planned(a, func(rep ops.Reporter) (rotate.Plan, error) {
				r.Progress = rep
				return r.Plan(cmd.Context())
			})
			if err != nil {
				return err
			}
			return a.carry(cmd.Context(), p, "do it", "rotated")
		},
	}
	cmd.Flags().IntVar(&r.Tries, "tries", 0, "boot an image that has not confirmed at most `N` times (default 3)")
	cmd.Flags().BoolVar(&r.Bad, "bad", false, "mark what was active bad: it is not booted by itself any more")
	return operation(cmd)
}
