// Command holdfast is a firmware maintenance console for Linux appliances: /init of the kexec
// stage, a command on the running appliance, and a tool on the bench.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"holdfast/cmd/holdfast/pid1"
)

// version is set by the linker.
var version = "unknown"

func main() {
	if os.Getpid() == 1 {
		pid1.Run(version) // does not return; the kernel's words for init are not for us
	}
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	context.AfterFunc(ctx, stop) // a second one ends what does not look at ctx
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// endings are the signals at which a command cleans up and ends. A terminal that is closed, or the
// key that would leave a core file, must not leave it raw; nohup is heeded. In the stage PID 1 cleans
// up, and a line that hangs up is no reason to end the console of the others.
func endings() []os.Signal {
	list := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if inStage() {
		return list
	}
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(s) {
			list = append(list, s)
		}
	}
	return list
}
