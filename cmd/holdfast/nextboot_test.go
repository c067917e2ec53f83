package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestNextBootAsGRUB has saved defaults that are worth nothing as they stand, or for one boot alone:
// what GRUB then boots is what status said, and so is what is left for the boot after it.
func TestNextBootAsGRUB(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, loader string
		saved        []string // GRUB 2's variables, of GRUB Legacy the number
		edit         string   // a command for debugfs on the partition with the images
		image, next  string
	}{
		{"kernel is not there", "grub-legacy", []string{"0"}, "rm /system/active/kernel.img", "backup", "[backup backup maintenance]"},
		{"kernel is not there", "grub2", []string{"saved_entry=0"}, "rm /system/active/kernel.img", "backup", "[backup backup maintenance]"},
		{"out of range", "grub2", []string{"saved_entry=9"}, "", "active", "[active active backup backup maintenance]"},
		{"once", "grub2", []string{"saved_entry=0", "next_entry=2"}, "", "backup", "[backup backup maintenance]"},
	} {
		t.Run(tt.loader+", "+tt.name, func(t *testing.T) {
			t.Parallel()
			disk, dir := makeDisk(t, tt.loader, bothConsoles), t.TempDir()
			if tt.edit != "" {
				editPartition(t, disk, 2, dir, tt.edit)
			}
			file := "/boot/grub/default"
			now := filepath.Join(dir, "saved")
			must(t, os.WriteFile(now, []byte(tt.saved[0]+"\n#\n#\n#\n#\n#\n"), 0o644))
			if tt.loader == "grub2" {
				file = "/boot/grub/grubenv"
				must(t, os.Remove(now))
				tool(t, "grub-common", dir, "grub-editenv", now, "create")
				tool(t, "grub-common", dir, "grub-editenv", append([]string{now, "set"}, tt.saved...)...)
			}
			editPartition(t, disk, 1, dir, "rm "+file, "write saved "+file)
			before := defaultOf(t, disk)
			if got := fmt.Sprint(before.NextBoot); got != tt.next {
				t.Errorf("next boots %s, want %s", got, tt.next)
			}
			bootsImage(t, disk, tt.image)
			after := defaultOf(t, disk)
			if fmt.Sprint(after.NextBoot) != fmt.Sprint(before.NextBoot[1:]) {
				t.Errorf("after it, next boots %q, want %q", after.NextBoot, before.NextBoot[1:])
			}
		})
	}
}
