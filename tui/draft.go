package tui

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"holdfast/flash/grub"
	"holdfast/ops"
	"holdfast/ops/grubdefault"
	"holdfast/ops/status"
)

// change is a change of the boot default that was planned.
type change interface {
	Lines() []ops.Line
	Nothing() bool
	Apply(context.Context, ops.Reporter) error
}

// planChange is how the real ones are planned.
func planChange(r grubdefault.Request) (change, error) { return r.Plan() }

// Draft is a change of the boot default as one console looks at it. A change is agreed to by its
// Draft: what is written is what was shown, or nothing.
type Draft struct {
	Entry   string // that is to be the default, as the saved default names it
	Reading bool   // the plan is not made yet; the rest is empty
	Lines   []ops.Line
	Nothing bool   // it is the default already
	Refused string // why it cannot be; "" when it can
	Hint    string // what to do about that; may be empty

	change change
}

// planDefault makes a plan for a console to look at. That reads the disk.
func (h *hub) planDefault(console, entry string) {
	d := &Draft{Entry: entry, Reading: true}
	h.keep(console, d)
	r := h.state.Report
	if r == nil {
		h.outdate("there is no flash now")
		return
	}
	h.lookAgain(func() func() {
		planned := h.draft(r, entry)
		return func() {
			if h.state.Drafts[console] == d {
				h.keep(console, planned)
			}
		}
	})
}

// lookAgain reads what is saved anew, after work, which may be nil: somebody in a shell, or another
// program, may have changed it, and the screens are to say what GRUB boots. Where the flash cannot be
// read they stay as they are: what needs it then says why.
func (h *hub) lookAgain(work func() func()) {
	r, number, outcomes := h.state.Report, h.target, h.outcomes
	if r == nil {
		return
	}
	h.spawn(func() func() {
		done := func() {}
		if work != nil {
			done = work()
		}
		after, err := status.Read(r.Target)
		return func() {
			// A change from here has its own second look, which is later than this one.
			if err == nil && number == h.target && outcomes == h.outcomes && h.state.Action == nil && h.state.Report != nil {
				h.reread(after, nil)
			}
			done()
		}
	})
}

// draft plans. It runs beside the hub.
func (h *hub) draft(r *status.Report, entry string) *Draft {
	p, err := h.plan(grubdefault.Request{Report: r, Entry: entry})
	if err != nil {
		return &Draft{Entry: entry, Refused: err.Error(), Hint: hintOf(err)}
	}
	d := &Draft{Entry: entry, Lines: p.Lines(), Nothing: p.Nothing(), change: p}
	if h.o.Machine == nil {
		d.Refused = "this is a demonstration: nothing is written"
	}
	return d
}

// keep shows a console its draft. The snapshots that are out keep theirs.
func (h *hub) keep(console string, d *Draft) {
	drafts := maps.Clone(h.state.Drafts)
	if drafts == nil {
		drafts = map[string]*Draft{}
	}
	drafts[console] = d
	h.state.Drafts = drafts
}

// outdate refuses what was planned so far: it was planned for another state of the disk.
func (h *hub) outdate(why string) {
	for console, d := range h.state.Drafts {
		h.keep(console, &Draft{Entry: d.Entry, Refused: why, Hint: "go back and choose again"})
	}
}

// setDefault writes what a console agreed to, and reads the flash again for what that comes to.
func (h *hub) setDefault(console string, d *Draft) {
	if d == nil || h.state.Drafts[console] != d || d.Reading || d.Nothing || d.Refused != "" || !h.free() {
		return
	}
	before, number := h.state.Report, h.target
	a := Action{Console: console, Verb: SetsDefault, Object: objectName(before, d.Entry)}
	h.act(a, func(ctx context.Context, rep ops.Reporter) (string, error) {
		err := d.change.Apply(ctx, rep)
		after, lost := status.Read(before.Target)
		h.send(func() {
			if number == h.target {
				h.outdate("the boot default was changed at " + console + " meanwhile")
				h.reread(after, lost)
			}
		})
		switch {
		case err != nil: // what was lost then is said in place of the flash
			return "", err
		case lost != nil:
			return "", fmt.Errorf("written, but the flash cannot be read any more: %w", lost)
		}
		return fmt.Sprintf("boot default: %s -> %s, read back", savedText(before), savedText(after)), nil
	})
}

// reread takes what a second look at the same flash found of the boot default. What the hashes said
// of the images still holds: nothing here writes them.
func (h *hub) reread(after *status.Report, err error) {
	if err != nil {
		h.state.Report = nil
		h.read(nil, fmt.Errorf("%s cannot be read any more: %v", h.state.Target.Name, err)) // no hint: nobody can name another one here
		return
	}
	r := *h.state.Report
	for _, p := range after.Problems {
		if !slices.Contains(r.Problems, p) {
			h.say("%s", p)
		}
	}
	r.Boot, r.Problems = after.Boot, after.Problems
	h.state.Report = &r
}

// objectName is an entry as people speak of it, given as the saved default names it.
func objectName(r *status.Report, name string) string {
	if r.Boot != nil {
		if e, ok := r.Boot.Menu.Find(name); ok {
			return entryName(e)
		}
	}
	return name
}

// entryName is an entry as people speak of it: the slot that it boots, else its title.
func entryName(e grub.Entry) string {
	if e.Slot != "" {
		return e.Slot
	}
	return fmt.Sprintf("%q", e.Title)
}

// savedText is what a report says is saved: "2 (backup)".
func savedText(r *status.Report) string {
	b := r.Boot
	switch {
	case b == nil:
		return "not known"
	case b.Saved.Entry() == "":
		return "nothing"
	}
	saved := b.Saved.Entry()
	if name := objectName(r, saved); name != saved {
		return saved + " (" + name + ")"
	}
	return saved
}
