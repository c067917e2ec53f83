// Package safety holds the rules that no option lifts: which image of a flash counts as confirmed, and
// which may be replaced or removed. They are pure functions of a report, so that every combination can be
// tabled: see testdata/rules.txt, which the tests write and compare.
//
// The rules want to know which images are whole, and only hashes say so: see Hashed. What nobody has
// hashed, or what has no manifest, is taken for whole here, as GRUB does.
//
// A machine that requires signatures does not take an unsigned image for less than whole: GRUB boots it
// all the same, and a flash that was made before there were keys must not lose what it runs from. Of two
// images that are worth the same, it keeps the signed one.
package safety

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"holdfast/flash"
	"holdfast/ops"
	"holdfast/ops/status"
)

// Whole reports that nothing is known that keeps GRUB from booting an image.
func Whole(i status.Image) bool {
	return i.Present && i.Integrity != flash.Damaged && (i.Broken == "" || i.Broken == status.Unsigned)
}

// Counts reports whether an image counts as confirmed: it is whole, and the record says so; or nobody
// knows of it, and the running system was booted from it (booted, "" when not known) or no slot is confirmed.
// A damaged one never counts.
func Counts(r *status.Report, booted, name string) bool {
	i, ok := r.Image(name)
	if !ok || !isPair(name) {
		return false
	}
	return worthOf(r, booted, i) >= untoldCounts
}

// isPair reports that name is one of the two slots that images change between.
func isPair(name string) bool { return name == flash.Active || name == flash.Backup }

// other is the other one of the two slots.
func other(name string) string {
	if name == flash.Active {
		return flash.Backup
	}
	return flash.Active
}

// worth is how much would be lost with an image.
type worth int

const (
	empty worth = iota
	damaged
	bad
	untold
	trial
	untoldCounts
	confirmed
)

func (w worth) String() string {
	return [...]string{"empty", "damaged", "bad", "unknown", "trial", "unknown that counts", "confirmed"}[w]
}

func worthOf(r *status.Report, booted string, i status.Image) worth {
	switch {
	case !i.Present:
		return empty
	case !Whole(i):
		return damaged
	}
	switch i.Entry.State {
	case flash.Confirmed:
		return confirmed
	case flash.Trial:
		return trial
	case flash.Bad:
		return bad
	}
	if booted == i.Name || !anyConfirmed(r) {
		return untoldCounts
	}
	return untold
}

func anyConfirmed(r *status.Report) bool {
	return slices.ContainsFunc(r.Images, func(i status.Image) bool {
		return isPair(i.Name) && !i.Staged && Whole(i) && i.Entry.State == flash.Confirmed
	})
}

// compare orders two images by what would be lost with them: by worth; then by what vouches for them,
// a signature where one is required, a manifest; then the one that runs is kept.
func compare(r *status.Report, booted string, a, b status.Image) int {
	boolean := func(f func(status.Image) bool) int {
		switch {
		case f(a) == f(b):
			return 0
		case f(a):
			return 1
		}
		return -1
	}
	n := cmp.Compare(worthOf(r, booted, a), worthOf(r, booted, b))
	if n == 0 && !Whole(a) {
		return 0
	}
	if n == 0 && r.Target.Trust.Require {
		n = boolean(func(i status.Image) bool { return i.Integrity == flash.Verified })
	}
	if n == 0 {
		n = boolean(func(i status.Image) bool { return i.Integrity != flash.Unchecked })
	}
	if n == 0 && worthOf(r, booted, a) == untoldCounts {
		n = boolean(func(i status.Image) bool { return i.Name == booted })
	}
	return n
}

