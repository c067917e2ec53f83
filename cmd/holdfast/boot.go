package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/cmd/holdfast/stage"
	"holdfast/ops"
	"holdfast/ops/boot"
	"holdfast/ops/status"
)

func (a *app) bootCommand() *cobra.Command {
	var (
		print, allow bool
		words        string
	)
	cmd := &cobra.Command{
		Use:   "boot NAME",
		Short: "boot an image through kexec; NAME is a slot or a staged version",
		Example: `  holdfast boot backup --print        what would be loaded, and its command line
  holdfast boot active --append single`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, err := a.planBoot(cmd.Context(), args[0], words)
			if err != nil {
				return err
			}
			a.printPlan(plan)
			if print || a.dryRun {
				return nil
			}
			if err := a.confirm(cmd.Context(), "boot it now"); err != nil {
				return err
			}
			return a.apply(func(rep ops.Reporter) error { return plan.Apply(cmd.Context(), machine(allow), rep) })
		},
	}
	cmd.Flags().BoolVar(&print, "print", false, "show kernel, initrd and command line, and load nothing")
	cmd.Flags().StringVar(&words, "append", "", "`WORDS` to add to the command line for this boot")
	cmd.Flags().BoolVar(&allow, "allow-kexec", false, "leave the system that runs here without shutting it down")
	return cmd
}

// planBoot plans a boot of an image whose hashes have been checked: what --print shows must hold for
// the boot that follows.
func (a *app) planBoot(ctx context.Context, name, words string) (boot.Plan, error) {
	t, err := a.target()
	if err != nil {
		return boot.Plan{}, err
	}
	r, err := status.Read(t)
	if err != nil {
		return boot.Plan{}, err
	}
	if img, ok := r.Image(name); ok {
		if img, err = img.Verify(ctx, t.FS, ops.Discard); err != nil {
			return boot.Plan{}, err
		}
		r = r.Verified(img)
	}
	return boot.Request{Report: r, Image: name, Consoles: stage.Consoles(), Operator: operator(), Append: words}.Plan()
}

// confirm asks on the terminal, unless --yes was given. Anything but the word is a no, and so is the
// end of ctx: the reading then goes on by itself, until the process ends.
func (a *app) confirm(ctx context.Context, what string) error {
	if a.yes {
		return nil
	}
	no := &ops.Error{Kind: ops.NotConfirmed, Err: errors.New("not confirmed"), Hint: "type yes when asked, or give --yes"}
	if !isTerminal(a.in) {
		return no
	}
	fmt.Fprintf(a.out, "Type yes to %s: ", what)
	line, err := a.answer(ctx)
	if err != nil || line == "yes" {
		return err
	}
	return no
}

// answer reads a line from the terminal. After the end of ctx, the reading goes on by itself until the
// process ends.
func (a *app) answer(ctx context.Context) (string, error) {
	answer := make(chan string, 1)
	go func() {
		var line []byte
		for b := make([]byte, 1); len(line) < 1<<10; { // one by one: the next answer is not ours
			if n, err := a.in.Read(b); n == 0 || err != nil || b[0] == '\n' {
				break
			}
			line = append(line, b[0])
		}
		answer <- strings.TrimSpace(string(line))
	}()
	select {
	case line := <-answer:
		return line, ctx.Err()
	case <-ctx.Done():
		fmt.Fprintln(a.out)
		return "", &ops.Error{Kind: ops.NotConfirmed, Err: ctx.Err()}
	}
}
