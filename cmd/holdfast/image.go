package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"holdfast/ops"
	"holdfast/ops/pack"
)

// plan is what an operation will do, and the doing.
type plan interface {
	String() string
	Apply(context.Context, ops.Reporter) error
}

// carryOut prints the plan and, unless this is a dry run, does it.
func (a *app) carryOut(ctx context.Context, p plan) error {
	a.printPlan(p)
	if a.dryRun {
		return nil
	}
	return a.apply(func(rep ops.Reporter) error { return p.Apply(ctx, rep) })
}

func (a *app) imageCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "image", Short: "make and look at image archives", Args: noCommand, RunE: help}
	cmd.AddCommand(a.imagePackCommand(), a.imageSignCommand(), a.imageInspectCommand())
	return cmd
}

func (a *app) imagePackCommand() *cobra.Command {
	var (
		r   pack.Request
		key keyFlags
	)
	cmd := &cobra.Command{
		Use:   "pack --kernel K --version V -o image.tgz",
		Short: "pack a kernel, an initrd and their arguments into an image archive",
		Example: `  holdfast image pack --kernel vmlinuz --initrd initrd.gz --version 1.3.124 \
      --args "acpi=off" -o image.tgz`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if key.key != "" {
				secret, err := key.read(cmd.Context(), a)
				if err != nil {
					return err
				}
				r.Secret = &secret
			}
			p, err := r.Plan()
			if err != nil {
				return err
			}
			return a.carryOut(cmd.Context(), p)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&r.Kernel, "kernel", "", "bzImage `FILE`")
	flags.StringVar(&r.Initrd, "initrd", "", "initrd `FILE`")
	flags.StringVar(&r.Version, "version", "", "`VERSION` of the image")
	key.add(cmd)
	flags.StringVar(&r.Model, "model", "", "`MODEL` that the image is for, to be signed")
	flags.StringVar(&r.Args, "args", "", "`WORDS` for its kernel")
	flags.StringVarP(&r.Output, "output", "o", "", "archive `FILE` to write")
	flags.BoolVar(&r.Force, "force", false, "replace an existing file")
	require(cmd, "kernel", "version", "output")
	return cmd
}

// require marks flags that must be given.
func require(cmd *cobra.Command, names ...string) {
	for _, n := range names {
		_ = cmd.MarkFlagRequired(n) // fails only for a flag that is not there, which --help would show
	}
}

// noCommand refuses a word that is none of the command's subcommands.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
	}
	return nil
}

func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }
