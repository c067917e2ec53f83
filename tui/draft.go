package tui

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/ops"
	"holdfast/ops/repair"
	"holdfast/ops/status"
)

// planTask makes a plan for a console to look at. That reads the disk.
func (h *hub) planTask(console string, t Task) {
	d := &Draft{Task: t, Reading: true}
	h.keep(console, d)
	switch a := h.state.Action; {
	case h.state.Report == nil:
		h.outdate("there is no flash now")
		return
	case a != nil: // what would be read now is changing
		h.keep(console, &Draft{Task: t, Refused: a.who() + " " + a.does(), Hint: "wait for its end, then choose again"})
		return
	}
	h.dropPlan(console)
	ctx, cancel := context.WithCancel(h.ctx)
	h.planning[console] = cancel
	h.lookAgain(func(r *status.Report) func() {
		planned := h.draft(ctx, r, t)
		return func() {
			cancel()
			if h.state.Drafts[console] == d {
				h.keep(console, planned)
			}
		}
	})
}

// dropPlan ends the making of a plan that nobody waits for: it may be hashing.
func (h *hub) dropPlan(console string) {
	if cancel := h.planning[console]; cancel != nil {
		cancel()
		delete(h.planning, console)
	}
}

// lookAgain reads the flash anew, for work, which may be nil: somebody in a shell, or another
// program, may have changed it, and the screens are to say what GRUB boots. Where the flash cannot be
// read they stay as they are: what needs it then says why.
func (h *hub) lookAgain(work func(*status.Report) func()) {
	r, number, outcomes := h.state.Report, h.target, h.outcomes
	if r == nil || h.state.Action != nil { // an action has its own second look
		return
	}
	h.readers.Add(1)
	h.spawn(func() func() {
		defer h.readers.Done()
		done := func() {}
		after, err := status.Read(r.Target)
		if err == nil {
			r = carry(r, after, false)
		}
		if work != nil {
			done = work(r)
		}
		return func() {
			// The second look of an action that began since is later than this one.
			if err == nil && number == h.target && outcomes == h.outcomes && h.state.Action == nil && h.state.Report != nil {
				h.reread(after, nil, false)
			}
			done()
		}
	})
}

// draft plans. It runs beside the hub.
func (h *hub) draft(ctx context.Context, r *status.Report, t Task) *Draft {
	p, err := h.plan(ctx, r, t)
	switch {
	case ctx.Err() != nil:
		return &Draft{Task: t, Refused: "something else was begun meanwhile", Hint: "go back and choose again"}
	case err != nil:
		return &Draft{Task: t, Refused: err.Error(), Hint: hintOf(err)}
	}
	d := shownPlan(t, p)
	if h.o.Machine == nil {
		d.plan = rehearsal{p}
	}
	return d
}

// rehearsal is a plan that is shown, and agreed to, for a demonstration.
type rehearsal struct{ plan }

// Apply does nothing.
func (rehearsal) Apply(context.Context, ops.Reporter) error {
	return &ops.Error{Kind: ops.Refused, Err: errors.New("this is a demonstration: nothing is written")}
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
		h.keep(console, &Draft{Task: d.Task, Refused: why, Hint: "go back and choose again"})
	}
}

// doTask does what a console agreed to, by a key or by the word that was asked for.
func (h *hub) doTask(console string, d *Draft, word string) {
	if d == nil || h.state.Drafts[console] != d || !d.open() || word != d.Word || !h.free() {
		return
	}
	h.change(Action{Console: console, Verb: d.Task.Verb, Object: h.objectOf(d.Task)}, d)
}

// objectOf is what a task is done to, as people speak of it.
func (h *hub) objectOf(t Task) string {
	if t.Verb == SetsDefault {
		return objectName(h.state.Report, t.Object)
	}
	return t.Object
}

// change carries a plan out, and reads the flash again for what that comes to.
func (h *hub) change(a Action, d *Draft) {
	before, number := h.state.Report, h.target
	h.act(a, func(ctx context.Context, rep ops.Reporter) (Outcome, error) {
		err := d.plan.Apply(ctx, rep)
		after, lost := status.Read(before.Target)
		h.send(func() {
			if number == h.target {
				h.outdate(outdated(a))
				if h.toldToRepair() && err == nil { // every change begins with a repair
					h.state.Target.Notice = ""
				}
				h.reread(after, lost, true)
			}
		})
		switch {
		case err != nil: // what was lost then is said in place of the flash
			return Outcome{Same: lost == nil && alike(before, after)}, err
		case lost != nil:
			return Outcome{}, fmt.Errorf("done, but the flash cannot be read any more: %w", lost)
		}
		return result(d, before, after), nil
	})
}

// alike reports whether two reports of a flash tell of the same images in the same places, and of the same
// boot default.
func alike(a, b *status.Report) bool {
	same := func(x, y status.Image) bool { return x.Name == y.Name && x.ID == y.ID && x.Present == y.Present }
	return slices.EqualFunc(a.Images, b.Images, same) && savedText(a) == savedText(b)
}

// outdated says why a plan that was made before an action is out of date.
func outdated(a Action) string {
	switch {
	case a.Verb == SetsDefault:
		return "the boot default was changed at " + a.Console + " meanwhile"
	case a.Console == "":
		return "the flash was repaired meanwhile"
	}
	return "the flash was changed at " + a.Console + " meanwhile"
}

// result says what a task has come to, and what to do next.
func result(d *Draft, before, after *status.Report) Outcome {
	said := repair.Said(after, after.Record.Last)
	if before.Record.Last == after.Record.Last {
		said = "" // it is older
	}
	or := func(text string) string {
		if said != "" {
			return said
		}
		return text
	}
	switch t := d.Task; t.Verb {
	case SetsDefault:
		return Outcome{Text: fmt.Sprintf("boot default: %s -> %s, read back", savedText(before), savedText(after))}
	case Installs:
		return Outcome{Text: or(t.Object + " is installed"), Hint: "boot it (b): it is on trial until it says that it booted well"}
	case Rotates:
		return Outcome{Text: or(inActive(after)), Hint: "boot it (b), or r to go back"}
	case Removes:
		return Outcome{Text: t.Object + " is removed"}
	case Repairs:
		return Outcome{Text: or("repaired: " + first(d.Lines))}
	case Clears:
		return Outcome{Text: t.Object + " may boot again: its mark is cleared", Hint: "boot it (b)"}
	}
	return Outcome{Text: "done"}
}

func first(lines []ops.Line) string {
	if len(lines) == 0 {
		return "the log says what"
	}
	return lines[0].Text
}

// inActive says which image is the active one.
func inActive(r *status.Report) string {
	img, _ := r.Image("active")
	if img.Version == "" {
		return "active is another image now"
	}
	return strings.TrimSpace("active is " + img.Version + " now")
}
