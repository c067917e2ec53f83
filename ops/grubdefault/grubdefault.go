// Package grubdefault sets GRUB's saved boot default, so that GRUB itself reads it at the next start:
// through the file where its file system is mounted for writing, else in the sectors of the device.
// One sector changes and nothing else, and nothing is written that could not be proved right first.
package grubdefault

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"holdfast/flash/grub"
	"holdfast/flash/store"
	"holdfast/flash/volume"
	"holdfast/ops"
	"holdfast/ops/status"
)

// Request asks for another default. Exactly one of Slot, Entry and Retries is set.
type Request struct {
	Report  *status.Report // of the flash, whose Target says where GRUB's files are
	Slot    string         // the first entry of this slot
	Entry   string         // this entry, by its number, its id or its title; "-2" is the sum of Retries 2 without its doubts
	Retries int            // confirm: the saved number less one, rounded down to a multiple of this

	// Booted is confirm's: the entry's image has booted well and need not be hashed. That is no reason
	// to forget which entry somebody asked for since, for the next boot alone.
	Booted bool

	// Locked says that the caller holds the locks: a session, in whose directory the log then is.
	Locked bool

	// NoWait makes a lock that somebody holds an error of kind Refused.
	NoWait bool
}

// Plan is what will be written, and where.
type Plan struct {
	From, To string // what is saved now, and then; "" for nothing

	request Request
	loader  loader
	spot    spot
	after   grub.Saved
	change  store.Change // from the start of the saved default
	notes   []string
}

// Plan finds the saved default and checks everything that its writing depends on. What must not be
// written is an *ops.Error of kind Invalid or Refused, what this user or this machine cannot write one
// of kind NotWritable.
func (r Request) Plan() (Plan, error) {
	v, err := open(r.Report.Target.GRUB)
	if err != nil {
		return Plan{}, err
	}
	defer v.Close()
	return r.plan(v)
}

func (r Request) plan(v *volume.Volume) (Plan, error) {
	l, s, err := r.find(v)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{From: l.saved.Entry(), request: r, loader: l, spot: s}
	if p.To, p.notes, err = r.choose(l); err != nil {
		return Plan{}, err
	}
	if p.after, err = r.with(l.saved, p.To); err != nil {
		return Plan{}, fail(ops.Refused, "save entry "+p.To, err, "")
	}
	if why := v.Damage(); why != "" && s.path != "" {
		p.notes = append(p.notes, why) // no reason to leave the machine with the wrong default
	}
	err = s.prove(l.text)
	if p.Nothing() && !errors.Is(err, errDiffers) && !errors.Is(err, errElsewhere) {
		return p, nil
	}
	if err != nil {
		return Plan{}, err
	}
	if p.change, err = l.changeTo(p.after); err != nil {
		return Plan{}, err
	}
	if p.spot.way, err = s.findWay(); err != nil {
		return Plan{}, err
	}
	return p, nil
}

// Nothing reports that the default is already what was asked for.
func (p Plan) Nothing() bool { return p.From == p.To && p.loader.saved.Once() == p.after.Once() }

func (r Request) with(s grub.Saved, entry string) (grub.Saved, error) {
	if env, ok := s.(grub.Env); ok && r.Booted {
		return env.WithSaved(entry)
	}
	return s.With(entry)
}

// Slot is what the new default boots: active, backup, factory, maintenance, or "" when it is none of
// them or not known.
func (p Plan) Slot() string {
	e, _ := p.loader.menu.Find(p.To)
	return e.Slot
}

// changeTo is the difference that another default makes. It is one within the first sector: two
// sectors could be torn by a power cut, and GRUB Legacy itself writes the first.
func (l loader) changeTo(after grub.Saved) (store.Change, error) {
	text, err := after.Encode()
	if err != nil {
		return store.Change{}, fail(ops.Refused, "encode the saved default", err, "")
	}
	if len(text) != len(l.text) {
		return store.Change{}, fail(ops.Refused, "encode the saved default",
			fmt.Errorf("%d bytes would become %d", len(l.text), len(text)), "")
	}
	first := min(store.Sector, len(text))
	if !bytes.Equal(text[first:], l.text[first:]) {
		return store.Change{}, fail(ops.Refused, l.place.Path, errors.New("more than its first sector would change"),
			"take variables out that nobody needs: grub-editenv FILE unset NAME")
	}
	return store.Change{Old: l.text[:first], New: text[:first]}, nil
}

// fail makes an error without an Op: default set, confirm and the console each have a name of their own.
func fail(kind ops.Kind, step string, err error, hint string) *ops.Error {
	if hint == "" && errors.Is(err, fs.ErrPermission) {
		hint = "run this as root; root should see whether it is immutable (lsattr) or write-protected"
	}
	return &ops.Error{Kind: kind, Step: step, Err: err, Hint: hint}
}
