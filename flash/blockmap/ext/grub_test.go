package ext

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGRUB compares with the blocks that both GRUBs find, who read the disk as we do.
func TestGRUB(t *testing.T) {
	dir := writeTree(t, map[string]string{
		"boot/grub/default": "0\n#\n#\n", // one sector of which GRUB reads a part
		"boot/grub/grubenv": strings.Repeat("#", 1024),
		"boot/grub/stage2":  strings.Repeat("stage2\n\x00", 64*50), // indirect blocks with 1 KiB
		"link":              "-> /boot/grub",
	})
	for _, args := range []string{
		"-t ext2 -b 1024 -I 128", "-t ext2 -b 2048 -I 128", "-t ext2 -b 4096 -I 128", "-t ext3 -b 1024 -I 128 -J size=1",
		"-t ext2 -b 1024 -I 256", "-t ext4 -b 1024", "-t ext4 -b 4096 -O ^64bit",
	} {
		t.Run(args, func(t *testing.T) {
			image := makeImage(t, dir, "8M", strings.Fields(args)...)
			f, _ := openImage(t, image)
			for _, name := range []string{"boot/grub/default", "boot/grub/stage2"} {
				if strings.HasPrefix(args, "-t ext4") || strings.Contains(args, "256") {
					break // not for GRUB 0.97 as it was published
				}
				if got, want := blocklist(t, f, name), legacyBlocklist(t, image, name); got != want {
					t.Errorf("Map(%s) = %s, want GRUB's %s", name, got, want)
				}
			}
			for _, name := range []string{"boot/grub/grubenv", "boot/grub/stage2", "link/grubenv"} {
				want := strings.TrimSpace(tool(t, "", "grub-fstest", image, "blocklist", "/"+name))
				if got := blocklist(t, f, name); got != want {
					t.Errorf("Map(%s) = %s, want GRUB 2's %s", name, got, want)
				}
			}
		})
	}
}

// blocklist is our map as GRUB writes it: "618+24,644+74".
func blocklist(t *testing.T, f *FS, name string) string {
	t.Helper()
	m, err := f.Map(name)
	if err != nil {
		t.Fatal(err)
	}
	places, err := m.Places()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, p := range places {
		list = append(list, p.String())
	}
	return strings.Join(list, ",")
}

// legacyBlocklist asks the shell of GRUB 0.97. To it, the image is a floppy disk: those have no
// partition table.
func legacyBlocklist(t *testing.T, image, name string) string {
	t.Helper()
	devices := filepath.Join(t.TempDir(), "device.map")
	if err := os.WriteFile(devices, fmt.Appendf(nil, "(fd0) %s\n", image), 0o644); err != nil {
		t.Fatal(err)
	}
	out := tool(t, "root (fd0)\nblocklist /"+name+"\nquit\n", "grub", "--batch", "--no-config-file", "--device-map="+devices)
	_, out, _ = strings.Cut(out, "blocklist /"+name+"\n")
	line, _, _ := strings.Cut(out, "\n")
	list, ok := strings.CutPrefix(line, "(fd0)")
	if !ok {
		t.Fatalf("grub says %s", out)
	}
	return list
}
