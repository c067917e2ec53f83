package grub

import (
	"path"
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
