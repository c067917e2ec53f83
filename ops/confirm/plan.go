package confirm

import (
	"context"
	"errors"
	"fmt"

	"holdfast/flash"
	"holdfast/ops"
	"holdfast/ops/grubdefault"
	"holdfast/ops/safety"
	"holdfast/ops/session"
	"holdfast/ops/status"
)

// Plan is what a confirmation will do.
type Plan struct {
	Default grubdefault.Plan // of the boot default; it may change nothing

	request  Request
	change   grubdefault.Request
	image    status.Image // that is marked confirmed; zero when none is
	unmarked string       // why none is, "" where there is nothing to say about it
	kept     string       // why the default is left as it is although another slot was booted; "" mostly
	failed   error        // the default cannot be set; the image is marked all the same
}

// Plan finds what was booted. An image whose mark is right already, and a default that is, are a plan
// that changes nothing.
func (r Request) Plan() (Plan, error) {
	change, err := r.change()
	p := Plan{request: r}
	if slot := r.slot(); slot != "" {
		p.mark(slot)
	}
	if err == nil && r.superseded() {
		change = grubdefault.Request{Entry: r.Report.Boot.Saved.Entry()} // as it is
		p.kept = "the boot default stays: this system has put another image into active, which is to boot next"
	}
	if err == nil {
		change.Report, change.Booted = r.Report, true
		p.change = change
		p.Default, err = change.Plan()
	}
	if err != nil && (!p.image.Present || p.image.Entry.State == flash.Untold) {
		return Plan{}, err // nothing depends on the mark of an image that was never on trial
	}
	p.failed = err
	return p, nil
}

// superseded reports that the running system, booted from another slot, has installed an image to active
// and made it the boot default: that a boot was good, before, must not keep the new image from being tried.
func (r Request) superseded() bool {
	return r.Slot == "" && r.slot() != flash.Active && r.Running.changed(r.Report.Record, flash.Active) && r.Report.Default() == flash.Active
}

// slot is what was booted, "" when that is not known or there is nothing to confirm.
func (r Request) slot() string {
	if r.check() != nil {
		return ""
	}
	b, err := r.booted()
	if err != nil || r.Report.Boot == nil || b.entry == "" {
		return b.slot
	}
	if e, ok := r.Report.Boot.Menu.Find(b.entry); b.slot == "" && ok {
		return e.Slot
	} else if ok && r.Slot == "" && e.Slot != "" && e.Slot != b.slot {
		return "" // they contradict each other
	}
	return b.slot
}

// mark decides about the mark of the image in a slot. What the operator says was booted is believed.
func (p *Plan) mark(slot string) {
	img, ok := p.request.Report.Image(slot)
	if !ok || !img.Present || img.ID.IsZero() || img.Entry.State == flash.Confirmed {
		return
	}
	why := p.request.Running.isAnother(img)
	if why == "" && p.request.Running.changed(p.request.Report.Record, slot) {
		why = "it was put there by this system"
	}
	if why != "" && p.request.Slot == "" {
		p.unmarked = fmt.Sprintf("the image in %s is not the one that was booted: %s", slot, why)
		return
	}
	p.image = img
}

// Nothing reports that there is nothing to do: neither is anything written, nor is a flash that is mounted
// read-only touched.
func (p Plan) Nothing() bool { return !p.image.Present && p.failed == nil && p.Default.Nothing() }

// Lines is the plan in words.
func (p Plan) Lines() []ops.Line {
	var lines []ops.Line
	if p.image.Present {
		lines = append(lines, ops.Line{Label: "confirm", Text: p.name() + " has booted well"})
	}
	if p.failed != nil {
		return append(lines, ops.Line{Label: "warning", Text: "the boot default is not set: " + p.failed.Error()})
	}
	if p.kept != "" {
		lines = append(lines, ops.Line{Label: "note", Text: p.kept})
	}
	for _, l := range p.Default.Lines() {
		if l.Label != "writes" || !p.Default.Nothing() {
			lines = append(lines, l)
		}
	}
	switch {
	case p.image.Present:
		return append(lines, ops.Line{Label: "writes", Text: "the state record of the flash"})
	case p.Nothing():
		return append(lines, ops.Line{Label: "writes", Text: "nothing"})
	}
	return lines
}

// String is Lines, joined.
func (p Plan) String() string { return ops.Join(p.Lines()) }

// Kept says why the boot default is left as it is although another slot was booted; "" otherwise.
func (p Plan) Kept() string { return p.kept }

// Unmarked says why the image is not marked as confirmed although it is not yet; "" otherwise.
func (p Plan) Unmarked() string { return p.unmarked }

func (p Plan) name() string {
	if p.image.Version == "" {
		return p.image.Name
	}
	return p.image.Name + ", " + p.image.Version + ","
}

// Apply marks the image and sets the default. The one does not depend on the other.
func (p Plan) Apply(ctx context.Context, rep ops.Reporter) error {
	if p.unmarked != "" {
		rep.Log("not marked as confirmed: " + p.unmarked)
	}
	if p.kept != "" {
		rep.Log(p.kept)
	}
	if !p.image.Present {
		return p.setDefault(ctx, rep)
	}
	s, err := session.Begin(ctx, p.request.Report.Target, p.request.Session, rep)
	if err != nil {
		return errors.Join(p.setDefault(ctx, rep), p.cannotMark(err, rep))
	}
	defer s.End()
	marked := p.write(s, rep)
	set := p.failed
	if set == nil && !p.Default.Nothing() {
		set = p.setLocked(ctx, s, rep)
	}
	return errors.Join(set, p.cannotMark(marked, rep), s.End())
}

func (p Plan) setDefault(ctx context.Context, rep ops.Reporter) error {
	if p.failed != nil {
		return p.failed
	}
	return p.Default.Apply(ctx, rep)
}

// setLocked sets the default within the session. There the file system may be written in another way than
// when the plan was made, so it is planned once more.
func (p Plan) setLocked(ctx context.Context, s *session.Session, rep ops.Reporter) error {
	change := p.change
	change.Report, change.Locked = s.Report, true
	now, err := change.Plan()
	if err != nil {
		return err
	}
	if now.From != p.Default.From || now.To != p.Default.To {
		return &ops.Error{Kind: ops.Refused, Op: op, Err: errors.New("the boot default is not what the plan was made for"), Hint: "run it again"}
	}
	return now.Apply(ctx, rep)
}

// write marks the image, if it is in its slot still.
func (p Plan) write(s *session.Session, rep ops.Reporter) error {
	if now, _ := s.Report.Image(p.image.Name); now.ID != p.image.ID {
		return &ops.Error{Kind: ops.Refused, Op: op, Err: fmt.Errorf("another image is in %s by now", p.image.Name), Hint: "run it again"}
	}
	if err := s.Tree.Write(func(rec *flash.Record) { safety.Mark(rec, p.image.ID, flash.Confirmed, 0) }); err != nil {
		return err
	}
	s.Log("confirm: %s has booted well", p.name())
	rep.Log(p.name() + " is confirmed")
	return nil
}

// cannotMark is what keeps the image from being marked. It is an error only of an image that would be
// rolled back for want of a mark: a flash that nobody ever installed to, and that cannot be written, is
// as good as ever.
func (p Plan) cannotMark(err error, rep ops.Reporter) error {
	if err == nil || p.image.Entry.State != flash.Untold {
		return err
	}
	rep.Log(fmt.Sprintf("not marked as confirmed: %v", err))
	return nil
}
