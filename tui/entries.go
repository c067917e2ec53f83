package tui

import (
	"fmt"

	"holdfast/flash/grub"
	"holdfast/ops/status"
)

// objectName is an entry as people speak of it, given as the saved default names it.
func objectName(r *status.Report, name string) string {
	if r.Boot != nil {
		if e, ok := r.Boot.Menu.Find(name); ok {
			return entryName(e)
		}
	}
	return name
}

// entryName is an entry as people speak of it: the slot that it boots, else its title.
func entryName(e grub.Entry) string {
	if e.Slot != "" {
		return e.Slot
	}
	return fmt.Sprintf("%q", e.Title)
}

// savedText is what a report says is saved: "2 (backup)".
func savedText(r *status.Report) string {
	b := r.Boot
	switch {
	case b == nil:
		return "not known"
	case b.Saved.Entry() == "":
		return "nothing"
	}
	saved := b.Saved.Entry()
	if name := objectName(r, saved); name != saved {
		return saved + " (" + name + ")"
	}
	return saved
}
