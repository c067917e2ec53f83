package stage

import (
	"errors"
	"os"
	"strings"
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
