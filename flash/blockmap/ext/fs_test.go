package ext

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func TestFS(t *testing.T) {
	tree := t.TempDir()
	for name, data := range map[string]string{
		"boot/grub/default": "0\n", "boot/grub/menu.lst": strings.Repeat("title x\n", 4000), "empty": "",
	} {
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"abs": "/boot/grub", "boot/rel": "../boot/grub/default", "long": strings.Repeat("./", 50) + "boot"} {
		if err := os.Symlink(target, filepath.Join(tree, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []string{"ext2", "ext4"} {
		t.Run(kind, func(t *testing.T) {
			image := filepath.Join(t.TempDir(), "image")
			out, err := exec.Command("mke2fs", "-q", "-t", kind, "-d", tree, image, "8M").CombinedOutput()
			if err != nil {
				t.Fatalf("mke2fs: %v\n%s", err, out)
			}
			f, err := os.Open(image)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			x, err := Open(f, 8<<20)
			if err != nil {
				t.Fatal(err)
			}
			if err := fstest.TestFS(x, "boot/grub/default", "boot/grub/menu.lst", "empty", "abs", "boot/rel", "long"); err != nil {
				t.Error(err)
			}
			for _, name := range []string{"boot/grub/default", "boot/rel", "abs/default", "long/grub/default"} {
				m, err := x.Map(name)
				if err != nil {
					t.Fatal(err)
				}
				place, err := m.Plain()
				t.Log(name, place, err)
			}
			free, err := x.Free()
			t.Log(free, err)
		})
	}
}
