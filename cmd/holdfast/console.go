package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"holdfast/cmd/holdfast/pid1"
	"holdfast/cmd/holdfast/stage"
	"holdfast/ops"
	opsarchive "holdfast/ops/archive"
	"holdfast/ops/boot"
	"holdfast/ops/logs"
	"holdfast/ops/status"
	"holdfast/tui"
	"holdfast/tui/terminal"
)

// consoleFlags choose between the console's four ways to run.
type consoleFlags struct {
	demo       bool
	allowKexec bool
	stage      bool   // as the child of PID 1
	autoboot   bool   // as its first: holdfast.autoboot= counts once in a stage's life
	plain      bool   // the numbered menu, as the child of PID 1
	tty        string // of the numbered menu
}

func (a *app) consoleCommand() *cobra.Command {
	var f consoleFlags
	cmd := &cobra.Command{
		Use:   "console",
		Short: "the full screen in this terminal",
		Example: `  holdfast console --flash /flash     look at a mounted flash
  holdfast console --demo             look at a made-up one`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.console(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.demo, "demo", false, "show a demonstration flash")
	flags.BoolVar(&f.allowKexec, "allow-kexec", false, "let a boot end the system that runs here, without a shutdown")
	flags.BoolVar(&f.stage, "stage", false, "")
	flags.BoolVar(&f.autoboot, "autoboot", false, "")
	flags.BoolVar(&f.plain, "plain", false, "")
	flags.StringVar(&f.tty, "tty", "", "")
	for _, internal := range []string{"stage", "autoboot", "plain", "tty"} {
		_ = flags.MarkHidden(internal)
	}
	return cmd
}

func (a *app) console(ctx context.Context, f consoleFlags) error {
	switch {
	case f.plain:
		os.Exit(pid1.Menu(ctx, a.in, a.out, f.tty, version))
	case f.stage:
		return stageConsole(ctx, f.autoboot)
	case a.dryRun:
		return usage("the console has no --dry-run: it shows its plan and asks before it does anything")
	}
	target, err := a.consoleTarget(f)
	if err != nil {
		return err
	}
	if err := needTerminal(); err != nil {
		return err
	}
	targets := make(chan tui.Target, 1)
	targets <- tui.Target{Target: target}
	var m boot.Machine // a demonstration's kernels are none: nothing boots them
	archives := demoArchives
	if !f.demo {
		m, archives = machine(f.allowKexec), archivesBeside(target)
	}
	_, err = tui.Run(ctx, tui.Options{
		Consoles:  []terminal.Console{terminal.Host(os.Environ())},
		Machine:   m,
		Kernel:    stage.Consoles(),
		Targets:   targets,
		KernelLog: kernelLog(ctx),
		Session:   a.session(),
		Archives:  archives,
		Version:   version,
	})
	return err
}

// archivesBeside looks for archives on the flash itself, which need not be on a disk, and on all disks.
func archivesBeside(flash status.Target) func(context.Context) ([]opsarchive.Found, error) {
	return func(ctx context.Context) ([]opsarchive.Found, error) {
		if v := flash.Volume; v != nil && v.Device != "" && !strings.HasPrefix(v.Device, "/dev/loop") {
			return stage.Archives(ctx)
		}
		return stage.Archives(ctx, opsarchive.Volume{Name: flash.Name, FS: flash.FS})
	}
}

// consoleTarget is the flash to look at.
func (a *app) consoleTarget(f consoleFlags) (status.Target, error) {
	if f.demo && a.flash != "" {
		return status.Target{}, usage("--demo and --flash: only one flash can be shown")
	}
	if f.demo {
		return demoTarget(), nil
	}
	target, err := a.anyTarget() // it shows what is wrong with the keys, as with everything
	if err != nil {
		return status.Target{}, err
	}
	_, err = status.Read(target)
	return target, err
}

// needTerminal says in plain words what the console would fail of.
func needTerminal() error {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return &ops.Error{Kind: ops.Usage, Err: errors.New("there is no terminal here"),
			Hint: "start it in a terminal; over ssh, with ssh -t; in a script, holdfast boot NAME --print shows an image"}
	}
	return tty.Close()
}

// kernelLog follows the kernel's log, or is nil where this user may not read it.
func kernelLog(ctx context.Context) <-chan logs.Line {
	lines, err := logs.Kernel(ctx)
	if err != nil {
		return nil
	}
	return lines
}
