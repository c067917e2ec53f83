package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/ops"
	"holdfast/ops/grubdefault"
	"holdfast/ops/status"
)

func (a *app) defaultCommand() *cobra.Command {
	show := func(cmd *cobra.Command, _ []string) error { return a.showDefault() }
	cmd := &cobra.Command{
		Use:         "default",
		Short:       "show or set what GRUB boots next",
		Example:     "  holdfast default                    the same as default show",
		Args:        noCommand,
		Annotations: printsJSON,
		RunE:        show,
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:         "show",
			Short:       "show the saved default, its place on the disk, and the next boots",
			Example:     "  holdfast default show --flash disk.img --json",
			Args:        cobra.NoArgs,
			Annotations: printsJSON,
			RunE:        show,
		},
		a.defaultSetCommand(),
		a.defaultSetEntryCommand(),
	)
	return cmd
}

func (a *app) showDefault() error {
	r, err := a.look()
	if err != nil {
		return err
	}
	if r.Boot == nil {
		return &ops.Error{Kind: ops.Invalid, Err: errors.New(r.NoBoot), Hint: whereGRUB}
	}
	if a.json {
		return a.printJSON(r.BootDocument())
	}
	lines := append(defaultLines(r), entryLines(r.Boot)...)
	for _, p := range r.Problems {
		if why, ok := strings.CutPrefix(p, "boot default: "); ok {
			lines = append(lines, ops.Line{Label: "problem", Text: shown(why)})
		}
	}
	return a.print(ops.Join(lines) + "\n")
}

const whereGRUB = "name the directory that holds boot/grub (or grub), or its device, by --grub"

// sayWhere adds to an error for a report without a boot default what can be done about that.
func sayWhere(r *status.Report, err error) error {
	var e *ops.Error
	if r.Boot == nil && errors.As(err, &e) && e.Hint == "" {
		e.Hint = whereGRUB
	}
	return err
}

func (a *app) defaultSetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "set SLOT",
		Short: "set the boot default to active, backup, factory or maintenance",
		Example: `  holdfast default set backup --dry-run     what would be written, and where
  holdfast default set backup --yes`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.setDefault(cmd.Context(), grubdefault.Request{Slot: args[0]})
		},
	}
}

func (a *app) defaultSetEntryCommand() *cobra.Command {
	var back digits
	cmd := &cobra.Command{
		Use:   "set-entry {N | -N}",
		Short: "set the boot default to an entry of GRUB's menu",
		Long: `Set the boot default to an entry of GRUB's menu: its number, its id, its title, or
"1>0" for the first entry of the second entry's submenu.

-N is for a menu with groups of N entries of which each is the retry of the one
before: the saved number less one, rounded down to a multiple of N.`,
		Example: `  holdfast default set-entry 2
  holdfast default set-entry 'Backup image'
  holdfast default set-entry -2      confirms the first of two entries`,
		Args: func(_ *cobra.Command, args []string) error {
			if (len(args) == 1) == (back != "") || len(args) > 1 {
				return errors.New("want one entry, or -N")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			entry := "-" + string(back)
			if len(args) == 1 {
				entry = args[0]
			}
			return a.setDefault(cmd.Context(), grubdefault.Request{Entry: entry})
		},
	}
	for _, d := range "0123456789" {
		f := cmd.Flags().VarPF(&back, "digit-"+string(d), string(d), "")
		f.NoOptDefVal = string(d)
		f.Hidden = true
	}
	return cmd
}

// digits is the number of -16, which for the parser of flags is -1 and -6.
type digits string

// String is for the parser of flags.
func (d *digits) String() string { return string(*d) }

// Type is for the parser of flags.
func (d *digits) Type() string { return "digit" }

// Set takes the next digit.
func (d *digits) Set(digit string) error {
	*d += digits(digit)
	return nil
}

// setDefault shows the plan, asks, and carries it out.
func (a *app) setDefault(ctx context.Context, r grubdefault.Request) (err error) {
	if r.Report, err = a.report(); err != nil {
		return err
	}
	r.NoWait = a.noWait
	p, err := r.Plan()
	if err != nil {
		return sayWhere(r.Report, err)
	}
	if r.Report, err = a.verifySlot(ctx, r.Report, p.Slot()); err != nil {
		return err
	}
	if p, err = r.Plan(); err != nil { // again: a damaged image is none to boot
		return err
	}
	a.printPlan(p)
	if a.dryRun || p.Nothing() {
		return nil
	}
	if err := a.confirm(ctx, "write it"); err != nil {
		return err
	}
	return a.apply(func(rep ops.Reporter) error { return p.Apply(ctx, rep) })
}

// verifySlot is the report with one image hashed.
func (a *app) verifySlot(ctx context.Context, r *status.Report, slot string) (*status.Report, error) {
	img, ok := r.Image(slot)
	if !ok || img.Staged {
		return r, nil
	}
	p := &progress{out: a.err, live: isTerminal(a.err)}
	defer p.done()
	img, err := img.Verify(ctx, r.Target.FS, p)
	if err != nil {
		return nil, err
	}
	return r.Verified(img), nil
}
