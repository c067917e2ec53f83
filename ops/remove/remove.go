// Package remove deletes an image from a slot, or a staged version.
package remove

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast/flash"
	"holdfast/ops"
	"holdfast/ops/arrange"
	"holdfast/ops/safety"
	"holdfast/ops/session"
	"holdfast/ops/status"
)

const op = "remove"

// Request asks for a removal.
type Request struct {
	Report   *status.Report
	Name     string // slot or staged version
	Session  session.Options
	Progress ops.Reporter // is told how the plan comes along, which hashes the slots; nil for nobody
}

// Plan is what a removal will do.
type Plan struct {
	request Request
	report  *status.Report
	image   status.Image
	decision
}

// decision is what a plan decides. Under the lock it must come out the same.
type decision struct {
	id        flash.ID
	elsewhere string // what the boot default is set to first; "" when it stays
}

// Plan looks at the flash, and refuses what the rules keep. Whether the other image is whole decides
// about a slot, so it is hashed, so far as the report does not know it.
func (r Request) Plan(ctx context.Context) (Plan, error) {
	p, err := r.plan(ctx, r.Report)
	return p, arrange.Named(op, err)
}

func (r Request) plan(ctx context.Context, report *status.Report) (Plan, error) {
	img, ok := report.Image(r.Name)
	switch {
	case !ok:
		return Plan{}, &ops.Error{Kind: ops.Usage, Err: fmt.Errorf("no image %q on this flash", r.Name), Hint: "see what there is: holdfast status"}
	case !img.Present && !img.Staged:
		return Plan{}, &ops.Error{Kind: ops.Refused, Err: errors.New(r.Name + " is empty already")}
	case r.Name == flash.Factory:
		return Plan{}, safety.Removable(report, r.Session.Booted, r.Name)
	}
	rep := r.Progress
	if rep == nil {
		rep = ops.Discard
	}
	report, err := safety.Hashed(ctx, report, rep, flash.Active, flash.Backup)
	if err != nil {
		return Plan{}, err
	}
	if err := r.removable(report); err != nil {
		return Plan{}, err
	}
	p := Plan{request: r, report: report}
	p.image, _ = report.Image(r.Name)
	p.id = p.image.ID
	if !img.Staged {
		p.elsewhere = arrange.Elsewhere(report, r.Name)
	}
	return p, p.checkDefault()
}

// removable is what the rules say. Where they decide by an image that cannot be read, which may be whole
// tomorrow, that is the error.
func (r Request) removable(report *status.Report) error {
	if err := safety.Removable(report, r.Session.Booted, r.Name); err != nil {
		return cmp.Or(safety.CheckReadable(report, flash.Active, flash.Backup), err)
	}
	if slices.ContainsFunc(report.Images, func(i status.Image) bool { return i.Name != r.Name && safety.Counts(report, r.Session.Booted, i.Name) }) {
		return nil
	}
	return safety.CheckReadable(report, r.Name)
}

// checkDefault refuses to leave a boot default behind that names an empty slot.
func (p Plan) checkDefault() error {
	if p.elsewhere == "" {
		return nil
	}
	if d := arrange.PlanDefault(p.report, p.elsewhere); d.Problem != "" {
		return &ops.Error{Kind: ops.Refused, Err: fmt.Errorf("the boot default names %s, and cannot be set to %s: %s", p.request.Name, p.elsewhere, d.Problem),
			Hint: "set it to an entry that boots something else: holdfast default set-entry N"}
	}
	return nil
}

// Lines is the plan in words.
func (p Plan) Lines() []ops.Line {
	var lines []ops.Line
	add := func(label, format string, args ...any) {
		lines = append(lines, ops.Line{Label: label, Text: fmt.Sprintf(format, args...)})
	}
	add("deletes", "%s, %.1f MiB", arrange.Describe(p.report, p.request.Name), float64(p.image.Size)/(1<<20))
	switch {
	case p.elsewhere != "":
		d := arrange.PlanDefault(p.report, p.elsewhere).Lines()
		lines = append(lines, ops.Line{Label: d[0].Label, Text: d[0].Text + ", before that"})
	case p.image.Staged:
		add("default", "stays")
	case p.report.Boot == nil:
		add("warning", "whether the boot default names this slot is not known: %s", p.report.NoBoot)
	default:
		add("default", "stays: it does not name this slot")
	}
	if !p.image.Staged && p.elsewhere != "maintenance" {
		add("keeps", "%s", arrange.Describe(p.report, arrange.Other(p.request.Name)))
	}
	return lines
}

// String is Lines, joined.
func (p Plan) String() string { return ops.Join(p.Lines()) }

// Apply removes. ctx is heeded until the image is taken away.
func (p Plan) Apply(ctx context.Context, rep ops.Reporter) error {
	return arrange.Work(ctx, op, "remove: "+p.request.Name, p.report.Target, p.request.Session, rep, func(s *session.Session) error {
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
	if err := arrange.Remove(context.WithoutCancel(ctx), s, p.request.Name, rep); err != nil {
		return err
	}
	text := fmt.Sprintf("%s is removed", arrange.Describe(p.report, p.request.Name))
	s.Log("remove: %s", text)
	rep.Log(text)
	return nil
}
