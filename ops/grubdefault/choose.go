package grubdefault

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"holdfast/flash"
	"holdfast/flash/grub"
	"holdfast/ops"
	"holdfast/ops/status"
)

// choose gives what is to be saved, and what there is to say about it.
func (r Request) choose(l loader) (to string, notes []string, err error) {
	if l.menuErr == nil && !l.menu.Saved {
		return "", nil, fail(ops.Refused, l.menu.Path, errors.New("this menu does not boot the saved default"), useSaved(l.place.Form))
	}
	switch {
	case r.Slot != "":
		return r.chooseSlot(l)
	case r.Retries != 0:
		return r.chooseRounded(l, r.Retries, false)
	case strings.HasPrefix(r.Entry, "-"):
		if n, err := strconv.Atoi(r.Entry[1:]); err == nil {
			return r.chooseRounded(l, n, true)
		}
	}
	return r.chooseEntry(l)
}

func useSaved(form grub.Form) string {
	if form == grub.EnvFile {
		return `put these into grub.cfg: load_env, and set default="${saved_entry}"`
	}
	return "put this line into the menu: default saved"
}

func (r Request) chooseSlot(l loader) (string, []string, error) {
	if l.menuErr != nil {
		return "", nil, fail(ops.Invalid, "", l.menuErr, "")
	}
	e, ok := l.menu.First(r.Slot)
	if !ok {
		return "", nil, fail(ops.Refused, l.menu.Path, fmt.Errorf("no entry boots %s", r.Slot), list(l.menu))
	}
	return r.take(l, e)
}

func (r Request) chooseEntry(l loader) (string, []string, error) {
	if l.menuErr != nil && l.place.Form == grub.Stage2 {
		return blind(l, r.Entry)
	}
	if l.menuErr != nil {
		return "", nil, fail(ops.Invalid, "", l.menuErr, "")
	}
	e, ok := l.menu.Find(r.Entry)
	if !ok {
		return "", nil, fail(ops.Refused, l.menu.Path, fmt.Errorf("no entry %q", r.Entry), list(l.menu))
	}
	return r.take(l, e)
}

// chooseRounded is confirm's sum. The loader saves the number of the next entry before it boots one;
// so what was booted is the saved number less one, and the first of its group of n retries is what
// that is rounded down to (grub-mbr-default of Formilux). A multiple of n is in doubt: the last retry
// may run, or the group may have been confirmed before. raw says that the caller knows.
func (r Request) chooseRounded(l loader, n int, raw bool) (string, []string, error) {
	if n < 1 {
		return "", nil, fail(ops.Usage, "", fmt.Errorf("groups of %d entries", n), "")
	}
	saved, err := strconv.Atoi(l.saved.Entry())
	if err != nil || saved < 0 {
		return "", nil, fail(ops.Refused, "", fmt.Errorf("%q is saved, which is no number to count from", l.saved.Entry()), "")
	}
	if s2, ok := l.saved.(grub.Stage2Sector); ok && s2.Retry() {
		return "", nil, fail(ops.Refused, "", fmt.Errorf("%d is saved, a state of the loader's own: it does not say what was booted", saved), "name the slot")
	}
	if saved%n == 0 && saved > 0 && !raw {
		return "", nil, fail(ops.Refused, "", fmt.Errorf("%d is saved: either entry %d was booted, or entry %d is confirmed already", saved, saved-1, saved),
			"name the slot that was booted")
	}
	to := strconv.Itoa(max(saved-1, 0) / n * n)
	if l.menuErr != nil {
		return blind(l, to)
	}
	e, ok := l.menu.Find(to)
	if !ok {
		return "", nil, fail(ops.Refused, l.menu.Path, fmt.Errorf("no entry %s", to), list(l.menu))
	}
	return r.take(l, e)
}

// blind chooses a number without a menu to look it up.
func blind(l loader, entry string) (string, []string, error) {
	if _, err := l.saved.With(entry); err != nil {
		return "", nil, fail(ops.Refused, "", err, "")
	}
	return entry, []string{fmt.Sprintf("what entry %s boots is not known: %v", entry, l.menuErr)}, nil
}

// take accepts an entry unless it is known to boot nothing, or GRUB would take another one for it.
func (r Request) take(l loader, e grub.Entry) (string, []string, error) {
	refuse := func(reason string) (string, []string, error) {
		return "", nil, fail(ops.Refused, "entry "+describe(e.Key, e), errors.New(reason), list(l.menu))
	}
	reason := r.empty(e)
	if reason != "" && e.Slot != "" {
		return refuse(e.Slot + " " + reason + ": the boot default never names what cannot boot")
	}
	if e.Submenu {
		return refuse("a submenu boots nothing by itself")
	}
	to := l.menu.Name(e, l.saved.Entry())
	if to == "" {
		return refuse("no name or number of it is sure")
	}
	after, err := l.saved.With(to)
	if err != nil {
		return refuse(err.Error())
	}
	var notes []string
	if got, known := l.menu.Boots(after); !known {
		notes = append(notes, "what this menu boots depends on commands that are not understood here")
	} else if got.Key != e.Key || got.Title != e.Title {
		return refuse("GRUB would boot another one: " + describe(got.Key, got))
	}
	switch {
	case reason != "":
		notes = append(notes, "the entry "+reason)
	case e.Slot == "":
		notes = append(notes, "the entry boots none of the slots: nothing here says whether it works")
	}
	return to, notes, nil
}

// empty says why an entry cannot boot, "" where nothing is known against it.
func (r Request) empty(e grub.Entry) string {
	if slices.Contains(flash.Slots[:], e.Slot) {
		img, ok := r.Report.Image(e.Slot)
		switch {
		case !ok || !img.Present:
			return "is empty"
		case img.Broken == status.Unsigned && r.Booted:
			// GRUB has booted it, and asks nobody for a signature.
		case img.Broken != "":
			return "cannot boot, " + img.Broken
		}
		if _, err := fs.Stat(r.Report.Target.FS, img.Kernel); errors.Is(err, fs.ErrNotExist) { // since the report
			return "has lost its kernel"
		}
		if file := r.Report.Absent(e); file != "" {
			return "has no " + shown(e.InSlot(file)) + ", which the entry names"
		}
		return ""
	}
	switch file := r.Report.Absent(e); file {
	case "":
		return ""
	case e.Kernel:
		return "names a kernel that is not there, " + shown(file)
	default:
		return "names an initrd that is not there, " + shown(file)
	}
}

// list names what a menu has.
func list(m grub.Menu) string {
	var all []string
	for _, e := range m.Entries {
		all = append(all, describe(e.Key, e))
	}
	return "there are: " + strings.Join(all, ", ")
}

// describe is an entry as people know it: what is saved, the title, the slot.
func describe(name string, e grub.Entry) string {
	text := shown(name)
	if e.Title != "" && e.Title != name {
		text += " " + strconv.Quote(e.Title)
	}
	switch {
	case e.Slot != "":
		text += " (" + e.Slot + ")"
	case e.Elsewhere != "":
		text += fmt.Sprintf(" (%s of partition %d)", e.Elsewhere, e.Partition)
	}
	return text
}
