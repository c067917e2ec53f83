package tui

import (
	"context"
	"errors"
	"time"

	"holdfast/ops"
)

// leaveGrace is how long a reboot or a power-off waits for an action that was told to stop.
const leaveGrace = 10 * time.Second

func hintOf(err error) string {
	var e *ops.Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

// act starts an action. work does it, elsewhere, and gives what came of it. Nothing must be under way:
// who comes second sees who was first. What came of the last one was seen by whoever asks for the next.
func (h *hub) act(a Action, work func(context.Context, ops.Reporter) (Outcome, error)) {
	if a.Console != "" {
		h.state.Outcome = nil
	}
	h.state.Action = &a
	h.say("%s, asked for by %s", a.title(), a.who())
	ctx, cancel := context.WithCancel(h.ctx)
	h.stop = cancel
	for console := range h.planning {
		h.dropPlan(console)
	}
	h.spawn(func() func() {
		defer cancel()
		h.readers.Wait()
		o, err := work(ctx, newReporter(h))
		return func() { h.ended(*h.state.Action, o, err) }
	})
}

// free makes ready for an action and reports whether there can be one now.
func (h *hub) free() bool {
	if h.state.Action != nil || h.state.Report == nil || h.left != nil {
		return false
	}
	h.stopVerifying()
	return true
}

// ended is how every action ends. A boot that succeeds does not come back.
func (h *hub) ended(a Action, o Outcome, err error) {
	h.state.Action, h.stop = nil, nil
	o.Action, o.Failed = a, err != nil
	switch {
	case errors.Is(err, context.Canceled):
		o.Text = "stopped"
	case err != nil:
		o.Text, o.Hint = err.Error(), hintOf(err)
	}
	h.conclude(o)
	switch {
	case a.automatic() && !a.Stopping && h.left == nil && h.state.Report != nil:
		h.bootNext(a.Object)
	case a.Verb == Repairs:
		h.begin()
	case a.Verb == Boots: // it may have been a try
		h.lookAgain(nil)
	}
	h.verify()
}

// conclude shows what came of an action on every screen, and logs it.
func (h *hub) conclude(o Outcome) {
	h.outcomes++
	o.Number = h.outcomes
	h.state.Outcome = &o
	h.say("%s", o.message())
}

func (h *hub) stopAction() {
	if h.stop == nil || h.state.Action == nil {
		return
	}
	h.stop()
	a := *h.state.Action
	a.Stopping = true
	h.state.Action = &a
}
