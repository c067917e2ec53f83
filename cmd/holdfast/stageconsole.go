package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"holdfast/cmd/holdfast/stage"
	"holdfast/ops"
	opsarchive "holdfast/ops/archive"
	"holdfast/ops/session"
	"holdfast/tui"
	"holdfast/tui/terminal"
)

// exits are the statuses by which the console asks PID 1 for what its operator chose.
var exits = map[tui.Leave]int{tui.Reboot: stage.ExitReboot, tui.PowerOff: stage.ExitPowerOff}

// stageConsole is the console of the kexec stage, on every terminal of the machine.
func stageConsole(ctx context.Context, mayBoot bool) error {
	info, err := stage.Read()
	if err != nil {
		return &ops.Error{Kind: ops.Usage, Err: err, Hint: "--stage is for PID 1 of the kexec stage"}
	}
	line := stage.CommandLine()
	after, remark := autoboot(line)
	if !mayBoot {
		after = 0
	}
	leave, err := tui.Run(ctx, tui.Options{
		Consoles:  terminal.Find(os.DirFS("/sys"), line),
		Machine:   stage.Machine{},
		Kernel:    stage.Consoles(),
		Targets:   stageTargets(ctx, remark),
		KernelLog: kernelLog(ctx),
		Session:   session.Options{Guard: guardWords()}, // the stage was booted from no slot
		Archives:  func(ctx context.Context) ([]opsarchive.Found, error) { return stage.Archives(ctx) },
		Autoboot:  after,
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

// stageTargets tells the console what PID 1 finds, and remark with it where PID 1 has nothing more
// urgent to say.
func stageTargets(ctx context.Context, remark string) <-chan tui.Target {
	targets := make(chan tui.Target)
	go func() {
		defer close(targets)
		var last stage.Info
		for info := range stage.Watch(ctx) {
			info.Notice = cmp.Or(info.Notice, remark)
			target := stageTarget(info)
			if info.State == stage.Found && last.State == stage.Found && info.Flash == last.Flash {
				target = tui.Target{Notice: info.Notice}
			}
			last = info
			select {
			case targets <- target:
			case <-ctx.Done():
				return
			}
		}
	}()
	return targets
}

func stageTarget(info stage.Info) tui.Target {
	target, ok := info.Target()
	if !ok {
		return tui.Target{Searching: info.State == stage.Searching, Problem: info.Problem, Notice: info.Notice}
	}
	return tui.Target{Target: target, Notice: info.Notice}
}

// autoboot reads holdfast.autoboot=SECONDS. What is no number of seconds asks for nothing, and the
// remark says so: who wrote it waits for a boot that does not come.
func autoboot(line string) (after time.Duration, remark string) {
	value, ok := stage.Argument(line, "holdfast.autoboot")
	if !ok {
		return 0, ""
	}
	seconds, err := strconv.Atoi(value)
	if err != nil || seconds < 0 || seconds > 3600 {
		return 0, fmt.Sprintf("holdfast.autoboot=%s is not heeded: want seconds, 0 to 3600", value)
	}
	return time.Duration(seconds) * time.Second, ""
}

// shell is the program and its arguments for an interactive shell, nil when the archive has none.
func shell() []string { return shellWords(stage.ShellCommand()) }

// shellWords puts the program in the place of its name among the arguments: busybox needs to be told
// that it is a shell.
func shellWords(path string, argv []string, err error) []string {
	if err != nil {
		return nil
	}
	return append([]string{path}, argv[1:]...)
}
