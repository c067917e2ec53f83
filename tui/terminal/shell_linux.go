package terminal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// RunShell runs a program on a console that nobody has taken, as the leader of a session of its own
// with the console as its controlling terminal, and waits for it. When the leader ends, the kernel
// hangs the console up for everybody who has it open. How the program ended is no error.
func RunShell(ctx context.Context, c Console, argv []string) error {
	if len(argv) == 0 {
		return errors.New("no shell to run")
	}
	// A shell cannot read from a descriptor that does not wait; opening without O_NONBLOCK waits
	// for a carrier that a three-wire line never has.
	fd, err := unix.Open(c.Path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open console %s: %w", c.Name, err)
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		unix.Close(fd)
		return fmt.Errorf("open console %s: %w", c.Name, err)
	}
	tty := os.NewFile(uintptr(fd), c.Path)
	defer tty.Close()
	if c.Width > 0 && c.Height > 0 {
		_ = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(c.Width), Row: uint16(c.Height)})
	}

	fmt.Fprint(tty, "A shell; exit goes back to Holdfast.\n")
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.Env = append(without(os.Environ(), "TERM", "GOMEMLIMIT", "GOTRACEBACK"), "TERM="+c.Term)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && ctx.Err() == nil {
		return fmt.Errorf("run %s: %w", argv[0], err)
	}
	return nil
}

// without is an environment without some of its variables.
func without(env []string, names ...string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return slices.Contains(names, name)
	})
}
