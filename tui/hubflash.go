package tui

import (
	"context"
	"fmt"
	"slices"

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

// read takes the report on the flash that was found. What was interrupted is put right first.
func (h *hub) read(report *status.Report, err error) {
	if err != nil {
		h.lose(reason(err))
		return
	}
	h.state.Report = report
	h.say("flash %s, %d images", report.Target.Name, present(report))
	for _, p := range report.Problems {
		h.say("%s", p)
	}
	h.planRepair()
}

// lose is for a flash that cannot be read.
func (h *hub) lose(why string) {
	h.state.Report = nil
	h.state.Target = Target{Problem: why}
	h.say("no flash: %s", why)
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

// reread takes what a second look at the same flash found. written says that we wrote images
// meanwhile. What the hashes said of an image still holds for its content, wherever it is now.
func (h *hub) reread(after *status.Report, err error, written bool) {
	if err != nil {
		h.lose(fmt.Sprintf("%s cannot be read any more: %v", h.state.Target.Name, err)) // no hint: nobody can name another one here
		return
	}
	for _, p := range after.Problems {
		if !slices.Contains(h.state.Report.Problems, p) {
			h.say("%s", p)
		}
	}
	h.state.Report = carry(h.state.Report, after, written)
}

// carry is after with what is known of the contents of before. Damage is not carried over a write:
// the damaged image may have been written anew.
func carry(before, after *status.Report, written bool) *status.Report {
	r := *after
	r.Images = slices.Clone(after.Images)
	for k, img := range r.Images {
		if old, ok := counterpart(before, img); ok && (!written || old.Integrity != flash.Damaged) {
			img.Integrity, img.Signer, img.Remark = old.Integrity, old.Signer, old.Remark
			img.Broken, img.Problems = old.Broken, old.Problems
			r.Images[k] = img
		}
	}
	return &r
}

// counterpart is the image of an earlier report that has the same content and was hashed: the one of
// the same name, else the only one that is whole.
func counterpart(r *status.Report, img status.Image) (status.Image, bool) {
	if old, ok := r.Image(img.Name); ok && old.ID == img.ID && old.Present == img.Present {
		return old, old.Integrity != flash.Unknown
	}
	var same []status.Image
	for _, old := range r.Images {
		if old.ID == img.ID && !img.ID.IsZero() {
			same = append(same, old)
		}
	}
	if len(same) != 1 || same[0].Integrity == flash.Damaged {
		return status.Image{}, false
	}
	return same[0], same[0].Integrity != flash.Unknown
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
	if !h.painted || h.state.Report == nil || h.state.Action != nil || h.verifying != nil || h.mending {
		return
	}
	img, ok := unverified(h.state.Report)
	if !ok {
		return
	}
	ctx, cancel := context.WithCancel(h.ctx)
	h.verifying = cancel
	h.readers.Add(1)
	number, fsys := h.target, h.state.Report.Target.FS
	h.spawn(func() func() {
		defer h.readers.Done()
		img, err := img.Verify(ctx, fsys, ops.Discard)
		return func() {
			if ctx.Err() != nil {
				return
			}
			h.stopVerifying()
			if err == nil && number == h.target {
				h.verified(img)
				h.verify()
			}
		}
	})
}

// verified takes what the hashes say of an image, if it is still there.
func (h *hub) verified(img status.Image) {
	if now, ok := h.state.Report.Image(img.Name); !ok || now.ID != img.ID {
		return
	}
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
