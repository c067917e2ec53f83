package mkdisk

import "strings"

func compose(args, consoles, local, flash, slot, entry string) []string {
	var words []string
	for _, w := range strings.Fields(args) {
		if !strings.HasPrefix(w, "console=") {
			words = append(words, w)
		}
	}
	for _, w := range strings.Fields(consoles) {
		if strings.HasPrefix(w, "console=") {
			words = append(words, w)
		}
	}
	words = append(words, strings.Fields(local)...)
	return append(words, "panic=1", "flash=UUID="+flash, "img="+slot, "GRUB_ENTRY="+entry)
}
