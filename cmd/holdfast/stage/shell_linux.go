package stage

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// ErrNoShell means that the archive was made without a shell.
var ErrNoShell = errors.New("there is no shell in this archive (see --busybox of initramfs create)")

// ShellCommand finds an interactive shell: the path of the program, and its arguments.
func ShellCommand() (path string, argv []string, err error) { return shellCommand(executable) }

func shellCommand(executable func(string) bool) (string, []string, error) {
	for _, path := range []string{"/bin/sh", "/usr/bin/sh"} {
		if executable(path) {
			return path, []string{"-sh"}, nil
		}
	}
	for _, path := range []string{"/bin/busybox", "/sbin/busybox", "/usr/bin/busybox"} {
		if executable(path) {
			return path, []string{"busybox", "sh"}, nil
		}
	}
	return "", nil, ErrNoShell
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// ShellEnvironment is the environment of a shell on the console of that name. The kernel calls
// every terminal "linux", also a serial line that has something else at its end.
func ShellEnvironment(tty string) []string {
	term := "vt100"
	if n, ok := strings.CutPrefix(tty, "tty"); ok && n != "" && n[0] >= '0' && n[0] <= '9' {
		term = "linux"
	}
	return []string{"PATH=/sbin:/bin:/usr/sbin:/usr/bin", "HOME=/", "TERM=" + term, "PS1=holdfast# "}
}

// Shell runs a shell on the console of that name and waits for its end. The terminal is the
// shell's own, with its signals; the kernel hangs it up for everybody else when the shell ends, so
// whoever had it open must open it again. Not for PID 1, which waits for its children elsewhere.
func Shell(tty string) error {
	path, argv, err := ShellCommand()
	if err != nil {
		return err
	}
	f, err := os.OpenFile("/dev/"+tty, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	cmd := exec.Cmd{Path: path, Args: argv, Env: ShellEnvironment(tty), Dir: "/",
		Stdin: f, Stdout: f, Stderr: f,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Setctty: true}}
	err = cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return nil // the status of the last command is nobody's business
	}
	return err
}
