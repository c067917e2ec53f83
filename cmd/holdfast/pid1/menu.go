package pid1

import (
	"context"
	"errors"
	"io"

	"holdfast/cmd/holdfast/stage"
	"holdfast/ops"
	opsarchive "holdfast/ops/archive"
	"holdfast/ops/logs"
	"holdfast/ops/session"
	"holdfast/ops/status"
	"holdfast/tui/plain"
)

// Menu runs the plain menu of the stage on the terminal of that kernel name and gives the exit
// status that tells PID 1 what the operator chose: `console --plain --tty NAME` ends with it.
func Menu(ctx context.Context, in io.Reader, out io.Writer, tty, version string) int {
	choice := plain.Run(ctx, plain.Options{
		In:       in,
		Out:      out,
		Version:  version,
		TTY:      tty,
		Notice:   notice,
		Report:   report,
		Machine:  stage.Machine{},
		Session:  session.Options{Guard: []string{"/proc/self/exe", "guard"}},
		Archives: func(ctx context.Context) ([]opsarchive.Found, error) { return stage.Archives(ctx) },
		Consoles: stage.Consoles(),
		Kernel:   logs.KernelNow,
	})
	return exitStatus(choice)
}

func exitStatus(c plain.Choice) int {
	switch c {
	case plain.Console:
		return stage.ExitConsole
	case plain.Shell:
		return stage.ExitShell
	case plain.Reboot:
		return stage.ExitReboot
	case plain.PowerOff:
		return stage.ExitPowerOff
	}
	return 0
}

// notice is what PID 1 has to say, "" when there is nothing.
func notice() string {
	info, err := stage.Read()
	if err != nil {
		return ""
	}
	return info.Notice
}

// report reads the flash that PID 1 found.
func report() (*status.Report, error) {
	info, err := stage.Read()
	if err != nil {
		return nil, err
	}
	target, ok := info.Target()
	if ok {
		return status.Read(target)
	}
	e := &ops.Error{Kind: ops.NoFlash, Op: "status", Err: errors.New("not found so far: it is being looked for")}
	if info.State != stage.Searching {
		e.Err = errors.New(info.Problem)
	}
	return nil, e
}
