package status

import (
	"cmp"
	"fmt"
	"slices"

	"holdfast/flash"
)

// byID is the image with that content, one in a slot before one that is staged.
func (r *Report) byID(id flash.ID) (Image, bool) {
	n := slices.IndexFunc(r.Images, func(i Image) bool { return i.Present && !id.IsZero() && i.ID == id })
	if n < 0 {
		return Image{}, false
	}
	return r.Images[n], true
}

// Said is an event of the state record for people: "on backup because 1.3.125 did not confirm in 3 tries".
// It is "" for no event, and for one whose image is not on the flash any more and whose story is over so.
func (r *Report) Said(e flash.Event) string {
	img, known := r.byID(e.ID)
	name := cmp.Or(img.Version, img.Name)
	switch e.Kind {
	case flash.Undone, flash.Finished:
		end := "undone"
		if e.Kind == flash.Finished {
			end = "finished at the next start"
		}
		if known {
			return fmt.Sprintf("the %v of %s was interrupted and %s", e.Op, name, end)
		}
		return fmt.Sprintf("the last %v was interrupted and %s", e.Op, end)
	case flash.NoEvent:
		return ""
	}
	if !known {
		return ""
	}
	switch e.Kind {
	case flash.Installed:
		return r.saidInstalled(img, name)
	case flash.Rotated:
		if text := r.saidInstalled(img, name); img.Entry.State != flash.Confirmed && img.Entry.State != flash.Untold {
			return text
		}
		return fmt.Sprintf("%s was made the %s image", name, cmp.Or(img.Name, "active"))
	case flash.RolledBack:
		return r.saidRolledBack(img, name, e.Tries)
	}
	return ""
}

// saidInstalled is how it has gone with an image that was installed.
func (r *Report) saidInstalled(img Image, name string) string {
	switch {
	case img.Staged:
		return name + " is staged"
	case img.Entry.State == flash.Trial:
		return fmt.Sprintf("%s is on trial, %s left%s", placed(img, name), tries(img.Entry.Tries), r.saidGRUB(img))
	case img.Entry.State == flash.Confirmed:
		return placed(img, name) + " was installed and has confirmed"
	case img.Entry.State == flash.Bad:
		return placed(img, name) + " is bad: it did not confirm in its tries"
	}
	return placed(img, name) + " was installed"
}

// saidGRUB is what the boot default says of an image on trial, which GRUB boots by its own retries: an
// installation sets the default to the first of its entries, and no try of GRUB's is in the record.
func (r *Report) saidGRUB(img Image) string {
	d := r.Default()
	if d == "" || d != flash.Active && d != flash.Backup {
		return ""
	}
	if d != img.Name {
		return "; it has not confirmed, and GRUB boots " + d
	}
	if first, ok := r.Boot.Menu.First(d); ok && first.Key != r.Boot.Entry.Key {
		return "; it has not confirmed, and GRUB boots its next entry, " + r.Boot.Entry.Key
	}
	return ""
}

// placed names an image with its slot: "active 1.3.125".
func placed(img Image, name string) string {
	if img.Staged || img.Name == name {
		return name
	}
	return img.Name + " " + name
}

// saidRolledBack says why another image boots, as long as it does.
func (r *Report) saidRolledBack(img Image, name string, n int) string {
	text := name + " did not confirm in its tries"
	if n > 0 {
		text = fmt.Sprintf("%s did not confirm in %s", name, tries(n))
	}
	if img.Entry.State != flash.Bad {
		return text + "; it may be tried again"
	}
	if boots, _, ok := r.Preferred(); ok && boots.Name != img.Name {
		return fmt.Sprintf("on %s because %s", boots.Name, text)
	}
	return text
}

func tries(n int) string {
	if n == 1 {
		return "1 try"
	}
	return fmt.Sprintf("%d tries", n)
}
