package main

import (
	"errors"
	"os"
	"strings"
	"syscall"

	"holdfast/cmd/holdfast/stage"
	"holdfast/kexec"
	"holdfast/ops"
	"holdfast/ops/boot"
)

// machine is the one this process may hand over: the stage's, or a host that is only left when its
// user said so.
func machine(allowKexec bool) boot.Machine {
	if inStage() {
		return stage.Machine{}
	}
	return host{allowed: allowKexec}
}

// inStage reports whether PID 1 of this system is this very program, and has told what it knows. On
// a host only root may see what PID 1 is; in the stage everybody is root.
func inStage() bool {
	if _, err := stage.Read(); err != nil {
		return false
	}
	first, err := os.Stat("/proc/1/exe")
	if err != nil {
		return false
	}
	self, err := os.Stat("/proc/self/exe")
	return err == nil && os.SameFile(first, self)
}

// host is a system that runs something else: a jump ends it without a shutdown.
type host struct{ allowed bool }

var _ boot.Machine = host{}

func (h host) Load(kernel, initrd *os.File, commandLine string) (kexec.Method, error) {
	switch {
	case !h.allowed:
		return 0, &ops.Error{Kind: ops.Refused, Op: "boot", Err: errors.New("the system that runs here would end without a shutdown"),
			Hint: "if that is what you want: --allow-kexec, as root"}
	case os.Geteuid() != 0:
		return 0, &ops.Error{Kind: ops.Refused, Op: "boot", Err: errors.New("only root can load a kernel"), Hint: "run it as root"}
	}
	return kexec.Load(kernel, initrd, commandLine)
}

func (host) Unload() error { return kexec.Unload() }

func (host) Release(boot.Plan) (restore func() error, err error) {
	syscall.Sync()
	return func() error { return nil }, nil
}

func (host) Jump() error { return kexec.Jump() }

// operator is the kernel name of the terminal that standard input is, "" when it is none that the
// kernel could use as a console.
func operator() string {
	name, err := os.Readlink("/proc/self/fd/0")
	if err != nil {
		return ""
	}
	tty, ok := strings.CutPrefix(name, "/dev/")
	if !ok || strings.Contains(tty, "/") || !strings.HasPrefix(tty, "tty") {
		return ""
	}
	return tty
}
