package arrange

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"holdfast/flash"
	"holdfast/ops"
	"holdfast/ops/grubdefault"
	"holdfast/ops/safety"
	"holdfast/ops/session"
	"holdfast/ops/status"
)

// Default is what becomes of the boot default.
type Default struct {
	Entry   string // what is going to be saved; "" when it cannot be
	Changes bool   // it is not that already
	Problem string // why it cannot be set; "" when nothing is known against it

	text string
}

// PlanDefault is for a slot whose image changes first: what is wrong with the one that is in it now does
// not matter. That a default cannot be set is no error: there are flashes without a boot loader.
func PlanDefault(r *status.Report, slot string) Default {
	b := r.Boot
	if b == nil {
		return Default{Problem: r.NoBoot}
	}
	if len(b.Menu.Entries) == 0 {
		return Default{Problem: cmp.Or(b.NoMenu, b.Menu.Path+" has no entry")}
	}
	e, ok := b.Menu.First(slot)
	if !ok {
		return Default{Problem: fmt.Sprintf("no entry of %s boots %s", b.Menu.Path, slot)}
	}
	d := Default{Entry: b.Menu.Name(e, b.Saved.Entry())}
	d.Changes = d.Entry != b.Saved.Entry() || b.Saved.Once() != ""
	d.text = fmt.Sprintf("entry %s, %s (%s)", d.Entry, strconv.Quote(e.Title), slot)
	if img, _ := r.Image(slot); d.Changes && safety.Whole(img) {
		if _, err := (grubdefault.Request{Report: r, Slot: slot}).Plan(); err != nil {
			d.Problem = err.Error()
		}
	}
	return d
}

// Lines is the default for a plan.
func (d Default) Lines() []ops.Line {
	switch {
	case d.Problem != "":
		return []ops.Line{{Label: "warning", Text: "the boot default is not set: " + d.Problem}}
	case d.Changes:
		return []ops.Line{{Label: "default", Text: d.text}}
	}
	return []ops.Line{{Label: "default", Text: d.text + ", as it is"}}
}

// InitrdNote says that GRUB's first entry of the active slot loads an initrd which the image that becomes the
// active one has not, or loads none of those that it has: the menu is that of the images the disk was made with,
// and nothing changes it. "" when they agree, or when there is no telling.
func InitrdNote(r *status.Report, has bool) string {
	if r.Boot == nil {
		return ""
	}
	e, ok := r.Boot.Menu.First(flash.Active)
	switch loads := len(e.Initrds) > 0; {
	case !ok || loads == has:
		return ""
	case loads:
		return "GRUB cannot boot it: its menu loads " + e.Initrds[0] + ", which this image has not; a boot by the console can"
	}
	return "GRUB's menu loads no initrd, and this image has one, which only a boot by the console gives"
}

// Boots says what GRUB boots next, as far as that is known.
func Boots(r *status.Report) string {
	if r.Boot == nil || len(r.Boot.Next) == 0 {
		return "what GRUB boots next is not known"
	}
	e := r.Boot.Next[0]
	text := fmt.Sprintf("GRUB boots entry %s, %q", e.Key, e.Title)
	if _, ok := r.Image(e.Slot); ok {
		text += ": " + Describe(r, e.Slot)
	}
	return text
}

// Set makes the first entry of a slot the boot default. s has looked at what the slot holds now.
func Set(ctx context.Context, s *session.Session, slot string, rep ops.Reporter) error {
	p, err := grubdefault.Request{Report: s.Report, Slot: slot, Locked: true}.Plan()
	if err != nil {
		return err
	}
	if p.Nothing() {
		return nil
	}
	return p.Apply(ctx, rep)
}

// Elsewhere is the slot that the default is to name when another one becomes empty: the other one if it
// can boot, else maintenance; "" when the default names neither now.
func Elsewhere(r *status.Report, slot string) string {
	if r.Default() != slot {
		return ""
	}
	if img, _ := r.Image(Other(slot)); safety.Whole(img) && img.Broken == "" && img.Entry.State != flash.Bad {
		return img.Name
	}
	return "maintenance"
}

// Vacate sets the boot default elsewhere when it names the slot that becomes empty.
func Vacate(ctx context.Context, s *session.Session, slot string, rep ops.Reporter) error {
	to := Elsewhere(s.Report, slot)
	if to == "" {
		return nil
	}
	if err := Set(ctx, s, to, rep); err != nil {
		return &ops.Error{Kind: ops.Refused, Step: "the boot default names " + slot,
			Err:  fmt.Errorf("it cannot be set to %s: %w", to, err),
			Hint: "set it to an entry that boots something else: holdfast default set-entry N"}
	}
	read, err := status.Read(s.Report.Target)
	if err != nil {
		return err
	}
	if read.Default() == slot {
		return errors.New("the boot default names " + slot + " still")
	}
	return nil
}
