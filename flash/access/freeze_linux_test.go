package access

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMayFreeze asks only: nothing is frozen here. A frozen root hangs the machine.
func TestMayFreeze(t *testing.T) {
	device := attachTo(t, makeImage(t, "-t", "ext4"))
	dir := mountAt(t, device, "ext4", 0, "")
	part := t.TempDir()
	if err := unix.Mount(filepath.Join(dir, "cfg"), part, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer unmountAll(t, part)
	root := t.TempDir() // all of the file system of /, by another name
	if err := unix.Mount("/", root, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer unmountAll(t, root)
	over := t.TempDir() // its upper layer is on the file system
	for _, name := range []string{"upper", "work"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	overlay := "lowerdir=/etc,upperdir=" + dir + "/upper,workdir=" + dir + "/work"
	if err := unix.Mount("overlay", over, "overlay", 0, overlay); err != nil {
		t.Fatal(err)
	}
	defer unmountAll(t, over)
	inner := filepath.Join(dir, "inner.img")
	run(t, "e2fsprogs", "mke2fs", "-q", "-F", inner, "1M")
	nested := mountAt(t, attachTo(t, inner), "ext4", 0, "")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, dir, cwd, tmp string
		want                string
	}{
		{"a mount of its own", dir, "", "", ""},
		{"the root", "/", "", "", "the root file system is on it"},
		{"the root, mounted elsewhere", root, "", "", "the root file system is on it"},
		{"a directory of the root", t.TempDir(), "", "", "it is not a mount of its own"},
		{"a part", part, "", "", "it is not a mount of its own"},
		{"a directory", filepath.Join(dir, "cfg"), "", "", "it is not a mount of its own"},
		{"the working directory", dir, dir, "", "its working directory is on it"},
		{"temporary files", dir, "", filepath.Join(dir, "cfg"), "the directory of temporary files is on it"},
		{"an overlay's layer", dir, "", over, "the directory of temporary files is on it"},
		{"an image file", dir, "", nested, "the directory of temporary files is on it"},
		{"the image's own", nested, "", dir, ""},
		{"nothing", filepath.Join(dir, "none"), "", "", "no such file or directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.cwd != "" {
				t.Chdir(tt.cwd)
			}
			if tt.tmp != "" {
				t.Setenv("TMPDIR", tt.tmp)
			}
			why, ok := (&Access{Dir: tt.dir}).MayFreeze()
			if ok != (tt.want == "") || !strings.Contains(why, tt.want) {
				t.Errorf("MayFreeze = %q, %v, want %q", why, ok, tt.want)
			}
		})
	}
	if now, _ := os.Getwd(); now != here {
		t.Errorf("works in %s", now)
	}
}
