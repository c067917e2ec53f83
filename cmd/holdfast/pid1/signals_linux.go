package pid1

import (
	"os"
	"os/signal"
	"syscall"
)

// catch takes every signal that can be taken. The kernel delivers to PID 1 only what it has a
// handler for, but Go's runtime has one for nearly all, and its own answer to most is to exit: a
// kernel panic. Ignoring them would do as well here, but would be inherited by every shell. The
// signals of children come by a channel of their own, for others must not crowd them out.
func catch() (asked, child <-chan os.Signal) {
	a, c := make(chan os.Signal, 8), make(chan os.Signal, 1)
	for s := syscall.Signal(1); s < 32; s++ {
		switch s {
		case syscall.SIGKILL, syscall.SIGSTOP: // cannot be taken
		case syscall.SIGURG: // the runtime's own, many a second
		case syscall.SIGCHLD:
			signal.Notify(c, s)
		default:
			signal.Notify(a, s)
		}
	}
	return a, c
}

// meaning is what a signal to PID 1 asks for. Ctrl-Alt-Del comes as SIGINT (kernel/reboot.c), the
// others are as busybox's and sysvinit's halt, poweroff and reboot send them.
func meaning(s os.Signal) ending {
	switch s {
	case syscall.SIGINT, syscall.SIGTERM:
		return reboot
	case syscall.SIGUSR2:
		return powerOff
	case syscall.SIGUSR1:
		return halt
	}
	return stay
}
