// Package rotate makes another image of the flash the active one: the backup (a roll-back), or a staged version.
package rotate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"holdfast/flash"
	"holdfast/ops"
	"holdfast/ops/arrange"
	"holdfast/ops/install"
	"holdfast/ops/safety"
	"holdfast/ops/session"
	"holdfast/ops/status"
)

const op = "rotate"

// Request asks for a rotation.
type Request struct {
	Report   *status.Report
	Version  string // staged; "" exchanges active and backup
	Session  session.Options
	Progress ops.Reporter // is told how the plan comes along, which hashes the images; nil for nobody
	Tries    int          // of an image that has not confirmed; 0: install.DefaultTries
	Bad      bool         // the image that was active is marked bad
}

// Plan is what a rotation will do.
type Plan struct {
	request Request
	report  *status.Report
	boot    arrange.Default
	decision
}

// decision is what a plan decides. Under the lock it must come out the same.
type decision struct {
	before flash.Pair
	image  flash.ID // that becomes the active one
	state  flash.State
	slot   string // whose image gives way; "" exchanges active and backup
	entry  string // of the boot default
}

// Plan looks at the flash, and hashes the images that change places, so far as the report does not know.
func (r Request) Plan(ctx context.Context) (Plan, error) {
	p, err := r.plan(ctx, r.Report)
	return p, arrange.Named(op, err)
}

func (r Request) plan(ctx context.Context, report *status.Report) (Plan, error) {
	if r.Tries < 0 || r.Tries > install.MaxTries {
		return Plan{}, &ops.Error{Kind: ops.Usage, Err: fmt.Errorf("%d tries: from 1 to %d", r.Tries, install.MaxTries)}
	}
	rep := r.Progress
	if rep == nil {
		rep = ops.Discard
	}
	from := cmp.Or(r.Version, flash.Backup)
	report, err := safety.Hashed(ctx, report, rep, flash.Active, flash.Backup, from)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{request: r, report: report}
	if err := safety.CheckReadable(report, from); err != nil {
		return Plan{}, err
	}
	img, err := p.candidate(from)
	if err != nil {
		return Plan{}, err
	}
	p.before, p.image, p.state = arrange.Pair(report), img.ID, img.Entry.State
	if r.Version != "" {
		if err := p.chooseSlot(); err != nil {
			return Plan{}, err
		}
	}
	if err := p.checkBad(); err != nil {
		return Plan{}, err
	}
	p.boot = arrange.PlanDefault(report, flash.Active)
	p.entry = p.boot.Entry
	return p, nil
}

// candidate is the image that is to become the active one, if it is one to boot.
func (p Plan) candidate(name string) (status.Image, error) {
	img, ok := p.report.Image(name)
	fail := func(kind ops.Kind, text, hint string) (status.Image, error) {
		return img, &ops.Error{Kind: kind, Err: errors.New(text), Hint: hint}
	}
	active, _ := p.report.Image(flash.Active)
	switch {
	case !ok || p.request.Version != "" && !img.Staged:
		return fail(ops.Usage, fmt.Sprintf("no version %q is staged", name), "see what there is: holdfast status")
	case !img.Present:
		return fail(ops.Refused, name+" is empty", "install an image first")
	case !safety.Whole(img):
		return fail(ops.Invalid, fmt.Sprintf("%s is damaged: %s", name, cmp.Or(img.Broken, "it cannot boot")), "install another image")
	case p.report.Target.Trust.Require && img.Integrity != flash.Verified:
		return fail(ops.Invalid, name+" is not signed by a key that is known here, and this machine requires it", "")
	case img.Entry.State == flash.Bad:
		return fail(ops.Refused, fmt.Sprintf("%s is bad: it did not confirm in its tries", name), "to try it again: holdfast repair --clear "+name)
	case img.ID == active.ID && safety.Whole(active):
		return fail(ops.Refused, fmt.Sprintf("active and %s are the same image", name), "")
	}
	return img, nil
}

// chooseSlot finds the image that gives way to a staged one.
func (p *Plan) chooseSlot() error {
	if err := safety.CheckReadable(p.report, flash.Active, flash.Backup); err != nil {
		return err
	}
	p.slot = safety.Victim(p.report, p.request.Session.Booted)
	backup, _ := p.report.Image(flash.Backup)
	if backup.ID == p.image && safety.Whole(backup) {
		return &ops.Error{Kind: ops.Refused, Err: fmt.Errorf("%s is on the flash already, as the backup", p.request.Version),
			Hint: "to make it the active one: holdfast rotate"}
	}
	return nil
}

