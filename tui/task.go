package tui

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"holdfast/ops"
	"holdfast/ops/archive"
	"holdfast/ops/grubdefault"
	"holdfast/ops/install"
	"holdfast/ops/remove"
	"holdfast/ops/repair"
	"holdfast/ops/rotate"
	flashuse "holdfast/ops/session"
	"holdfast/ops/status"
)

// Task is what a console wants done with the flash.
type Task struct {
	Verb    Verb
	Object  string          // image, entry as the saved default names it, name of an archive; "" where the verb has a default
	Archive *archive.Source // that is installed; nil otherwise
}

// plan is what an operation means to do, as all of them give it.
type plan interface {
	Lines() []ops.Line
	Apply(context.Context, ops.Reporter) error
}

// Draft is a task as one console looks at it. A task is agreed to by its Draft: what is done is what
// was shown, or nothing.
type Draft struct {
	Task    Task
	Reading bool // the plan is not made yet; the rest is empty
	Lines   []ops.Line
	Nothing bool   // there is nothing to do
	Refused string // why it cannot be done; "" when it can
	Hint    string // what to do about that; may be empty
	Word    string // to be typed by who agrees; "" where a key is enough

	plan plan
}

// open reports whether there is something to agree to.
func (d *Draft) open() bool { return d != nil && !d.Reading && !d.Nothing && d.Refused == "" }

// planner makes plans by the real operations.
type planner struct{ session flashuse.Options }

// plan reads what has to be read, which may take long.
func (p planner) plan(ctx context.Context, r *status.Report, t Task) (plan, error) {
	switch t.Verb {
	case SetsDefault:
		return grubdefault.Request{Report: r, Entry: t.Object}.Plan()
	case Installs:
		return p.install(ctx, r, t)
	case Rotates:
		return rotate.Request{Report: r, Version: t.Object, Session: p.session}.Plan(ctx)
	case Removes:
		return remove.Request{Report: r, Name: t.Object, Session: p.session}.Plan(ctx)
	case Repairs:
		o := p.session
		o.NoWait = true // whoever has the flash now has begun by repairing it
		return repair.Request{Report: r, Session: o}.Plan()
	case Clears:
		return repair.Request{Report: r, Session: p.session, Clear: t.Object}.Plan()
	}
	return nil, fmt.Errorf("no plan for %q", t.title())
}

// install plans with leave to do what a word has to be typed for: the draft asks for that word.
func (p planner) install(ctx context.Context, r *status.Report, t Task) (plan, error) {
	if t.Archive == nil {
		return nil, errors.New("no archive was chosen")
	}
	request := install.Request{Report: r, Source: *t.Archive, Session: p.session}
	first, err := request.Plan(ctx)
	request.MakeRoom, request.Override = len(first.Room()) > 0, first.Objection() != ""
	if err != nil || !request.MakeRoom && !request.Override {
		return first, err
	}
	again, err := request.Plan(ctx)
	if err == nil && (again.Objection() != first.Objection() || strings.Join(again.Room(), " ") != strings.Join(first.Room(), " ")) {
		err = &ops.Error{Kind: ops.Refused, Err: errors.New("the archive or the flash changes while it is looked at"), Hint: "look again"}
	}
	return again, err
}

// shownPlan is a plan as it is shown.
func shownPlan(t Task, p plan) *Draft {
	d := &Draft{Task: t, Lines: p.Lines(), plan: p}
	switch n := p.(type) {
	case interface{ Nothing() bool }:
		d.Nothing = n.Nothing()
	case interface{ Nothing() string }: // why
		d.Nothing = n.Nothing() != ""
	}
	var words []string
	if t.Verb == Removes {
		words = append(words, t.Object)
	}
	if o, ok := p.(interface{ Objection() string }); ok && o.Objection() != "" {
		words = append(words, "override")
	}
	if m, ok := p.(interface{ Room() []string }); ok && len(m.Room()) > 0 {
		words = append(words, "remove")
	}
	d.Word = strings.Join(words, " ")
	if c, ok := p.(interface{ Check() error }); ok {
		if err := c.Check(); err != nil {
			d.Refused, d.Hint = err.Error(), hintOf(err)
		}
	}
	return d
}
