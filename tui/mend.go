package tui

import (
	"strings"

	"holdfast/ops/repair"
)

// toRepair is what a running system is told to do about what a repair would put right.
const toRepair = ": leave this and run holdfast repair"

// planRepair looks whether a crash, or an image that did not confirm, has left something to put right.
// In the stage that is done at once, before an automatic boot counts down; a running system is only
// told of it, for there somebody may be at work.
func (h *hub) planRepair() {
	r, number := h.state.Report, h.target
	h.mending = true
	h.readers.Add(1)
	h.spawn(func() func() {
		defer h.readers.Done()
		d := h.draft(h.ctx, r, Task{Verb: Repairs})
		return func() {
			h.mending = false
			switch {
			case number != h.target || h.state.Report == nil || h.left != nil:
			case !d.open() || h.state.Action != nil:
				h.mended(d)
			case !h.o.Stage:
				h.state.Target.Notice = repair.Reason(d.Lines) + toRepair
				h.say("%s", h.state.Target.Notice)
				h.mended(d)
			default:
				h.stopVerifying()
				h.change(Action{Verb: Repairs}, d)
			}
		}
	})
}

// toldToRepair reports whether the notice is that of a repair that is due.
func (h *hub) toldToRepair() bool { return strings.HasSuffix(h.state.Target.Notice, toRepair) }

// mended goes on with what waited for the repair, or for news that there is none to make.
func (h *hub) mended(d *Draft) {
	if d.Refused != "" && h.o.Machine != nil {
		h.say("repair: %s", d.Refused)
	}
	h.begin()
}

// begin goes on after a repair, however it ended: it must not keep a machine from booting.
func (h *hub) begin() {
	if h.state.Report == nil {
		return
	}
	h.startCountdown()
	h.verify()
}
