package grub

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"holdfast/flash"
)

// setKernel takes the arguments of the command that loads the kernel. Without a device in front of its
// path, it is on the partition root, as GRUB names it: "(hd0,1)", "hd0,msdos2"; "" when not known. first
// is the number of a disk's first partition: 0 in GRUB Legacy, 1 in GRUB 2.
func (e *Entry) setKernel(words []string, root string, first int) {
	if len(words) == 0 {
		return
	}
	e.Words = words[1:]
	root, e.Kernel = deviceAndPath(words[0], root)
	e.Initrds, e.device, e.moved = nil, strings.Trim(root, "()"), false
	e.Slot, e.Partition = slotOf(e.Kernel, e.Words), partitionOf(root, first)
}

// deviceAndPath takes "(hd0,1)/path" apart. A path without a device is on root.
func deviceAndPath(file, root string) (device, path string) {
	if !strings.HasPrefix(file, "(") {
		return root, file
	}
	device, path, _ = strings.Cut(file, ")")
	return device, path
}

// addInitrd takes a file that is loaded after the kernel. One that may be on another file system than
// the kernel, or has no plain path, is left out: nothing is known of it.
func (e *Entry) addInitrd(file, root string) {
	if strings.HasPrefix(file, "newc:") { // GRUB 2: newc:NAME:FILE
		parts := strings.SplitN(file, ":", 3)
		file = parts[len(parts)-1]
	}
	device, name := deviceAndPath(file, root)
	if e.Kernel == "" || e.moved || strings.Trim(device, "()") != e.device || !strings.HasPrefix(name, "/") || strings.Contains(name, "$") {
		return
	}
	e.Initrds = append(e.Initrds, name)
}

// partitionName is a partition of a disk; GRUB 2 may say of which kind of table.
var partitionName = regexp.MustCompile(`^\(?[^(),]+,(?:msdos|gpt)?([0-9]{1,3})\)?$`)

// partitionOf is the number of a partition, counted from 1, by GRUB's name of it; 0 of anything else.
func partitionOf(device string, first int) int {
	m := partitionName.FindStringSubmatch(device)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n + 1 - first
}

// OnPartition is the menu for the flash on one partition, counted from 1, of the disk that GRUB is on:
// the images of another flash are none of its slots, although they have the same paths. What is not
// known to be elsewhere stays.
func (m Menu) OnPartition(n int) Menu {
	m.Entries = slices.Clone(m.Entries)
	for i := range m.Entries {
		e := &m.Entries[i]
		if e.Partition != 0 && e.Partition != n && slices.Contains(flash.Slots[:], e.Slot) {
			e.Slot, e.Elsewhere = "", e.Slot
		}
	}
	return m
}

// slotOf tells the slot by the folder the kernel is read from, wherever the flash is on its file
// system, else by img=, which tells the booted system the same.
func slotOf(kernel string, words []string) string {
	dir := strings.Split(path.Dir(path.Clean(kernel)), "/")
	slices.Reverse(dir)
	if len(dir) > 1 && (dir[1] == "system" || dir[1] == "sys") {
		return slotName(dir[0])
	}
	if dir[0] == "firmware" {
		return "maintenance"
	}
	for _, word := range words {
		if img, ok := strings.CutPrefix(word, "img="); ok {
			return slotName(img)
		}
	}
	return ""
}

// InSlot is the name that the entry's kernel, or an initrd beside it, has in the folder of its slot; ""
// where it is read from elsewhere, as when img= alone tells the slot.
func (e Entry) InSlot(file string) string {
	dir, name := path.Split(path.Clean(file))
	if e.Slot == "" || slotOf(file, nil) != e.Slot || path.Clean(dir) != path.Dir(path.Clean(e.Kernel)) {
		return ""
	}
	return name
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
