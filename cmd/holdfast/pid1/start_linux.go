package pid1

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"holdfast/cmd/holdfast/stage"
	"holdfast/tui/terminal"

	"golang.org/x/sys/unix"
)

// self is this very program, even when its file is gone.
const self = "/proc/self/exe"

// stopGrace is how long a job that is asked to end may take.
const stopGrace = 2 * time.Second

// start starts a job.
func (p *process) start(j job) (handle, error) {
	switch j.kind {
	case menu:
		h, err := p.startOn(j.tty, self, []string{"holdfast", "console", "--plain", "--tty", j.tty}, consoleEnvironment())
		if err != nil {
			p.log.printf("%v: %v: running it in PID 1", j, err)
			return p.menuHere(j.tty)
		}
		return h, nil
	case shell:
		path, argv, err := stage.ShellCommand()
		if err != nil {
			return handle{}, err
		}
		return p.startOn(j.tty, path, argv, stage.ShellEnvironment(j.tty))
	}
	return p.startConsole()
}

// consoleEnvironment is that of the console in both its forms. The memory limit makes the collector
// work before the machine is short of memory; the traceback shows what every goroutine was at.
func consoleEnvironment() []string {
	return []string{"PATH=/sbin:/bin:/usr/sbin:/usr/bin", "HOME=/", "TERM=linux",
		"GOMEMLIMIT=64MiB", "GOTRACEBACK=all"}
}

// startConsole starts the full-screen console. It opens the terminals itself; what it or its
// runtime prints goes to a file, not onto a screen in use.
func (p *process) startConsole() (handle, error) {
	if err := rotate(stage.ConsoleLog, stage.CrashLog); err != nil {
		p.log.printf("%v", err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return handle{}, err
	}
	defer null.Close()
	out, err := os.OpenFile(stage.ConsoleLog, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return handle{}, err
	}
	defer out.Close()
	p.wiped = map[string]bool{}
	return p.spawn(self, p.consoleArguments(), &syscall.ProcAttr{
		Dir: "/", Env: consoleEnvironment(),
		Files: []uintptr{null.Fd(), out.Fd(), out.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
}

// consoleArguments lets the first console boot by itself, if the command line says so, and no other:
// one that comes after a crash, or by the wish of an operator, must not count down again.
func (p *process) consoleArguments() []string {
	args := []string{"holdfast", "console", "--stage"}
	if p.autoboot {
		args = append(args, "--autoboot")
	}
	p.autoboot = false
	return args
}

// wipe clears a terminal that the console had, which may have left its frame there, and a scroll region:
// what comes next begins on an empty screen, and keeps what was printed since.
func (p *process) wipe(tty string, fd int) {
	if p.wiped == nil || p.wiped[tty] {
		return
	}
	p.wiped[tty] = true
	_, _ = unix.Write(fd, []byte(terminal.Reset+terminal.Clear)) // one that takes nothing must not stop us
}

// rotate keeps a log that has something in it under another name.
func rotate(log, old string) error {
	if info, err := os.Stat(log); err != nil || info.Size() == 0 {
		return nil
	}
	return os.Rename(log, old)
}

// startOn starts a program in a session of its own on a terminal.
func (p *process) startOn(tty, path string, argv, env []string) (handle, error) {
	fd, err := openTerminal(tty)
	if err != nil {
		return handle{}, err
	}
	defer unix.Close(fd)
	p.wipe(tty, fd)
	if err := unix.SetNonblock(fd, false); err != nil {
		return handle{}, err
	}
	return p.spawn(path, argv, &syscall.ProcAttr{
		Dir: "/", Env: env,
		Files: []uintptr{uintptr(fd), uintptr(fd), uintptr(fd)},
		Sys:   &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0},
	})
}

func (p *process) spawn(path string, argv []string, attr *syscall.ProcAttr) (handle, error) {
	pid, done, err := p.children.start(path, argv, attr)
	if err != nil {
		return handle{}, err
	}
	stop := func() {
		p.children.signal(pid, syscall.SIGHUP) // what a shell heeds
		p.children.signal(pid, syscall.SIGTERM)
		time.AfterFunc(stopGrace, func() { p.children.signal(pid, syscall.SIGKILL) })
	}
	return handle{done, stop}, nil
}

// openTerminal opens a console as an ordinary line terminal, whatever the last user left it as. It
// does not wait for the carrier of a serial line.
func openTerminal(tty string) (int, error) {
	fd, err := unix.Open("/dev/"+tty, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/%s: %w", tty, err)
	}
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("/dev/%s is no terminal: %w", tty, err)
	}
	sane(t)
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, t); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("set up /dev/%s: %w", tty, err)
	}
	return fd, nil
}

// sane makes a terminal work by lines, with the kernel's echo and editing. Speed, parity and flow
// control are left as they are.
func sane(t *unix.Termios) {
	t.Iflag |= unix.ICRNL | unix.BRKINT
	t.Iflag &^= unix.INLCR | unix.IGNCR | unix.ISTRIP
	t.Oflag |= unix.OPOST | unix.ONLCR
	t.Lflag |= unix.ICANON | unix.ECHO | unix.ECHOE | unix.ECHOK | unix.ECHOCTL | unix.ECHOKE | unix.ISIG | unix.IEXTEN
	t.Lflag &^= unix.NOFLSH | unix.TOSTOP
	t.Cflag |= unix.CREAD | unix.CLOCAL
	t.Cc[unix.VINTR], t.Cc[unix.VQUIT] = 3, 28
	t.Cc[unix.VERASE], t.Cc[unix.VKILL] = 127, 21
	t.Cc[unix.VEOF], t.Cc[unix.VSUSP] = 4, 26
	t.Cc[unix.VEOL], t.Cc[unix.VEOL2] = 0, 0
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
}

// menuHere runs the plain menu within PID 1: the last resort, when no program can be started.
func (p *process) menuHere(tty string) (handle, error) {
	fd, err := openTerminal(tty)
	if err != nil {
		return handle{}, err
	}
	p.wipe(tty, fd)
	f := os.NewFile(uintptr(fd), tty) // stays non-blocking, so that Close ends a read
	done := make(chan outcome, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		defer f.Close()
		s := outcome{err: fmt.Errorf("plain menu on %s: internal error", tty)}
		defer func() { done <- s }()
		defer p.recover("plain menu on " + tty)
		s = exited(Menu(ctx, f, f, tty, p.version))
	}()
	return handle{done, func() { cancel(); f.Close() }}, nil
}

// recover is deferred around what PID 1 must survive: it notes a panic and goes on.
func (p *process) recover(what string) {
	if r := recover(); r != nil {
		p.log.printf("%s: internal error: %v\n%s", what, r, debug.Stack())
	}
}