// Victim is the slot, active or backup, whose image gives way to a new one. What gives way is never the
// last confirmed image, nor one that is worth more than the other: confirmed, unknown that counts, trial,
// unknown, bad, damaged, empty. Of two that count the backup goes, of two that do not the active one.
func Victim(r *status.Report, booted string) string {
	active, _ := r.Image(flash.Active)
	backup, _ := r.Image(flash.Backup)
	switch n := compare(r, booted, active, backup); {
	case n < 0:
		return flash.Active
	case n == 0 && worthOf(r, booted, active) < untoldCounts:
		return flash.Active
	}
	return flash.Backup
}

// Replaceable says why a slot may not get another image in place of its own; nil when it may. The only whole
// image stays until a new one has shown that it boots.
func Replaceable(r *status.Report, booted, slot string) error {
	switch {
	case slot == flash.Factory:
		return refuse("factory is never replaced by an install", "install without --slot, and the rules choose")
	case !isPair(slot):
		return &ops.Error{Kind: ops.Usage, Err: fmt.Errorf("no slot %q", slot), Hint: "active or backup"}
	case Counts(r, booted, slot) && !Counts(r, booted, other(slot)):
		return refuse(slot+" holds the last confirmed image", "install without --slot: "+Victim(r, booted)+" gives way then")
	}
	image, _ := r.Image(slot)
	if rest, _ := r.Image(other(slot)); Whole(image) && !Whole(rest) {
		return refuse(slot+" holds the only whole image", "install without --slot: "+Victim(r, booted)+" gives way then")
	}
	return nil
}

// Removable says why an image may not be removed; nil when it may. A staged version may, unless it is
// the only whole image beside factory.
func Removable(r *status.Report, booted, name string) error {
	i, ok := r.Image(name)
	switch {
	case !ok:
		return &ops.Error{Kind: ops.Usage, Err: fmt.Errorf("no image %q on this flash", name)}
	case name == flash.Factory:
		return refuse("factory is never removed", "")
	case i.Staged:
		return removableStaged(r, i)
	case !Whole(i):
		return nil
	}
	rest, _ := r.Image(other(name))
	switch {
	case Counts(r, booted, name) && !Counts(r, booted, rest.Name):
		return refuse(name+" holds the last confirmed image", installFirst)
	case !Whole(rest):
		return refuse(name+" holds the only whole image", installFirst)
	case rest.Entry.State == flash.Bad && i.Entry.State != flash.Bad:
		return refuse("only a bad image would be left", installFirst)
	}
	return nil
}

const installFirst = "install another image first, and let it confirm"

func removableStaged(r *status.Report, i status.Image) error {
	for _, o := range r.Images {
		if o.Name != i.Name && o.Name != flash.Factory && Whole(o) {
			return nil
		}
	}
	if !Whole(i) {
		return nil
	}
	return refuse(i.Name+" is the only whole image", "make it the active one: holdfast rotate "+i.Name)
}

func refuse(text, hint string) error {
	return &ops.Error{Kind: ops.Refused, Err: errors.New(text), Hint: hint}
}

// Spare lists what may be removed to make room for a new image, the least valuable first: staged
// versions, damaged ones before whole ones, then the image that gives way to the new one anyhow. All of
// it may be removed one after the other.
func Spare(r *status.Report, booted string) []string {
	return SpareFor(r, booted, Victim(r, booted))
}

// SpareFor is Spare where the operator has named the slot that is replaced.
func SpareFor(r *status.Report, booted, victim string) []string {
	var list []status.Image
	left := *r
	for _, i := range r.Images {
		if i.Present && i.Staged {
			list = append(list, i)
		}
	}
	slices.SortStableFunc(list, func(a, b status.Image) int {
		return cmp.Compare(worthOf(r, booted, a), worthOf(r, booted, b))
	})
	if i, _ := r.Image(victim); i.Present {
		list = append(list, i)
	}
	var names []string
	for _, i := range list {
		if Removable(&left, booted, i.Name) == nil {
			names = append(names, i.Name)
			left.Images = slices.DeleteFunc(slices.Clone(left.Images), func(o status.Image) bool { return o.Name == i.Name })
		}
	}
	return names
}
