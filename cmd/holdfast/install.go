package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/ops"
	imagearchive "holdfast/ops/archive"
	"holdfast/ops/install"
)

func (a *app) installCommand() *cobra.Command {
	var r install.Request
	cmd := &cobra.Command{
		Use:   "install {ARCHIVE | URL | -}",
		Short: "install an image: it becomes active, on trial, and what was active steps back",
		Long: `Install an image from an archive: .tar.gz, .tar.zst, .tar.xz, .tar or .cpio.gz.

The archive is checked while it is written beside the slots, and read back from
the device. Only then do the slots change, at once: what was active becomes the
backup, the new image becomes active and is on trial until "holdfast confirm".
An image that has not confirmed gives way before one that has; the last
confirmed image and factory never do. A power cut at any moment leaves either
the old images or the new ones.`,
		Example: `  holdfast install image.tgz --dry-run          what would change
  holdfast install image.tgz --yes
  ssh bench cat image.tgz | holdfast install - --yes
  holdfast install image.tgz --stage-only       beside the slots; see holdfast rotate`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err = checkTries(cmd, r.Tries); err != nil {
				return err
			}
			if r.Source, err = a.source(args[0]); err != nil {
				return err
			}
			if r.Report, err = a.report(); err != nil {
				return err
			}
			r.Session = a.session()
			return a.install(cmd.Context(), r)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&r.StageOnly, "stage-only", false, "put it beside the slots, and change nothing of what boots")
	flags.StringVar(&r.Slot, "slot", "", "replace the image of this `SLOT`, active or backup, and leave the other one where it is")
	flags.IntVar(&r.Tries, "tries", 0, fmt.Sprintf("boot it at most `N` times before it must have confirmed (default %d)", install.DefaultTries))
	flags.BoolVar(&r.MakeRoom, "make-room", false, "remove first what the plan says has to go")
	flags.BoolVar(&r.Override, "override", false, "install it although it is for another model, or too old")
	return operation(cmd)
}

// checkTries refuses the number 0 when somebody said it: unsaid, it is the usual one.
func checkTries(cmd *cobra.Command, n int) error {
	if n == 0 && cmd.Flags().Changed("tries") {
		return &ops.Error{Kind: ops.Usage, Err: fmt.Errorf("0 tries: from 1 to %d", install.MaxTries)}
	}
	return nil
}

// source is the archive that an argument names: a file, a URL, or - for standard input.
func (a *app) source(arg string) (imagearchive.Source, error) {
	if arg == "-" && isTerminal(a.in) {
		return imagearchive.Source{}, &ops.Error{Kind: ops.Usage, Err: errors.New("the archive would come from this terminal"), Hint: "name a file, or pipe one in"}
	}
	return imagearchive.Named(arg, a.in)
}

func (a *app) install(ctx context.Context, r install.Request) error {
	p, err := planned(a, func(rep ops.Reporter) (install.Plan, error) {
		r.Progress = rep
		return r.Plan(ctx)
	})
	if err != nil {
		return err
	}
	if !a.dryRun && p.Nothing() == "" {
		if p, err = a.agree(ctx, r, p); err != nil {
			return err
		}
	}
	what, done := "install it", "installed"
	switch {
	case p.Nothing() != "":
		done = ""
	case r.StageOnly:
		what, done = "stage it", "staged"
	case len(p.Room()) > 0:
		what = "remove " + strings.Join(p.Room(), " and ") + " and install it"
	}
	return a.carry(ctx, p, what, done)
}

// agree asks for what only an operator may let pass: without a terminal, the flags say it. What has to go
// to make room is in the plan, and in the question that follows.
func (a *app) agree(ctx context.Context, r install.Request, p install.Plan) (install.Plan, error) {
	if !isTerminal(a.in) || a.yes {
		return p, p.Check()
	}
	if why := p.Objection(); why != "" && !r.Override {
		fmt.Fprintf(a.out, "%s.\nType override to install it all the same: ", why)
		line, err := a.answer(ctx)
		if err == nil && line != "override" {
			err = &ops.Error{Kind: ops.NotConfirmed, Err: errors.New("not confirmed")}
		}
		if err != nil {
			return p, err
		}
		p = p.Agreed(false, true)
	}
	p = p.Agreed(true, false)
	return p, p.Check()
}
