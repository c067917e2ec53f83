// Package repair finishes or undoes what a crash interrupted, and rolls back an image that did not confirm
// in its tries. The console runs it at every start.
package repair

import (
	"context"
	"errors"
	"fmt"

	"holdfast/flash"
	"holdfast/flash/store"
	"holdfast/ops"
	"holdfast/ops/arrange"
	"holdfast/ops/safety"
	"holdfast/ops/session"
	"holdfast/ops/status"
)

const op = "repair"

// Request asks for a repair.
type Request struct {
	Report  *status.Report
	Session session.Options
	Clear   string // slot or version whose state bad is forgotten; "" for none
}

// Plan is what a repair will do.
type Plan struct {
	request     Request
	interrupted []string // what the store puts right
	findings
}

// findings are what the state record wants.
type findings struct {
	expired []status.Image // on trial, without a try left
	gone    int            // entries of images that are not there any more
	clear   status.Image   // whose state bad is forgotten
}

// Plan looks at the flash. It writes nothing.
func (r Request) Plan() (Plan, error) {
	p := Plan{request: r}
	f, err := flash.Read(r.Report.Target.FS)
	if err != nil {
		return p, &ops.Error{Kind: ops.NoFlash, Op: op, Err: err}
	}
	p.interrupted = store.Interrupted(f)
	p.findings, err = r.find(r.Report)
	return p, arrange.Named(op, err)
}

// find looks for what to do. The image that runs here may confirm yet, with its last try.
func (r Request) find(report *status.Report) (f findings, err error) {
	for _, name := range []string{flash.Active, flash.Backup} {
		if name == r.Session.Booted {
			continue
		}
		if i, _ := report.Image(name); i.Present && i.Entry.State == flash.Trial && i.Entry.Tries == 0 {
			f.expired = append(f.expired, i)
		}
	}
	for _, e := range report.Record.Entries {
		if !safety.Holds(report, e.ID) {
			f.gone++
		}
	}
	if r.Clear == "" {
		return f, nil
	}
	img, ok := report.Image(r.Clear)
	switch {
	case !ok || !img.Present:
		return f, &ops.Error{Kind: ops.Usage, Err: fmt.Errorf("no image %q on this flash", r.Clear), Hint: "see what there is: holdfast status"}
	case img.Entry.State != flash.Bad && !f.expires(img):
		return f, &ops.Error{Kind: ops.Refused, Err: fmt.Errorf("%s is not bad, but %v", r.Clear, img.Entry.State)}
	}
	f.clear = img
	return f, nil
}

func (f findings) expires(img status.Image) bool {
	for _, i := range f.expired {
		if i.ID == img.ID {
			return true
		}
	}
	return false
}

// Nothing reports that there is nothing to repair.
func (p Plan) Nothing() bool {
	return len(p.interrupted) == 0 && len(p.expired) == 0 && p.gone == 0 && !p.clear.Present
}

// Lines is the plan in words.
func (p Plan) Lines() []ops.Line {
	var lines []ops.Line
	add := func(label, format string, args ...any) {
		lines = append(lines, ops.Line{Label: label, Text: fmt.Sprintf(format, args...)})
	}
	for _, text := range p.interrupted {
		add("repair", "%s", text)
	}
	for _, i := range p.expired {
		add("bad", "%s, %s, is on trial and has no try left: it is marked bad", i.Name, arrange.Name(i))
		if to := backTo(p.request.Report, i.Name); to != "" {
			lines = append(lines, arrange.PlanDefault(p.request.Report, to).Lines()...)
		}
	}
	switch {
	case p.gone == 1:
		add("record", "forgets an image that is not there any more")
	case p.gone > 1:
		add("record", "forgets %d images that are not there any more", p.gone)
	}
	if p.clear.Present {
		add("clear", "%s, %s, is not bad any more: nothing is known of it", p.clear.Name, arrange.Name(p.clear))
	}
	if p.Nothing() {
		add("repair", "nothing")
	}
	return lines
}

