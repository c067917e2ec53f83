package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/ops/status"
)

func (a *app) statusCommand() *cobra.Command {
	var quick bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "show images, boot default, configurations and problems",
		Example: `  holdfast status --flash disk.img           of an image file; no root is needed
  holdfast status --json | jq .next_boot     for a script
  holdfast status --quick                    without hashing the images`,
		Args:        cobra.NoArgs,
		Annotations: printsJSON,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := a.look()
			if err == nil && !quick {
				r, err = a.verifyAll(cmd.Context(), r)
			}
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(r.Document())
			}
			var text strings.Builder
			if err := printStatus(&text, r); err != nil {
				return err
			}
			return a.print(text.String())
		},
	}
	cmd.Flags().BoolVar(&quick, "quick", false, "do not hash the images, nor read the configurations")
	return cmd
}

// verifyAll hashes everything, which takes its time.
func (a *app) verifyAll(ctx context.Context, r *status.Report) (*status.Report, error) {
	p := &progress{out: a.err, live: isTerminal(a.err)}
	defer p.done()
	return r.VerifyAll(ctx, p)
}

// look looks at the flash that the flags name, for a command that changes nothing there.
func (a *app) look() (*status.Report, error) {
	t, err := a.anyTarget()
	if err != nil {
		return nil, err
	}
	return status.Read(t)
}

// report looks at the flash that the flags name, for a command that writes or boots.
func (a *app) report() (*status.Report, error) {
	t, err := a.target()
	if err != nil {
		return nil, err
	}
	return status.Read(t)
}

// printJSON prints a document for scripts.
func (a *app) printJSON(document any) error {
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(document)
}
