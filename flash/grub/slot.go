package grub

import (
	"path"
	"slices"
	"strings"
)

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

// KernelInSlot is the name of the entry's kernel in the folder of its slot, "" where it is read from
// elsewhere and img= alone tells the slot.
func (e Entry) KernelInSlot() string {
	dir, name := path.Split(path.Clean(e.Kernel))
	if e.Slot == "" || path.Base(dir) != e.Slot {
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
