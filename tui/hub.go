package tui

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"holdfast/ops/logs"
	"holdfast/ops/status"
)

// logLines is how much of the log is kept: an hour of a quiet kernel, the boot of a noisy one.
const logLines = 2000

// request is what a console asks of the hub.
type request struct {
	kind    requestKind
	console string
	object  string // image
	task    Task   // to be planned
	draft   *Draft // the task that was shown, and agreed to
	word    string // that was typed for it
	leave   Leave
}

type requestKind int

const (
	painted       requestKind = iota // the first frame is on its way
	bootImage                        // boot object
	planTask                         // show what task takes
	dropTask                         // nobody waits for its plan any more
	doTask                           // do what draft says
	verifyImage                      // hash object; all images when it is ""
	findArchives                     // look for archives on the machine's volumes
	stopCountdown                    // no automatic boot
	shellEnded                       // whoever was in it may have changed what boots next
	stopAction                       // give up what is being done, while that is possible
	leaveConsole
	dismiss // the outcome was read
)

// consoles is what the hub needs of the sessions.
type consoles interface {
	start()
	stop() // returns when every program has ended and every terminal is given back
	show(*Snapshot)
	print(text string)
}

// hub owns the state. Everything that changes it happens in run's goroutine; whatever may take long
// happens elsewhere and comes back as an event.
type hub struct {
	o        Options
	crew     consoles
	requests chan request
	events   chan func() // from our own goroutines, to be run in run's
	plan     func(context.Context, *status.Report, Task) (plan, error)
	after    func(time.Duration) <-chan time.Time
	uptime   func() time.Duration

	ctx       context.Context // ends with run
	state     Snapshot
	log       ring
	painted   bool
	counted   bool                          // the countdown has been: it comes once
	tick      <-chan time.Time              // of the countdown; nil while none runs
	target    int                           // counts the targets: what an older one gave is not wanted
	mending   bool                          // it is looked whether there is something to repair
	verifying context.CancelFunc            // nil: nothing is hashed
	planning  map[string]context.CancelFunc // by console: the plan that is being made for it
	readers   sync.WaitGroup                // who has files of the flash open, which may have to be unmounted; none is added while an action runs
	stop      context.CancelFunc            // of the action
	outcomes  int                           // counts them
	tried     []string                      // images that the automatic boot could not boot
	left      *Leave                        // somebody left while an action ran
	grace     <-chan time.Time              // ends the wait for it; nil: it is waited for
	overdue   bool                          // it did not end in time
	err       error                         // why the console cannot go on
}

func newHub(o Options) *hub {
	return &hub{
		o:        o,
		requests: make(chan request),
		events:   make(chan func()),
		plan:     planner{o.Session}.plan,
		planning: map[string]context.CancelFunc{},
		after:    time.After,
		uptime:   uptime,
		log:      ring{limit: logLines},
		state:    Snapshot{Target: Target{Searching: true}},
	}
}

// run is the hub's life. When it returns, no goroutine of the hub works on the machine any more, but
// for an action that did not heed a reboot or a power-off in time: the process must then end.
func (h *hub) run(outer context.Context) (Leave, error) {
	// Our own context outlives outer: an action that is told to stop still has its outcome to tell.
	var cancel context.CancelFunc
	h.ctx, cancel = context.WithCancel(context.WithoutCancel(outer))
	h.publish()
	h.crew.start()
	defer func() {
		cancel() // first: a session may wait for us
		h.crew.stop()
	}()
	targets, kernelLog := h.o.Targets, h.o.KernelLog
	done := outer.Done()
	for {
		select {
		case t, ok := <-targets:
			if !ok {
				targets = nil
				continue
			}
			h.found(t)
		case l, ok := <-kernelLog:
			if !ok {
				kernelLog = nil
				continue
			}
			h.log.add(l)
			kernelLines(kernelLog, &h.log)
		case r := <-h.requests:
			h.serve(r)
		case event := <-h.events:
			event()
		case <-h.tick:
			h.second()
		case <-h.grace:
			h.overdue = true
		case <-done:
			done = nil
			h.err = outer.Err()
			h.depart(Quit)
		}
		if h.left != nil && (h.state.Action == nil || h.overdue) {
			return *h.left, h.err
		}
		h.publish()
	}
}

