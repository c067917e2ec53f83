package tui

import (
	"fmt"
	"sync"
	"time"

	"holdfast/ops"
)

// How often progress is shown: more would fill a line of 9600 baud. The pace is many digits that no
// eye follows.
const (
	progressEvery = 250 * time.Millisecond
	paceEvery     = time.Second
)

// reporter brings an action's progress to the hub.
type reporter struct {
	hub *hub
	now func() time.Time

	mu    sync.Mutex
	step  string
	last  time.Time // shown last
	paced time.Time // the pace was told last
	pace  string
	begun time.Time // of the step
	from  int64     // bytes done then
}

func newReporter(h *hub) *reporter { return &reporter{hub: h, now: time.Now} }

// Progress shows the state of a step, not each one that comes.
func (r *reporter) Progress(p ops.Progress) {
	pace, ok := r.take(p)
	if !ok {
		return
	}
	r.show(func(a *Action) { a.Progress, a.Pace = p, pace })
}

// take notes where a step is, and reports whether that is to be shown.
func (r *reporter) take(p ops.Progress) (pace string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if p.Step != r.step {
		r.step, r.begun, r.paced, r.from, r.pace = p.Step, now, now, p.Done, ""
	} else if now.Sub(r.last) < progressEvery {
		return "", false
	}
	r.last = now
	if now.Sub(r.paced) >= paceEvery {
		r.paced, r.pace = now, paceOf(p, p.Done-r.from, now.Sub(r.begun))
	}
	return r.pace, true
}

// paceOf says how much is done, how fast that went, and how long the rest takes at that.
func paceOf(p ops.Progress, done int64, took time.Duration) string {
	if done <= 0 || took <= 0 {
		return ""
	}
	rate := float64(done) / took.Seconds()
	if p.Total <= 0 {
		return fmt.Sprintf("%s, %s/s", size(p.Done), size(int64(rate)))
	}
	left := time.Duration(float64(max(p.Total-p.Done, 0)) / rate * float64(time.Second))
	return fmt.Sprintf("%s of %s, %s/s, %v left", size(p.Done), size(p.Total), size(int64(rate)), left.Round(time.Second))
}

// Log adds a fact to the log, and shows the last one beside the progress.
func (r *reporter) Log(text string) {
	r.hub.tell("%s", text)
	r.show(func(a *Action) { a.Note = text })
}

// show changes the action as it is shown.
func (r *reporter) show(change func(*Action)) {
	r.hub.send(func() {
		if r.hub.state.Action != nil {
			a := *r.hub.state.Action
			change(&a)
			r.hub.state.Action = &a
		}
	})
}
