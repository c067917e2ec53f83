package tui

import (
	"context"

	"holdfast/flash"
	"holdfast/ops"
	"holdfast/ops/status"
)

// found takes news of the flash.
func (h *hub) found(t Target) {
	if t.Notice != "" && t.Notice != h.state.Target.Notice {
		h.say("%s", t.Notice)
	}
	if t.FS == nil && !t.Searching && t.Problem == "" {
		h.state.Target.Notice = t.Notice
		return
	}
	h.target++
	h.stopVerifying()
	h.state.Target, h.state.Report = t, nil
	h.outdate("the flash is looked for anew")
	h.pauseCountdown()
	switch {
	case t.Searching:
		return
	case t.Problem != "":
		h.say("no flash: %s", t.Problem)
		return
	}
	number := h.target
	h.spawn(func() func() {
		report, err := status.Read(t.Target)
		return func() {
			if number == h.target {
				h.read(report, err)
			}
		}
	})
}

// read takes the report on the flash that was found.
func (h *hub) read(report *status.Report, err error) {
	if err != nil {
		h.state.Target = Target{Problem: reason(err)}
		h.say("no flash: %s", reason(err))
		return
	}
	h.state.Report = report
	h.say("flash %s, %d images", report.Target.Name, present(report))
	for _, p := range report.Problems {
		h.say("%s", p)
	}
	h.startCountdown()
	h.verify()
}

func present(r *status.Report) (n int) {
	for _, i := range r.Images {
		if i.Present {
			n++
		}
	}
	return n
}

// reason is an error with what to do about it, on one line.
func reason(err error) string {
	if hint := hintOf(err); hint != "" {
		return err.Error() + "; " + hint
	}
	return err.Error()
}

// unverified is the first image that is there and that nobody has hashed.
func unverified(r *status.Report) (status.Image, bool) {
	for _, i := range r.Images {
		if i.Present && i.Integrity == flash.Unknown {
			return i, true
		}
	}
	return status.Image{}, false
}

// verify hashes the images that nobody has hashed, one after the other, once something is on a
// screen and while nothing else is done with the flash.
func (h *hub) verify() {
	if !h.painted || h.state.Report == nil || h.state.Action != nil || h.verifying != nil {
		return
	}
	img, ok := unverified(h.state.Report)
	if !ok {
		return
	}
	ctx, cancel := context.WithCancel(h.ctx)
	h.verifying = cancel
	number, fsys := h.target, h.state.Report.Target.FS
	h.spawn(func() func() {
		img, err := img.Verify(ctx, fsys, ops.Discard)
		return func() {
			if ctx.Err() == nil {
				h.stopVerifying()
			}
			if err == nil && number == h.target {
				h.verified(img)
				h.verify()
			}
		}
	})
}

func (h *hub) verified(img status.Image) {
	h.state.Report = h.state.Report.Verified(img)
	if h.state.Countdown != nil {
		if _, _, ok := h.state.Report.Preferred(); !ok {
			h.pauseCountdown()
			h.noAutoboot()
		}
	}
	if img.Broken != "" && img.Present {
		h.say("%s cannot boot: %s", img.Name, img.Broken)
	}
}

func (h *hub) stopVerifying() {
	if h.verifying != nil {
		h.verifying()
		h.verifying = nil
	}
}
