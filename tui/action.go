package tui

import (
	"context"
	"errors"
	"sync"
	"time"

	"holdfast/ops"
)

// leaveGrace is how long a reboot or a power-off waits for an action that was told to stop.
const leaveGrace = 10 * time.Second

// progressEvery is how often progress is shown: more would fill a line of 9600 baud.
const progressEvery = 250 * time.Millisecond

func hintOf(err error) string {
	var e *ops.Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

// act starts an action. work does it, elsewhere, and gives in words what came of it. Nothing must be
// under way: who comes second sees who was first.
func (h *hub) act(a Action, work func(context.Context, ops.Reporter) (string, error)) {
	h.state.Action = &a
	h.say("%s, asked for by %s", a.title(), a.who())
	ctx, cancel := context.WithCancel(h.ctx)
	h.stop = cancel
	h.spawn(func() func() {
		defer cancel()
		text, err := work(ctx, &reporter{hub: h})
		return func() { h.ended(*h.state.Action, text, err) }
	})
}

// free makes ready for an action and reports whether there can be one now.
func (h *hub) free() bool {
	if h.state.Action != nil || h.state.Report == nil || h.left != nil {
		return false
	}
	h.stopVerifying()
	h.state.Outcome = nil
	return true
}

// ended is how every action ends. A boot that succeeds does not come back.
func (h *hub) ended(a Action, text string, err error) {
	h.state.Action, h.stop = nil, nil
	o := Outcome{Action: a, Text: text, Failed: err != nil}
	switch {
	case errors.Is(err, context.Canceled):
		o.Text = "stopped"
	case err != nil:
		o.Text, o.Hint = err.Error(), hintOf(err)
	}
	h.conclude(o)
	if a.Verb == Boots && a.Console == "" && !a.Stopping && h.left == nil && h.state.Report != nil {
		h.bootNext(a.Object)
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

// reporter brings an action's progress to the hub.
type reporter struct {
	hub *hub

	mu   sync.Mutex
	step string
	last time.Time
}

// Progress shows the state of a step, not each one that comes.
func (r *reporter) Progress(p ops.Progress) {
	r.mu.Lock()
	early := p.Step == r.step && time.Since(r.last) < progressEvery
	if !early {
		r.step, r.last = p.Step, time.Now()
	}
	r.mu.Unlock()
	if early {
		return
	}
	r.hub.send(func() {
		if r.hub.state.Action != nil {
			a := *r.hub.state.Action
			a.Progress = p
			r.hub.state.Action = &a
		}
	})
}

// Log adds a fact to the log.
func (r *reporter) Log(text string) { r.hub.tell("%s", text) }
