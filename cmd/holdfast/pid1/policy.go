package pid1

import (
	"fmt"
	"time"

	"holdfast/cmd/holdfast/stage"
)

// How often the full-screen console may crash before the plain menus take its place.
const (
	crashes     = 3
	crashWindow = time.Minute
)

// A menu that ends sooner than shortRun after its start waits before it comes again, each time
// twice as long up to longestWait: a serial line that was hung up ends it at once, for hours.
const (
	shortRun    = 5 * time.Second
	firstWait   = time.Second
	longestWait = 16 * time.Second
)

// kind is what a process of ours is.
type kind int

const (
	console kind = iota // the full-screen console, on all terminals
	menu                // the plain menu, on one
	shell               // a shell, on one
)

// job is a process that PID 1 keeps.
type job struct {
	kind kind
	tty  string // kernel name of the terminal; "" for the console
}

func (j job) String() string {
	switch j.kind {
	case menu:
		return "plain menu on " + j.tty
	case shell:
		return "shell on " + j.tty
	}
	return "console"
}

// order is what the policy wants done: a job started after a while, or stopped.
type order struct {
	job   job
	stop  bool
	after time.Duration
}

// ending is how the stage ends.
type ending int

const (
	stay ending = iota
	reboot
	powerOff
	halt
)

func (e ending) String() string {
	return [...]string{"stay", "reboot", "power off", "halt"}[e]
}

// policy decides which jobs run. It holds no clock and starts nothing: it is told what happened and
// when, and answers with orders.
type policy struct {
	terminals []string    // that get a plain menu each
	plain     bool        // the plain menus have the terminals, not the console
	crashed   []time.Time // the console's crashes within the window
	reason    string      // of the last crash
	running   map[job]bool
	short     map[string]int // short runs of a menu in a row, by terminal
}

func newPolicy(terminals []string) *policy {
	return &policy{terminals: terminals, running: map[job]bool{}, short: map[string]int{}}
}

// begin starts the console, or a shell on the terminal of that name, after which the console comes.
func (p *policy) begin(shellOn string) []order {
	if shellOn != "" {
		return p.start(order{job: job{shell, shellOn}})
	}
	return p.start(order{job: job{kind: console}})
}

// beginPlain starts with the plain menus, after something that must not be tried again unasked.
func (p *policy) beginPlain() []order {
	p.plain, p.crashed = true, nil
	var orders []order
	for _, tty := range p.terminals {
		orders = append(orders, p.start(order{job: job{menu, tty}})...)
	}
	return orders
}

func (p *policy) start(o order) []order {
	p.running[o.job] = true
	return []order{o}
}

// wants says whether a job that was ordered for later is still to be started.
func (p *policy) wants(j job) bool { return p.running[j] }

// ended is told that a job ended at now, having run for ran.
func (p *policy) ended(j job, s outcome, ran time.Duration, now time.Time) ([]order, ending) {
	if j.kind != shell { // a shell's outcome is that of the operator's last command
		switch s.code() {
		case stage.ExitReboot:
			return nil, reboot
		case stage.ExitPowerOff:
			return nil, powerOff
		}
	}
	delete(p.running, j)
	switch {
	case j.kind == console:
		return p.crash(s, now), stay
	case !p.plain:
		return p.console(), stay
	case j.kind == shell:
		return p.start(order{job: job{menu, j.tty}}), stay
	}
	return p.menuEnded(j, s, ran), stay
}

// console starts the console once nobody else is on a terminal.
func (p *policy) console() []order {
	if len(p.running) > 0 {
		return nil
	}
	return p.start(order{job: job{kind: console}})
}

// crash restarts the console at once, unless it crashed too often.
func (p *policy) crash(s outcome, now time.Time) []order {
	p.reason = "the console ended: " + s.String()
	recent := []time.Time{now}
	for _, t := range p.crashed {
		if now.Sub(t) < crashWindow {
			recent = append(recent, t)
		}
	}
	p.crashed = recent
	if len(recent) < crashes {
		return p.console()
	}
	p.reason = fmt.Sprintf("the console ended %d times within %v, the last time: %v",
		len(recent), crashWindow, s)
	return p.beginPlain()
}

func (p *policy) menuEnded(j job, s outcome, ran time.Duration) []order {
	switch s.code() {
	case stage.ExitShell:
		p.short[j.tty] = 0
		return p.start(order{job: job{shell, j.tty}})
	case stage.ExitConsole:
		return p.leavePlain()
	}
	if ran >= shortRun {
		p.short[j.tty] = 0
		return p.start(order{job: j})
	}
	wait := min(firstWait<<min(p.short[j.tty], 10), longestWait)
	p.short[j.tty]++
	return p.start(order{job: j, after: wait})
}

// leavePlain ends what is on the other terminals; the console comes when the last of it is gone.
func (p *policy) leavePlain() []order {
	p.plain = false
	if len(p.running) == 0 {
		return p.console()
	}
	var orders []order
	for j := range p.running {
		orders = append(orders, order{job: j, stop: true})
	}
	return orders
}
