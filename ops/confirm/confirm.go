// Package confirm is what an appliance runs after a good boot: it sets the boot default back to the
// first entry of the group that was booted, and marks the image confirmed. Without it, GRUB goes on to the
// next entry at every start, and an image on trial is rolled back when its tries are used up.
package confirm

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"holdfast/flash"
	"holdfast/flash/grub"
	"holdfast/kexec"
	"holdfast/ops"
	"holdfast/ops/grubdefault"
	"holdfast/ops/session"
	"holdfast/ops/status"
)

const op = "confirm"

// Request asks for a confirmation.
type Request struct {
	Report      *status.Report
	CommandLine string // of the running kernel: img= and GRUB_ENTRY= say what was booted
	Slot        string // said by the operator; "" takes it from CommandLine
	Retries     int    // size of the groups, for a loader whose menu cannot be read; 0 when not given
	Running     Running
	Session     session.Options // for marking the image
}

// change is what to set the default to.
func (r Request) change() (grubdefault.Request, error) {
	if err := r.check(); err != nil {
		return grubdefault.Request{}, err
	}
	b, err := r.booted()
	if err != nil {
		return grubdefault.Request{}, err
	}
	boot := r.Report.Boot
	switch {
	case boot == nil:
		return grubdefault.Request{}, &ops.Error{Kind: ops.Invalid, Op: op, Err: errors.New(r.Report.NoBoot)}
	case len(boot.Menu.Entries) == 0:
		return r.withoutMenu(b, cmp.Or(boot.NoMenu, "the menu has no entries"))
	}
	e, err := b.first(boot.Menu, r.Slot != "")
	if err != nil {
		return grubdefault.Request{}, err
	}
	return grubdefault.Request{Entry: boot.Menu.Name(e, boot.Saved.Entry())}, nil
}

func (r Request) check() error {
	if r.Slot != "" && !slices.Contains(flash.Slots[:], r.Slot) {
		return &ops.Error{Kind: ops.Usage, Op: op, Err: fmt.Errorf("no slot %q", r.Slot), Hint: "active, backup or factory"}
	}
	if r.Retries < 0 {
		return &ops.Error{Kind: ops.Usage, Op: op, Err: fmt.Errorf("groups of %d entries", r.Retries)}
	}
	return nil
}

// booted is what the command line and the operator say of this boot, each "" when they do not.
type booted struct{ slot, entry string }

// booted refuses what no slot was booted by: there the default decides nothing that could be confirmed.
func (r Request) booted() (booted, error) {
	b := booted{slot: r.Slot, entry: lastValue(r.CommandLine, "GRUB_ENTRY")}
	if b.slot != "" {
		return b, nil
	}
	switch img := lastValue(r.CommandLine, "img"); {
	case img == "" || slices.Contains(flash.Slots[:], img):
		b.slot = img
	case img == "maint" || img == "maintenance":
		return b, maintenance()
	default:
		return b, refused(fmt.Sprintf("img=%s is no slot: GRUB's default was not asked for this boot, so there is nothing to confirm", img), "")
	}
	return b, nil
}

func maintenance() error {
	return refused("this is the maintenance system: there is nothing to confirm", slotHint)
}

const slotHint = "say what was booted: --slot active"

func refused(text, hint string) error {
	return &ops.Error{Kind: ops.Refused, Op: op, Err: errors.New(text), Hint: hint}
}

// lastValue gives the value of the last name= on a kernel's command line: what is added to a line
// comes later. Quotes may be around the value or around the whole word.
func lastValue(line, name string) string {
	value := ""
	for _, word := range kexec.SplitWords(line) {
		if v, ok := strings.CutPrefix(strings.ReplaceAll(word, `"`, ""), name+"="); ok {
			value = v
		}
	}
	return value
}

// first is the entry that confirms: the first of the group that was booted. The entry that GRUB named
// leads to it; a slot that was booted in another way, as by kexec, has its first group.
func (b booted) first(menu grub.Menu, told bool) (grub.Entry, error) {
	e, known := grub.Entry{}, false
	if b.entry != "" {
		e, known = menu.Find(b.entry)
	}
	refuse := func(format string, args ...any) (grub.Entry, error) {
		return grub.Entry{}, refused(fmt.Sprintf(format, args...), slotHint)
	}
	switch {
	case b.slot == "" && b.entry == "":
		return refuse("the kernel's command line has neither img= nor GRUB_ENTRY=")
	case b.slot == "" && !known:
		return refuse("GRUB_ENTRY=%s is no entry of %s", b.entry, menu.Path)
	case b.slot == "" && e.Slot == "maintenance":
		return grub.Entry{}, maintenance()
	case b.slot == "" && e.Slot == "":
		return refuse("GRUB_ENTRY=%s, %q, boots no slot", b.entry, e.Title)
	case b.slot == "" || b.slot == e.Slot:
		return menu.Group(e)[0], nil
	case e.Slot != "" && !told:
		return refuse("img=%s, but GRUB_ENTRY=%s boots %s by %s", b.slot, b.entry, e.Slot, menu.Path)
	}
	if first, ok := menu.First(b.slot); ok {
		return first, nil
	}
	return grub.Entry{}, refused(fmt.Sprintf("no entry of %s boots %s", menu.Path, b.slot), "")
}

// withoutMenu goes by the numbers alone, as Formilux' grub-mbr-default did: every group has the same
// size, and the first one begins with entry 0.
func (r Request) withoutMenu(b booted, why string) (grubdefault.Request, error) {
	switch {
	case r.Retries == 0:
		return grubdefault.Request{}, refused("no menu says which entries belong together: "+why,
			"name the place of GRUB's files by --grub, or the size of the groups by --retries N")
	case b.entry == "":
		return grubdefault.Request{Retries: r.Retries}, nil
	}
	n, err := strconv.Atoi(b.entry)
	if err != nil || n < 0 {
		return grubdefault.Request{}, refused(fmt.Sprintf("GRUB_ENTRY=%s is no number", b.entry), "")
	}
	return grubdefault.Request{Entry: strconv.Itoa(n - n%r.Retries)}, nil
}
