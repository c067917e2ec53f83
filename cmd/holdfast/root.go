package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/cmd/holdfast/stage"
	"holdfast/ops"
)

// app is what the commands share: the global flags and where to print.
type app struct {
	flash  string
	grub   string
	trust  string
	json   bool
	dryRun bool
	yes    bool
	noWait bool

	in          io.Reader
	out         io.Writer
	err         io.Writer
	commandLine func() string // of the running kernel
	started     bool          // a command's own code has begun: what fails now is no wrong usage
}

// run is the whole program but for PID 1: it parses, runs and gives the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	a := &app{in: in, out: out, err: errs, commandLine: stage.CommandLine}
	return a.run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	if !a.started {
		err = &ops.Error{Kind: ops.Usage, Err: err, Hint: cmd.CommandPath() + " --help"}
	}
	_, op, _ := strings.Cut(cmd.CommandPath(), " ")
	return report(a.err, op, err)
}

// report prints an error as DESIGN.md has it, and gives its exit code.
func report(w io.Writer, op string, err error) int {
	var e *ops.Error
	hint := ""
	if errors.As(err, &e) {
		hint = e.Hint
		if e.Op != "" {
			op = e.Op
		}
	}
	code := ops.ExitCode(err)
	switch {
	case ops.Stopped(err):
		err = errors.New("interrupted; nothing is left half done")
	case errors.Is(err, context.Canceled):
		err = fmt.Errorf("interrupted: %w", err)
	}
	if op != "" {
		op += ": "
	}
	fmt.Fprintf(w, "holdfast: %s%v\n", op, err)
	if hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
	return code
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:     "holdfast",
		Short:   "firmware maintenance console for Linux appliances",
		Version: version,
		Example: `  holdfast console --demo                          a look at the console
  holdfast status --flash disk.img                 what is on a disk, and what boots next
  holdfast default set backup --dry-run            what would change, and where
  holdfast boot backup --print --flash /flash      what a boot of backup would load
  holdfast disk create --help                      make a bootable disk`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmd.ValidateRequiredFlags(); err != nil {
				return err
			}
			if a.json && cmd.Annotations["json"] == "" {
				return errors.New("there is no --json: it prints text for people")
			}
			// A script whose variable is empty must not be taken to mean this machine's own disks, or any model.
			for _, name := range []string{"flash", "grub", "trust", "model", "min-version", "key"} {
				if f := cmd.Flags().Lookup(name); f != nil && f.Changed && f.Value.String() == "" {
					return fmt.Errorf("--%s is empty", name)
				}
			}
			a.started = true
			return nil
		},
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.CompletionOptions.DisableDefaultCmd = true
	flags := root.PersistentFlags()
	flags.StringVar(&a.flash, "flash", "", "the flash: a directory, a device, or an image file, FILE:N for its partition N")
	flags.StringVar(&a.grub, "grub", "", "GRUB's files, where they are not on the flash or its disk: as --flash")
	flags.StringVar(&a.trust, "trust", stage.TrustDir, "`DIR` with keys/*.pub, model, min-version and require-signature")
	flags.BoolVar(&a.json, "json", false, "print JSON for scripts")
	flags.BoolVar(&a.dryRun, "dry-run", false, "show the plan and change nothing")
	flags.BoolVar(&a.yes, "yes", false, "do not ask")
	flags.BoolVar(&a.noWait, "no-wait", false, "fail when another holdfast is at work on the flash, instead of waiting for it")
	root.AddCommand(
		a.consoleCommand(),
		a.statusCommand(),
		a.verifyCommand(),
		a.defaultCommand(),
		a.confirmCommand(),
		a.installCommand(),
		a.rotateCommand(),
		a.removeCommand(),
		a.repairCommand(),
		a.bootCommand(),
		a.imageCommand(),
		a.initramfsCommand(),
		a.diskCommand(),
		initCommand(),
		guardCommand(),
	)
	return root
}

// printsJSON marks a command that heeds --json.
var printsJSON = map[string]string{"json": "yes"}
