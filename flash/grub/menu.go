package grub

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Menu is what a menu of GRUB offers. Commands that are not understood are passed over.
type Menu struct {
	Path     string // of its file: "boot/grub/menu.lst"
	Entries  []Entry
	Saved    bool     // the saved default decides what is booted
	Default  string   // what is booted otherwise, or when nothing is saved
	Fallback []string // the entries GRUB tries when it cannot load one, in this order
	Unknown  []string // lines that are not understood, as they stand
}

// Entry is one entry of a menu.
type Entry struct {
	Number int
	Key    string // as a saved default names it by numbers: "2", in a submenu "1>0"
	Title  string
	ID     string   // GRUB 2's --id, "" when there is none
	Slot   string   // active, backup, factory, maintenance, or "" when the entry names none of them
	Saves  string   // what it saves as the default when it is booted; "" when it leaves that alone
	Kernel string   // path of the kernel on its file system, without GRUB's device; "" when there is none
	Words  []string // the kernel's command line as GRUB passes it
}

// ReadMenu finds and reads the menu below fsys, which is the boot partition or the flash. The error
// wraps fs.ErrNotExist when there is none.
func ReadMenu(fsys fs.FS) (Menu, error) {
	name, text, err := readFirst(fsys, "grub.cfg", "menu.lst", "grub.conf")
	if err != nil {
		return Menu{}, fmt.Errorf("read the boot menu: %w", err)
	}
	menu := Menu{Path: name}
	if path.Base(name) == "grub.cfg" {
		menu.Entries, err = parseConfig(string(text))
	} else {
		menu.Entries = parseMenuList(string(text))
	}
	if err != nil {
		return Menu{}, fmt.Errorf("read %s: %w", name, err)
	}
	return menu, nil
}

// Find gives the entry that a saved default names: by its number, its title or its id.
func (m Menu) Find(name string) (Entry, bool) {
	for _, e := range m.Entries {
		if name == strconv.Itoa(e.Number) || name != "" && (name == e.Title || name == e.ID) {
			return e, true
		}
	}
	return Entry{}, false
}

// parseMenuList reads GRUB Legacy's menu: a command and its arguments a line, entries begin with
// title. A command and its arguments may also be separated by =.
func parseMenuList(text string) []Entry {
	var entries []Entry
	for line := range strings.Lines(text) {
		command, args := splitCommand(strings.TrimSpace(line))
		if command == "title" {
			entries = append(entries, Entry{Number: len(entries), Title: args})
			continue
		}
		if command != "kernel" || len(entries) == 0 {
			continue
		}
		words := splitWords(args)
		for len(words) > 0 && (strings.HasPrefix(words[0], "--type=") || words[0] == "--no-mem-option") {
			words = words[1:]
		}
		entries[len(entries)-1].setKernel(words)
	}
	return entries
}

func splitCommand(line string) (command, args string) {
	i := strings.IndexAny(line, " \t=")
	if i < 0 {
		return line, ""
	}
	return line[:i], strings.TrimLeft(line[i:], " \t=")
}

// parseConfig reads the part of GRUB 2's script that holds entries: menuentry blocks at the top
// level whose kernel is loaded by linux. A submenu counts as an entry; what is in it has numbers of
// its own and is left out. A script whose entries depend on conditions is not understood.
func parseConfig(text string) ([]Entry, error) {
	var entries []Entry
	depth := 0      // of braces
	conditions := 0 // if, for and while that are open
	inside := false
	for line := range strings.Lines(text) {
		words, err := shellWords(strings.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		if len(words) == 0 {
			continue
		}
		conditions += conditionStep(words)
		opens := words[len(words)-1] == "{"
		switch {
		case words[0] == "}":
			depth--
			inside = inside && depth > 0
		case (words[0] == "menuentry" || words[0] == "submenu") && depth == 0 && opens:
			if conditions != 0 {
				return nil, errors.New("whether an entry is there depends on a condition")
			}
			entries = append(entries, newEntry(len(entries), words))
			inside = words[0] == "menuentry"
		case inside && (words[0] == "linux" || words[0] == "linux16"):
			entries[len(entries)-1].setKernel(words[1:])
		}
		if opens {
			depth++
		}
		if depth < 0 {
			return nil, errors.New("a block ends that did not begin")
		}
	}
	if depth != 0 {
		return nil, errors.New("a block does not end")
	}
	return entries, nil
}

// conditionStep is 1 where a line begins a condition or a loop, -1 where it ends one.
func conditionStep(words []string) int {
	step := 0
	switch words[0] {
	case "if", "for", "while", "until":
		step++
	}
	switch words[len(words)-1] {
	case "fi", "done":
		step--
	}
	return step
}

func newEntry(number int, words []string) Entry {
	e := Entry{Number: number, Title: words[1]}
	for i, word := range words {
		if id, ok := strings.CutPrefix(word, "--id="); ok {
			e.ID = id
		}
		if word == "--id" || word == "$menuentry_id_option" {
			e.ID = words[i+1] // the last word is the brace
		}
	}
	return e
}

// setKernel takes the arguments of the command that loads the kernel.
func (e *Entry) setKernel(words []string) {
	if len(words) == 0 {
		return
	}
	e.Kernel, e.Words = words[0], words[1:]
	if strings.HasPrefix(e.Kernel, "(") {
		_, e.Kernel, _ = strings.Cut(e.Kernel, ")")
	}
	e.Slot = slotOf(e.Kernel, e.Words)
}

// slotOf tells the slot by the folder the kernel is read from, else by img=, which tells the booted
// system the same.
func slotOf(kernel string, words []string) string {
	dir := strings.Split(strings.TrimPrefix(path.Clean(kernel), "/"), "/")
	if len(dir) == 3 && (dir[0] == "system" || dir[0] == "sys") {
		return slotName(dir[1])
	}
	if len(dir) == 2 && dir[0] == "firmware" {
		return "maintenance"
	}
	for _, word := range words {
		if img, ok := strings.CutPrefix(word, "img="); ok {
			return slotName(img)
		}
	}
	return ""
}

func slotName(s string) string {
	switch s {
	case "active", "backup", "factory", "maintenance":
		return s
	case "maint": // Formilux
		return "maintenance"
	}
	return ""
}
