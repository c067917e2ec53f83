// Package install brings an image to the flash: into incoming, checked while it is written and read back
// from the device, then into a slot by whole directories that change places.
//
// Nothing of the flash changes before the archive has proved good, but for what has to go to make room;
// and then the archive is read once for nothing first.
package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"holdfast/flash"
	"holdfast/flash/store"
	"holdfast/ops"
	"holdfast/ops/archive"
	"holdfast/ops/arrange"
	"holdfast/ops/safety"
	"holdfast/ops/session"
	"holdfast/ops/status"
)

const op = "install"

// DefaultTries is how often a new image may be booted before it must have confirmed.
const DefaultTries = 3

// MaxTries is what a state record can hold.
const MaxTries = 255

// Request asks for an installation.
type Request struct {
	Report    *status.Report
	Source    archive.Source
	Session   session.Options
	Progress  ops.Reporter // is told how the plan comes along, which hashes the slots; nil for nobody
	StageOnly bool         // put it beside the slots, under its version
	Slot      string       // the slot that it replaces; "" leaves that to the rules
	Tries     int          // 0: DefaultTries
	MakeRoom  bool         // what the plan says has to go may go
	Override  bool         // a wrong model or a version below the floor was agreed to, by typing
}

// Plan is what an installation will do.
type Plan struct {
	request Request
	report  *status.Report // with active and backup hashed
	image   archive.Image  // as far as the beginning of the archive says
	need    int64          // bytes on the flash, a guess; 0 when not known
	free    int64          // bytes; negative when not known
	boot    arrange.Default
	decision
}

// decision is what a plan decides. Under the lock it must come out the same.
type decision struct {
	before    flash.Pair
	slot      string // whose image gives way; "" when the image is only staged
	promote   bool   // it becomes the active one
	nothing   string // why there is nothing to do; "" when there is
	again     bool   // the active image is this one, and is put on trial again
	objection string
	room      string // what has to go first, one name a line
	entry     string // of the boot default
}

// Plan looks at the flash and at the beginning of the archive. It hashes what is in the slots, so far as
// the report does not know it.
func (r Request) Plan(ctx context.Context) (Plan, error) {
	if err := r.check(); err != nil {
		return Plan{}, err
	}
	img, need, err := archive.Peek(ctx, r.Source, r.Report.Target.Trust)
	if err != nil {
		return Plan{}, arrange.Named(op, err)
	}
	p, err := r.plan(ctx, r.Report, img, need)
	if err == nil && !r.Source.Once && (p.room != "" || p.short()) {
		// How long it is says its end, which one that was cut short has not: nothing on the flash is
		// called in its way before the archive is known to be whole.
		if img, err = archive.Copy(ctx, r.Source, r.Report.Target.Trust, 0, archive.Discard, r.progress()); err == nil {
			p, err = r.plan(ctx, p.report, img, img.Size())
		}
	}
	return p, arrange.Named(op, err)
}

func (r Request) check() error {
	wrong := func(format string, args ...any) error {
		return &ops.Error{Kind: ops.Usage, Op: op, Err: fmt.Errorf(format, args...)}
	}
	switch {
	case r.StageOnly && r.Slot != "":
		return wrong("an image that is only staged goes into no slot")
	case r.Tries < 0 || r.Tries > MaxTries:
		return wrong("%d tries: from 1 to %d", r.Tries, MaxTries)
	}
	return nil
}

func (r Request) tries() int { return cmp.Or(r.Tries, DefaultTries) }

func (r Request) progress() ops.Reporter {
	if r.Progress == nil {
		return ops.Discard
	}
	return r.Progress
}

func (r Request) plan(ctx context.Context, report *status.Report, img archive.Image, need int64) (Plan, error) {
	report, err := safety.Hashed(ctx, report, r.progress(), flash.Active, flash.Backup)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{request: r, report: report, image: img, need: need}
	p.before = arrange.Pair(report)
	p.objection = objection(report.Target.Trust, img)
	if err := p.choose(); err != nil {
		return Plan{}, err
	}
	if p.nothing == "" {
		p.makeRoom()
	}
	if p.promote {
		p.boot = arrange.PlanDefault(report, flash.Active)
		p.entry = p.boot.Entry
	}
	return p, nil
}

// choose decides which image gives way, so far as the archive's beginning says which it is itself.
func (p *Plan) choose() error {
	r, booted := p.request, p.request.Session.Booted
	switch {
	case r.StageOnly:
		return p.meet(p.image.ID, p.image.Version)
	case r.Slot != "":
		if err := safety.Replaceable(p.report, booted, r.Slot); err != nil {
			return err
		}
		p.slot = r.Slot
	default:
		if err := safety.CheckReadable(p.report, flash.Active, flash.Backup); err != nil {
			return err
		}
		p.slot = safety.Victim(p.report, booted)
	}
	p.promote = r.Slot != flash.Backup
	return p.meet(p.image.ID, p.image.Version)
}

// meet looks for the same image on the flash; id is zero and version "" so long as they are not known.
func (p *Plan) meet(id flash.ID, version string) error {
	if p.request.StageOnly {
		return p.meetStaged(id, version)
	}
	active, _ := p.report.Image(flash.Active)
	backup, _ := p.report.Image(flash.Backup)
	same := func(i status.Image) bool { return !id.IsZero() && i.ID == id && safety.Whole(i) }
	switch {
	case same(active) && p.promote && active.Entry.State == flash.Bad:
		p.again = true
	case same(active) && p.promote:
		p.nothing = arrange.Name(active) + " is installed already: it is the active image"
	case same(backup) && !p.promote && backup.Entry.State != flash.Bad:
		p.nothing = arrange.Name(backup) + " is installed already: it is the backup image"
	case same(backup) && p.promote:
		return refuse(arrange.Name(backup)+" is on the flash already, as the backup", "to make it the active one: holdfast rotate")
	case same(active):
		return refuse(arrange.Name(active)+" is the active image: as the backup too, it would be none", "")
	}
	return nil
}

// meetStaged is meet for an image that is only staged.
func (p *Plan) meetStaged(id flash.ID, version string) error {
	if version == "" {
		return nil
	}
	if err := store.CheckVersion(version); err != nil {
		return &ops.Error{Kind: ops.Invalid, Step: "kernel.ver", Err: err, Hint: "install it without --stage-only"}
	}
	staged := 0
	for _, i := range p.report.Images {
		if !i.Staged {
			continue
		}
		staged++
		switch {
		case i.Name != version || id.IsZero():
		case i.ID == id && safety.Whole(i):
			p.nothing = version + " is staged already"
		default:
			return refuse("another image is staged as "+version, "remove it first: holdfast remove "+version)
		}
	}
	if _, there := p.report.Image(version); !there && staged >= store.MaxStaged {
		return refuse(fmt.Sprintf("%d versions are staged, which is all that a flash takes", staged), "remove one of them: holdfast remove VERSION")
	}
	return nil
}

func refuse(text, hint string) error {
	return &ops.Error{Kind: ops.Refused, Err: errors.New(text), Hint: hint}
}

// Nothing says why there is nothing to do: "1.3.125 is installed already". It is "" when there is.
func (p Plan) Nothing() string { return p.nothing }

// Objection is what only Override lets pass: a wrong model, a version below the floor; "" for nothing.
func (p Plan) Objection() string { return p.objection }

// Agreed is the plan with what an operator has agreed to since, on seeing it.
func (p Plan) Agreed(makeRoom, override bool) Plan {
	p.request.MakeRoom = p.request.MakeRoom || makeRoom
	p.request.Override = p.request.Override || override
	return p
}
