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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
