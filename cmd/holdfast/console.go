package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"holdfast/cmd/holdfast/pid1"
	"holdfast/cmd/holdfast/stage"
	"holdfast/ops"
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
	flags.BoolVar(&f.plain, "plain", false, "")
	flags.StringVar(&f.tty, "tty", "", "")
	for _, internal := range []string{"stage", "plain", "tty"} {
		_ = flags.MarkHidden(internal)
	}
	return cmd
}

func (a *app) console(ctx context.Context, f consoleFlags) error {
	switch {
	case f.plain:
		os.Exit(pid1.Menu(ctx, a.in, a.out, f.tty, version))
	case f.stage:
		return stageConsole(ctx)
	}
	target := demoTarget()
	if !f.demo {
		var err error
		if target, err = a.target(); err != nil {
			return err
		}
		if _, err := status.Read(target); err != nil {
			return err
		}
	}
	targets := make(chan tui.Target, 1)
	targets <- tui.Target{Target: target}
	_, err := tui.Run(ctx, tui.Options{
		Consoles:  []terminal.Console{terminal.Host(os.Environ())},
		Machine:   machine(f.allowKexec),
		Kernel:    stage.Consoles(),
		Targets:   targets,
		KernelLog: kernelLog(ctx),
		Version:   version,
	})
	return err
}

// kernelLog follows the kernel's log, or is nil where this user may not read it.
func kernelLog(ctx context.Context) <-chan logs.Line {
	lines, err := logs.Kernel(ctx)
	if err != nil {
		return nil
	}
	return lines
}

// exit ends the process with a status that PID 1 understands.
var exits = map[tui.Leave]int{tui.Reboot: stage.ExitReboot, tui.PowerOff: stage.ExitPowerOff}

// stageConsole is the console of the kexec stage, on every terminal of the machine.
func stageConsole(ctx context.Context) error {
	info, err := stage.Read()
	if err != nil {
		return &ops.Error{Kind: ops.Usage, Err: err, Hint: "--stage is for PID 1 of the kexec stage"}
	}
	line := stage.CommandLine()
	leave, err := tui.Run(ctx, tui.Options{
		Consoles:  terminal.Find(os.DirFS("/sys"), line),
		Machine:   stage.Machine{},
		Kernel:    stage.Consoles(),
		Targets:   stageTargets(ctx),
		KernelLog: kernelLog(ctx),
		Autoboot:  autoboot(line),
		Stage:     true,
		Shell:     shell(),
		Version:   info.Version,
	})
	if err != nil {
		return err
	}
	os.Exit(exits[leave])
	return nil
}