// kernelLines takes what else the kernel has said already, so that a flood is published in pieces.
func kernelLines(c <-chan logs.Line, to *ring) {
	for range 100 {
		select {
		case l, ok := <-c:
			if !ok {
				return
			}
			to.add(l)
		default:
			return
		}
	}
}

// publish shows the state as it is now on every console.
func (h *hub) publish() {
	s := h.state
	s.Log, s.LogFirst = h.log.lines, h.log.dropped
	if s.Countdown != nil {
		c := *s.Countdown
		img, why, _ := s.Report.Preferred()
		c.Image, c.Why = imageName(img), why
		s.Countdown = &c
	}
	s.Autoboot = h.o.Autoboot > 0 && !h.counted
	h.crew.show(&s)
}

// say adds a line of our own to the log.
func (h *hub) say(format string, args ...any) {
	h.log.add(logs.Line{At: h.uptime(), Level: 5, Text: "holdfast: " + fmt.Sprintf(format, args...)})
}

// tell is say for other goroutines.
func (h *hub) tell(format string, args ...any) {
	h.send(func() { h.say(format, args...) })
}

// fail ends the console for a reason. It is for other goroutines.
func (h *hub) fail(err error) {
	h.send(func() {
		if h.err == nil {
			h.err = err
		}
		h.depart(Quit)
	})
}

// send has event run in run's goroutine.
func (h *hub) send(event func()) {
	select {
	case h.events <- event:
	case <-h.ctx.Done():
	}
}

// spawn runs work elsewhere and its outcome here. A panic in work ends the console with the
// terminals given back, where it would have left them raw.
func (h *hub) spawn(work func() (outcome func())) {
	go func() {
		outcome := func() {}
		defer func() {
			if r := recover(); r != nil {
				trace := debug.Stack()
				outcome = func() {
					h.err = fmt.Errorf("internal error: %v\n%s", r, trace)
					h.state.Action = nil
					h.depart(Quit)
				}
			}
			h.send(outcome)
		}()
		outcome = work()
	}()
}

// serve does what a console asks for, or nothing: a request may come too late.
func (h *hub) serve(r request) {
	switch r.kind {
	case painted:
		h.painted = true
		h.verify()
	case bootImage:
		h.endCountdown("stopped at " + r.console)
		h.boot(r.console, r.object)
	case planTask:
		h.endCountdown("stopped at " + r.console)
		h.planTask(r.console, r.task)
	case dropTask:
		h.dropPlan(r.console)
	case doTask:
		h.doTask(r.console, r.draft, r.word)
	case verifyImage:
		h.endCountdown("stopped at " + r.console)
		h.check(r.console, r.object)
	case findArchives:
		h.endCountdown("stopped at " + r.console)
		h.findArchives()
		h.lookAgain(nil) // a version that another program has staged is in the list too
	case stopCountdown:
		h.endCountdown("stopped at " + r.console)
		if a := h.state.Action; a != nil && a.automatic() { // the countdown ended while the key was on its way
			h.stopAction()
		}
	case shellEnded:
		h.lookAgain(nil)
	case stopAction:
		h.stopAction()
	case leaveConsole:
		h.depart(r.leave)
	case dismiss:
		h.state.Outcome = nil
	}
}

// depart leaves as soon as no action runs: one that cannot be stopped any more may still jump.
func (h *hub) depart(how Leave) {
	if h.left == nil {
		h.left = &how
		if how != Quit { // a disk or a kernel that does not answer must not keep a machine from its reboot
			h.grace = h.after(leaveGrace)
		}
	}
	h.stopAction()
	h.stopVerifying()
}
