package tui

import (
	"context"
	"errors"
	"time"

	"holdfast/kexec"
	"holdfast/ops/archive"
	"holdfast/ops/boot"
	"holdfast/ops/logs"
	flashuse "holdfast/ops/session"
	"holdfast/ops/status"
	"holdfast/tui/terminal"
)

// Options is what the console works with.
type Options struct {
	Consoles []terminal.Console // at least one
	// Machine boots. Between its Release and its Jump every program is stopped, every terminal given
	// back and the plan printed on every console; after a jump that fails the programs start again. nil
	// is for a demonstration, which boots nothing.
	Machine   boot.Machine
	Kernel    []kexec.Console  // consoles of the running kernel
	Targets   <-chan Target    // where the flash is; what comes later replaces what came before
	KernelLog <-chan logs.Line // nil: there is none to show
	Session   flashuse.Options // for what rewrites files of the flash
	// Archives looks for image archives on the volumes of the machine; it may take long. What it could
	// not look at is an error beside the rest. nil: there are none.
	Archives func(context.Context) ([]archive.Found, error)
	Autoboot time.Duration // boot the preferred image after that long; 0: never by itself
	Stage    bool          // this is the kexec stage: leaving offers reboot, power off and shell. Else: quit
	Shell    []string      // program and arguments of the shell; nil: none is offered
	Version  string        // of Holdfast
}

// Target is news of the flash. One with nothing but a Notice leaves the flash as it was.
type Target struct {
	status.Target
	Searching bool   // it is still looked for; the rest is empty
	Problem   string // why there is none; the rest is empty
	Notice    string // what must be seen on every screen, such as why the console was started anew
}

// Leave is how the console was left.
type Leave int

// The ways to leave.
const (
	Quit Leave = iota
	Reboot
	PowerOff
)

// Run shows the console until it is left. The terminals are then as they were found. When ctx ends
// it returns Quit and ctx's error. Outside the stage a terminal that cannot be taken, or that is
// lost, ends it with the reason; in the stage such a console is tried again for ever.
func Run(ctx context.Context, o Options) (Leave, error) {
	if len(o.Consoles) == 0 {
		return Quit, errors.New("no console to show anything on")
	}
	h := newHub(o)
	h.crew = newCrew(o, h)
	return h.run(ctx)
}
