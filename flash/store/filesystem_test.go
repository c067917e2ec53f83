package store

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"holdfast/flash"
)

// disk is a file system of its own on a loop device.
type disk struct {
	t           *testing.T
	kind        string
	image, loop string
	dir         string
}

func tool(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	return path
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// newDisk makes and mounts a file system of size, as truncate(1) takes it.
func newDisk(t *testing.T, kind, size string) *disk {
	t.Helper()
	d := &disk{t: t, kind: kind, image: filepath.Join(t.TempDir(), "disk.img"), dir: t.TempDir()}
	run(t, "truncate", "-s", size, d.image)
	run(t, tool(t, "mke2fs", "e2fsprogs"), "-q", "-t", kind, "-I", "128", "-m", "0", d.image)
	d.loop = strings.TrimSpace(run(t, tool(t, "losetup", "mount"), "-f", "--show", d.image))
	t.Cleanup(func() { _ = exec.Command("losetup", "-d", d.loop).Run() })
	d.mount()
	t.Cleanup(func() { _ = exec.Command("umount", d.dir).Run() })
	return d
}

func (d *disk) mount() {
	d.t.Helper()
	run(d.t, "mount", "-t", d.kind, d.loop, d.dir)
}

// checked unmounts the disk, has e2fsck and debugfs look at it, and mounts it again.
func (d *disk) checked(want ...string) {
	d.t.Helper()
	run(d.t, "umount", d.dir)
	run(d.t, tool(d.t, "e2fsck", "e2fsprogs"), "-fn", d.loop)
	var names []string
	list := run(d.t, tool(d.t, "debugfs", "e2fsprogs"), "-R", "ls -l system", d.loop)
	for _, m := range regexp.MustCompile(`(?m)^ *\d+ .* ([^. ]\S*) *$`).FindAllStringSubmatch(list, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		d.t.Errorf("debugfs finds %q, want %q\n%s", names, want, list)
	}
	d.mount()
}

// extents is what debugfs says of a file's blocks.
func (d *disk) extents(name string) string {
	return run(d.t, "debugfs", "-R", "ex "+name, d.loop)
}

var kinds = []string{"ext2", "ext3", "ext4"}

// TestFileSystems takes a flash through its life on each file system.
func TestFileSystems(t *testing.T) {
	for _, kind := range kinds {
		for _, rename := range []bool{false, true} {
			t.Run(kind+map[bool]string{true: " renaming"}[rename], func(t *testing.T) {
				d := newDisk(t, kind, "16M")
				newFlash(t, d.dir, map[string]string{"active": "v2", "backup": "v1", "factory": "v0"})
				o := Options{Type: kind, Rename: rename}
				with := func(f func(*Tree) error, want ...string) {
					t.Helper()
					tree, err := Open(d.dir, o)
					if err != nil {
						t.Fatal(err)
					}
					if err := errors.Join(f(tree), tree.Close()); err != nil {
						t.Fatal(err)
					}
					d.checked(want...)
				}
				arrange := func(tree *Tree, op flash.Op, before, after flash.Pair) error {
					if err := tree.Arrange(flash.Pending{Op: op, Before: before, After: after}); err != nil {
						return err
					}
					return errors.Join(tree.Write(func(r *flash.Record) { r.Pending = nil }), tree.Clear())
				}
				with(func(tree *Tree) error {
					stage(t, tree, build("v3", 3000))
					return nil
				}, "active", "backup", "factory", "incoming")
				with(func(tree *Tree) error {
					_, err := tree.Recover(t.Context())
					return err
				}, "active", "backup", "factory")
				with(func(tree *Tree) error {
					stage(t, tree, build("v3", 3000))
					return arrange(tree, flash.Installing, pair("v2", "v1"), pair("v3", "v2"))
				}, "active", "backup", "factory")
				with(func(tree *Tree) error {
					return arrange(tree, flash.Rotating, pair("v3", "v2"), pair("v2", "v3"))
				}, "active", "backup", "factory")
				with(func(tree *Tree) error {
					return stage(t, tree, build("v4", 3000)).Keep("v4")
				}, "active", "backup", "factory", "v4")
				with(func(tree *Tree) error {
					return errors.Join(tree.Take("v4"), arrange(tree, flash.Rotating, pair("v2", "v3"), pair("v4", "v2")))
				}, "active", "backup", "factory")
				with(func(tree *Tree) error {
					return errors.Join(tree.Remove("backup"), tree.Clear())
				}, "active", "factory")
				if got := holds(t, d.dir); got != "active=v4 factory=v0" {
					t.Errorf("holds %q", got)
				}
				if r, err := open(t, d.dir, o).Record(); err != nil || r.Seq != 6 || r.Pending != nil {
					t.Errorf("record %+v, %v", r, err)
				}
			})
		}
	}
}

// TestNoSpace fills a file system: the error is about the file, and Discard leaves what was there.
func TestNoSpace(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			d := newDisk(t, kind, "8M")
			newFlash(t, d.dir, map[string]string{"active": "v2"})
			tree := open(t, d.dir, Options{Type: kind})
			in, err := tree.Stage()
			if err != nil {
				t.Fatal(err)
			}
			put(t, in, "kernel.ver", "v3\n")
			w, err := in.Create("kernel.img", 32<<20)
			if err != nil {
				t.Fatal(err)
			}
			for block := make([]byte, 256<<10); err == nil; {
				_, err = w.Write(block)
			}
			again := w.Close()
			for _, err := range []error{err, again, in.Seal(t.Context(), nil)} {
				if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "system/incoming/kernel.img") {
					t.Errorf("error %v, want no space for kernel.img", err)
				}
			}
			if err := in.Discard(); err != nil {
				t.Error(err)
			}
			tree.Close()
			d.checked("active")
		})
	}
}

// TestPlainExtents looks at what GRUB will read: blocks that are written, with no hole between them.
func TestPlainExtents(t *testing.T) {
	d := newDisk(t, "ext4", "64M")
	newFlash(t, d.dir, nil)
	tree := open(t, d.dir, Options{Type: "ext4"})
	stage(t, tree, build("v3", 5<<20))
	if err := tree.Write(func(*flash.Record) {}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"system/incoming/kernel.img", "cfg/slots0", "cfg/slots1"} {
		if got := d.extents(name); strings.Contains(got, "Uninit") || !strings.Contains(got, " - ") {
			t.Errorf("%s has extents\n%s", name, got)
		}
	}
	info, err := os.Stat(filepath.Join(d.dir, "system/incoming/kernel.img"))
	if err != nil || info.Mode() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
