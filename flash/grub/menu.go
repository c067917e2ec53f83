package grub

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Menu is what a menu of GRUB offers. What is not understood is in Unknown, and nothing is concluded
// from what depends on it.
type Menu struct {
	Path     string // of its file: "boot/grub/menu.lst"
	Entries  []Entry
	Saved    bool     // the saved default decides what is booted
	Default  string   // what is booted otherwise, or when nothing is saved
	Fallback []string // the entries GRUB tries when it cannot load one, in this order
	Unknown  []string // lines that are not understood, as they stand

	loader loader
	once   bool // the menu heeds next_entry
	doubt  bool // what is in Unknown may decide which entry is booted
}

// Entry is one entry of a menu, or a submenu, whose own entries follow it.
type Entry struct {
	Key     string // as a saved default names it by numbers: "2", in a submenu "1>0"; "" when the number depends on what is not known
	Title   string
	ID      string   // GRUB 2's --id, "" when there is none
	Slot    string   // active, backup, factory, maintenance, or "" when the entry names none of them
	Saves   string   // what it saves as the default when it is booted; "" when it leaves that alone
	Kernel  string   // path of the kernel on its file system, without GRUB's device; "" when there is none
	Words   []string // the kernel's command line as GRUB passes it
	Initrds []string // paths of the initrds on the kernel's file system, as far as they are known to be there
	Submenu bool

	Partition int    // of the kernel, from 1; 0 when it is not known
	Elsewhere string // the slot, where it is one of another partition's flash: Slot is "" then

	parents []string // the names of the submenus around it
	device  string   // of the kernel as GRUB names it: "hd0,1"; "" when it is not known
	moved   bool     // after the kernel was loaded, the device may have changed
	ways    ways
}

// ways are the odd ways of an entry that decide what GRUB does after it.
type ways struct {
	fails      bool // it ends in an error before anything is loaded or saved
	late       bool // it saves only when its kernel could be loaded
	stays      bool // when its kernel cannot be loaded, GRUB shows its menu and waits
	onceSaves  bool // it saves also when it was booted for once
	savesDoubt bool // it may save something that is not understood
}

// readMenuOf finds and reads the menu of a loader. The error wraps fs.ErrNotExist when there is none.
func readMenuOf(fsys fs.FS, l loader) (Menu, error) {
	name, err := firstOf(fsys, l.files().menus...)
	if err != nil {
		return Menu{}, fmt.Errorf("read the boot menu of %s: %w", l, err)
	}
	return readMenu(fsys, name)
}

func readMenu(fsys fs.FS, name string) (Menu, error) {
	text, err := readFile(fsys, name)
	if err != nil {
		return Menu{}, fmt.Errorf("read the boot menu: %w", err)
	}
	if path.Base(name) != "grub.cfg" {
		menu := parseMenuList(string(text))
		menu.Path = name
		return menu, nil
	}
	beside, err := fs.Sub(fsys, path.Dir(name))
	if err != nil {
		return Menu{}, err
	}
	menu, err := parseConfig(string(text), beside)
	if err != nil {
		return Menu{}, fmt.Errorf("read %s: %w", name, err)
	}
	menu.Path = name
	return menu, nil
}

// Find gives the entry that a saved default names: by numbers, ids or titles, with ">" between those
// of a submenu and of an entry in it, and ">>" for one in a title (menuentry_eq in GRUB's
// grub-core/normal/menu.c). Of several with the name it is the first, as for GRUB. A name that begins
// with a digit and is no number is not found: GRUBs differ on it.
func (m Menu) Find(name string) (Entry, bool) {
	var found Entry
	under := ""
	for i, part := range splitName(name) {
		if i > 0 && (!found.Submenu || found.Key == "") {
			return Entry{}, false
		} else if i > 0 {
			under = found.Key + ">"
		}
		at := slices.IndexFunc(m.Entries, func(e Entry) bool { return e.level() == i && strings.HasPrefix(e.Key, under) && e.named(part) })
		if at < 0 {
			return Entry{}, false
		}
		found = m.Entries[at]
	}
	return found, name != ""
}

// level is how many submenus are around the entry.
func (e Entry) level() int { return len(e.parents) }

// named reports that the entry goes by this name in its own menu.
func (e Entry) named(part string) bool {
	if part == "" {
		return false
	}
	if isDigit(part[0]) {
		return part == e.Key[strings.LastIndexByte(e.Key, '>')+1:]
	}
	return part == e.ID || part == e.Title
}

// splitName splits at the single ">" and takes the double ones for one each.
func splitName(name string) []string {
	parts := strings.Split(strings.ReplaceAll(name, ">>", "\x00"), ">")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], "\x00", ">")
	}
	return parts
}

func escapeName(part string) string { return strings.ReplaceAll(part, ">", ">>") }

// name is how GRUB 2 itself names the entry when it saves it.
func (e Entry) name() string {
	return strings.Join(append(slices.Clone(e.parents), escapeName(e.lastName())), ">")
}

// lastName is the id, and the title of an entry without one.
func (e Entry) lastName() string {
	if e.ID != "" {
		return e.ID
	}
	return e.Title
}

func (m Menu) top(n int) (Entry, bool) { return m.Find(strconv.Itoa(n)) }