// Reason says in a few words why there is something to repair, from the lines of a plan.
func Reason(lines []ops.Line) string {
	switch {
	case len(lines) == 0 || lines[0].Label == "repair":
		return "an operation was interrupted"
	case lines[0].Label == "bad":
		return "an image has used up its tries"
	}
	return "the state records are out of date"
}

// String is Lines, joined.
func (p Plan) String() string { return ops.Join(p.Lines()) }

// backTo is the slot that the boot default goes to when the one that it names has used up its tries; ""
// when it stays. A default that names nothing of this flash is left to whoever set it.
func backTo(r *status.Report, expired string) string {
	if r.Default() != expired {
		return ""
	}
	i, _ := r.Image(arrange.Other(expired))
	if !safety.Whole(i) || i.Broken != "" || i.Entry.State == flash.Bad || i.Entry.State == flash.Trial && i.Entry.Tries == 0 {
		return ""
	}
	return i.Name
}

// Apply repairs. What the store puts right is put right before this looks again.
func (p Plan) Apply(ctx context.Context, rep ops.Reporter) error {
	if p.Nothing() {
		return nil
	}
	return arrange.Work(ctx, op, "repair", p.request.Report.Target, p.request.Session, rep, func(s *session.Session) error {
		return p.locked(context.WithoutCancel(ctx), s, rep)
	})
}

// locked looks again. Only what is forgotten by request must be what was shown.
func (p Plan) locked(ctx context.Context, s *session.Session, rep ops.Reporter) error {
	f, err := p.request.find(s.Report)
	if err != nil {
		return err
	}
	if f.clear.ID != p.clear.ID {
		return arrange.Changed(op)
	}
	var errs []error
	for _, i := range f.expired {
		if i.ID != f.clear.ID {
			errs = append(errs, expire(ctx, s, i, rep))
		}
	}
	if f.clear.Present {
		errs = append(errs, forgive(s, f.clear, rep))
	}
	return errors.Join(append(errs, arrange.ForgetGone(s))...)
}

// expire marks an image bad, and lets the other one boot. The mark comes first: it decides what the
// console boots, and without it the next start would do all of this again.
func expire(ctx context.Context, s *session.Session, img status.Image, rep ops.Reporter) error {
	used := triesOf(s.Report.Record, img.ID)
	err := s.Tree.Write(func(rec *flash.Record) {
		safety.Mark(rec, img.ID, flash.Bad, 0)
		rec.Last = safety.Happened(flash.RolledBack, flash.NoOp, img.ID, used)
	})
	if err != nil {
		return arrange.Explain("write the state record", err)
	}
	to := backTo(s.Report, img.Name)
	if err := s.Look(); err != nil {
		return err
	}
	if to != "" {
		err = arrange.Set(ctx, s, to, rep)
	}
	said := s.Report.Said(s.Report.Record.Last)
	s.Log("repair: %s", said)
	rep.Log(said)
	if err != nil {
		return fmt.Errorf("the boot default still names %s: %w", img.Name, err)
	}
	return s.Look()
}

// triesOf is how many tries an image had; 0 when that is not known any more.
func triesOf(rec flash.Record, id flash.ID) int {
	if rec.Last.ID == id && (rec.Last.Kind == flash.Installed || rec.Last.Kind == flash.Rotated) {
		return rec.Last.Tries
	}
	return 0
}

// forgive forgets that an image is bad.
func forgive(s *session.Session, img status.Image, rep ops.Reporter) error {
	err := s.Tree.Write(func(rec *flash.Record) {
		safety.Mark(rec, img.ID, flash.Untold, 0)
		if rec.Last.Kind == flash.RolledBack && rec.Last.ID == img.ID {
			rec.Last = flash.Event{}
		}
	})
	if err != nil {
		return arrange.Explain("write the state record", err)
	}
	text := fmt.Sprintf("%s, %s, is not bad any more", img.Name, arrange.Name(img))
	s.Log("repair: %s", text)
	rep.Log(text)
	return s.Look()
}

// Said is an event of the state record for people: "on backup because 1.3.125 did not confirm in 3 tries".
// It is "" for no event, and for one whose image is not known any more and whose story is over.
func Said(r *status.Report, e flash.Event) string { return r.Said(e) }