// checkBad refuses to mark the last confirmed image bad: what is confirmed is what the rules keep.
func (p Plan) checkBad() error {
	active, _ := p.report.Image(flash.Active)
	switch {
	case !p.request.Bad:
		return nil
	case !active.Present:
		return &ops.Error{Kind: ops.Refused, Err: errors.New("active is empty: there is nothing to mark bad")}
	case !p.counts(flash.Active) || p.slot == "" && p.counts(flash.Backup):
		return nil
	}
	return &ops.Error{Kind: ops.Refused, Err: errors.New("active holds the last confirmed image, which cannot be marked bad"),
		Hint: "rotate without --bad, and mark it when the other one has confirmed"}
}

func (p Plan) counts(slot string) bool {
	return safety.Counts(p.report, p.request.Session.Booted, slot)
}

// onTrial reports that the new active image has yet to confirm. One that counts as confirmed does not:
// a roll-back must not put what a machine ran from on trial, of which nobody may know that it ought to confirm.
func (p Plan) onTrial() bool {
	active, _ := p.report.Image(flash.Active)
	booted := p.request.Session.Booted
	activeProven := booted == flash.Active && active.Entry.State == flash.Untold && safety.Whole(active)
	return p.state != flash.Confirmed &&
		(p.request.Tries > 0 || p.slot != "" || p.state != flash.Untold || activeProven || !p.counts(flash.Backup))
}

// Lines is the plan in words.
func (p Plan) Lines() []ops.Line {
	var lines []ops.Line
	add := func(label, format string, args ...any) {
		lines = append(lines, ops.Line{Label: label, Text: fmt.Sprintf(format, args...)})
	}
	trial := ""
	if p.onTrial() {
		trial = ", on trial with " + arrange.Tries(p.tries())
	}
	from := cmp.Or(p.request.Version, flash.Backup)
	add("active", "becomes what is %s now: %s%s", from, strings.TrimPrefix(arrange.Describe(p.report, from), from+", "), trial)
	active, _ := p.report.Image(flash.Active)
	if p.slot != flash.Active && active.Present {
		add("backup", "becomes what is active now: %s", strings.TrimPrefix(arrange.Describe(p.report, flash.Active), "active, "))
	}
	if p.request.Bad {
		add("bad", "%s is marked bad", arrange.Name(active))
	}
	if gone, _ := p.report.Image(p.slot); gone.Present {
		add("deletes", "%s", arrange.Describe(p.report, p.slot))
	}
	boot := p.boot.Lines()
	if p.slot == "" && p.boot.Changes && arrange.Lead(p.report) == flash.Active {
		boot[0].Text += ", before that"
	}
	lines = append(lines, boot...)
	img, _ := p.report.Image(from)
	if n := arrange.InitrdNote(p.report, img.Initrd != ""); n != "" {
		add("warning", "%s", n)
	}
	return lines
}

// String is Lines, joined.
func (p Plan) String() string { return ops.Join(p.Lines()) }

func (p Plan) tries() int { return cmp.Or(p.request.Tries, install.DefaultTries) }

// Apply rotates. Until the images move, ctx is heeded; after that it finishes.
func (p Plan) Apply(ctx context.Context, rep ops.Reporter) error {
	return arrange.Work(ctx, op, "rotate", p.report.Target, p.request.Session, rep, func(s *session.Session) error {
		return p.locked(ctx, s, rep)
	})
}

func (p Plan) locked(ctx context.Context, s *session.Session, rep ops.Reporter) error {
	now, err := p.request.plan(ctx, safety.Known(s.Report, p.report))
	if err != nil {
		return err
	}
	if now.decision != p.decision {
		return arrange.Changed(op)
	}
	s.Report = now.report
	if err := ctx.Err(); err != nil {
		return err
	}
	img, _ := now.report.Image(cmp.Or(p.request.Version, flash.Backup))
	tries := 0
	if p.onTrial() {
		tries = p.tries()
	}
	c := arrange.Change{Op: flash.Rotating, Event: flash.Rotated, Slot: p.slot, New: p.image, Promote: true, Tries: tries,
		OldBad: p.request.Bad, Integrity: img.Integrity, Signer: img.Signer, Taken: p.request.Version}
	if err := c.Apply(context.WithoutCancel(ctx), s, rep); err != nil {
		return arrange.Explain("rotate", err)
	}
	text := arrange.Name(img) + " is active"
	if p.onTrial() {
		text += ", on trial with " + arrange.Tries(p.tries())
	}
	s.Log("rotate: %s", text)
	rep.Log(text)
	return nil
}
