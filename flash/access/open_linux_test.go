package access

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"holdfast/flash/volume"
)

// TestMain is the guard, or a process that dies, when told so.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "guard":
			if Guard() != nil {
				os.Exit(1)
			}
			os.Exit(0)
		case "child":
			child(os.Args[2], os.Args[3])
		case "mayfreeze":
			fmt.Println((&Access{Dir: os.Args[2]}).MayFreeze())
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

const still = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// TestOpen opens every kind of volume, writes, and wants everything as it was.
func TestOpen(t *testing.T) {
	const quiet = "nosuid,nodev,noexec,relatime"
	for _, tt := range []struct {
		name   string
		mkfs   []string
		soil   bool
		how    string // "device", "image", or a mounted one: "ro", "rw", with data behind a blank
		within string // the mount's options for the time of the access
		after  string // all options then; "" when it is not mounted
	}{
		{"mounted", []string{"-t", "ext4"}, false, "rw", "rw," + quiet, "rw," + quiet + " rw"},
		{"read-only ext2", []string{"-t", "ext2"}, false, "ro", "rw," + quiet, "ro," + quiet + " ro"},
		{"read-only ext3", []string{"-t", "ext3"}, false, "ro", "rw," + quiet, "ro," + quiet + " ro"},
		{"read-only ext4", []string{"-t", "ext4"}, false, "ro", "rw," + quiet, "ro," + quiet + " ro"},
		{"without its journal ext3", []string{"-t", "ext3"}, true, "ro noload", "rw," + quiet, "ro," + quiet + " ro,norecovery"},
		{"without its journal ext4", []string{"-t", "ext4"}, true, "ro noload,errors=panic", "rw," + quiet, "ro," + quiet + " ro,norecovery,errors=panic"},
		{"without its clean journal", []string{"-t", "ext4"}, false, "ro noload", "rw," + quiet, "ro," + quiet + " ro,norecovery"},
		{"without a journal", []string{"-t", "ext2"}, false, "ro noload", "rw," + quiet, "ro," + quiet + " ro,norecovery"},
		{"device ext2", []string{"-t", "ext2"}, false, "device", "rw,nosuid,nodev,noexec,noatime", ""},
		{"device ext3", []string{"-t", "ext3"}, true, "device", "rw,nosuid,nodev,noexec,noatime", ""},
		{"device ext4", []string{"-t", "ext4"}, true, "device", "rw,nosuid,nodev,noexec,noatime", ""},
		{"image ext4", []string{"-t", "ext4"}, true, "image", "rw,nosuid,nodev,noexec,noatime", ""},
	} {
		for _, guard := range [][]string{nil, program(t, "guard")} {
			name := tt.name
			if guard != nil {
				name += ", guarded"
			}
			t.Run(name, func(t *testing.T) {
				image := makeImage(t, tt.mkfs...)
				if tt.soil {
					soil(t, image)
				}
				target := image
				how, data, _ := strings.Cut(tt.how, " ")
				if how != "image" {
					target = attachTo(t, image)
				}
				if how == "ro" || how == "rw" {
					flags := uintptr(still)
					if how == "ro" {
						flags |= unix.MS_RDONLY
					}
					target = mountAt(t, target, "ext4", flags, data)
				}
				v := openVolume(t, target)
				a, err := Open(v, guard)
				if err != nil {
					t.Fatal(err)
				}
				defer a.Close()
				if got, _, _ := strings.Cut(mountLine(t, a.Dir), " "); got != tt.within {
					t.Errorf("mounted %q, want %q", got, tt.within)
				}
				if a.Type != tt.mkfs[1] || a.Volume.Dir != a.Dir || a.Volume.ReadOnly || a.Volume.Name != v.Name {
					t.Errorf("Open = %+v, volume %+v", a, a.Volume)
				}
				if line := mountLine(t, a.Dir); a.Type != "ext2" && strings.Contains(line, "norecovery") {
					t.Errorf("mounted %q, without its journal", line)
				}
				write(t, a.Dir, "cfg/new", "new")
				if b, err := fs.ReadFile(a.Volume.FS(), "cfg/new"); err != nil || string(b) != "new" {
					t.Errorf("reads %q, %v", b, err)
				}
				if why, ok := a.MayFreeze(); !ok {
					t.Errorf("MayFreeze = %q", why)
				} else if err := a.Freeze(); err != nil && a.Type != "vfat" {
					t.Error(err)
				}
				dir := a.Dir
				if err := a.Close(); err != nil {
					t.Fatal(err)
				}
				if got := mountLine(t, dir); got != tt.after {
					t.Errorf("mounted %q afterwards, want %q", got, tt.after)
				}
				if _, err := os.Stat(dir); tt.after == "" && err == nil {
					t.Errorf("%s is left", dir)
				}
				if by := loops(t, image); how == "image" && by != "" {
					t.Errorf("stays attached: %s", by)
				}
				if how == "rw" {
					unmountAll(t, dir)
				}
				if got := run(t, "e2fsprogs", "debugfs", "-R", "cat cfg/new", image); !strings.HasSuffix(got, "new") {
					t.Errorf("the image holds %q", got)
				}
				run(t, "e2fsprogs", "e2fsck", "-fn", image)
				if err := a.Close(); err != nil {
					t.Errorf("Close again = %v", err)
				}
			})
		}
	}
}

// TestRefuses is about what stays as it is.
func TestRefuses(t *testing.T) {
	device := attachTo(t, makeImage(t, "-t", "ext4"))
	rw := mountAt(t, device, "ext4", 0, "")
	view := t.TempDir()
	if err := unix.Mount(rw, view, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmountAll(t, view) })
	if err := unix.Mount("", view, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	twice := attachTo(t, makeImage(t, "-t", "ext4"))
	one := mountAt(t, twice, "ext4", unix.MS_RDONLY, "noload")
	two := mountAt(t, twice, "ext4", unix.MS_RDONLY, "noload")
	locked := attachTo(t, makeImage(t, "-t", "ext4"))
	if err := setReadOnly(locked, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the next image in this loop device would be so too
		if err := setReadOnly(locked, false); err != nil {
			t.Error(err)
		}
	})
	under := mountAt(t, locked, "ext4", unix.MS_RDONLY, "")
	image := makeImage(t, "-t", "ext4")
	busy := attachTo(t, image)
	held := attachTo(t, makeImage(t, "-t", "ext4"))
	part := t.TempDir()
	whole := mountAt(t, held, "ext4", unix.MS_RDONLY, "noload")
	if err := unix.Mount(filepath.Join(whole, "cfg"), part, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmountAll(t, part) })
	unmountAll(t, whole)
	for _, tt := range []struct {
		name, target string
		err          error
		says         string
	}{
		{"a read-only view", view, syscall.EROFS, "a read-only view of a file system that is mounted for writing on " + rw},
		{"a directory of a read-only mount", filepath.Join(one, "cfg"), syscall.EROFS, "a part of a file system that is mounted read-only"},
		{"mounted twice", two, syscall.EBUSY, "mounted without its journal, and on " + one + " too"},
		{"write-protected", under, syscall.EROFS, "the device is write-protected"},
		{"attached to a loop device", image, syscall.EBUSY, image + " is attached to " + busy},
		{"mounted in part", held, syscall.EBUSY, "a part of it is mounted on " + part},
	} {
		v := openVolume(t, tt.target)
		before := mountLine(t, tt.target)
		a, err := Open(v, nil)
		if a != nil || !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.says) || !strings.HasPrefix(err.Error(), tt.target+": ") {
			t.Errorf("%s: Open = %v, want %q", tt.name, err, tt.says)
		}
		if after := mountLine(t, tt.target); after != before {
			t.Errorf("%s: mounted %q, want %q", tt.name, after, before)
		}
	}
}

// TestRoot: what / is stays as it is.
func TestRoot(t *testing.T) {
	for _, dir := range []string{"/", t.TempDir()} {
		v := openVolume(t, dir)
		err := mayRemount(v, &volume.Mount{Options: []string{"ro"}, ReadOnly: true, Whole: true})
		if !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: mayRemount = %v, want EROFS", dir, err)
		}
	}
}

// TestBusy has a file open below a mount that must go, and then not.
func TestBusy(t *testing.T) {
	image := makeImage(t, "-t", "ext4")
	soil(t, image)
	dir := mountAt(t, attachTo(t, image), "ext4", unix.MS_RDONLY, "noload")
	f, err := os.Open(filepath.Join(dir, "cfg/system.arg"))
	if err != nil {
		t.Fatal(err)
	}
	v := openVolume(t, dir)
	_, err = Open(v, nil)
	if !errors.Is(err, syscall.EBUSY) || !strings.Contains(err.Error(), "in use by access.test ") {
		t.Errorf("Open = %v, want that it is in use", err)
	}
	if got := mountLine(t, dir); !strings.HasSuffix(got, " ro,norecovery") {
		t.Errorf("mounted %q", got)
	}
	f.Close()
	a, err := Open(v, nil)
	if err != nil {
		t.Fatal(err)
	}
	if f, err = os.Create(filepath.Join(dir, "cfg/new")); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); !errors.Is(err, syscall.EBUSY) || !errors.Is(err, ErrStays) {
		t.Errorf("Close = %v, want that it stays", err)
	}
	f.Close()
}

// TestOrphans: the kernel does not make writable what has deleted files to free.
func TestOrphans(t *testing.T) {
	image := makeImage(t, "-t", "ext4", "-O", "^orphan_file")
	device := attachTo(t, image)
	run(t, "e2fsprogs", "debugfs", "-w", "-R", "ssv last_orphan 14", image)
	dir := t.TempDir()
	if err := Still(device, dir, "ext4", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unmountAll(t, dir)
	a, err := Open(openVolume(t, dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

// TestLeftProtected: who mounted it without a write died before it could lift the protection.
func TestLeftProtected(t *testing.T) {
	image := makeImage(t, "-t", "ext4")
	soil(t, image)
	device := attachTo(t, image)
	dir := mountAt(t, device, "ext4", unix.MS_RDONLY, "noload")
	if err := setReadOnly(device, true); err != nil {
		t.Fatal(err)
	}
	a, err := Open(openVolume(t, dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "cfg/new", "new")
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if ro, err := isReadOnly(device); ro || err != nil {
		t.Errorf("write-protected %v, %v", ro, err)
	}
}

// TestStill mounts by every driver and option what was left clean or not: no byte changes, and the device
// can be written afterwards.
func TestStill(t *testing.T) {
	for _, fstype := range []string{"ext2", "ext3", "ext4"} {
		for _, clean := range []bool{true, false} {
			image := makeImage(t, "-t", fstype)
			data := ""
			if !clean && fstype != "ext2" {
				soil(t, image)
				data = "noload"
			}
			before := sum(t, image)
			device := attachTo(t, image)
			dir := t.TempDir()
			if err := Still(device, dir, "ext4", still, data); err != nil {
				t.Fatal(err)
			}
			if _, err := fs.ReadFile(volume.Directory(dir), "cfg/system.arg"); err != nil {
				t.Error(err)
			}
			unmountAll(t, dir)
			if ro, err := isReadOnly(device); ro || err != nil {
				t.Errorf("write-protected %v, %v afterwards", ro, err)
			}
			if sum(t, image) != before {
				t.Errorf("%s, clean %v: the image has changed", fstype, clean)
			}
		}
	}
}

func sum(t *testing.T, name string) [sha256.Size]byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(b)
}

// TestWindow writes all over a partition: what is beside it stays.
func TestWindow(t *testing.T) {
	for _, start := range []int64{mib, mib + 512} {
		data := bytes.Repeat([]byte{0xa5}, 4*mib)
		image := filepath.Join(t.TempDir(), "disk.img")
		if err := os.WriteFile(image, data, 0o600); err != nil {
			t.Fatal(err)
		}
		const size = 2*mib - 1024
		loop, err := attach(image, start, size)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := loop.WriteAt(bytes.Repeat([]byte("W"), size), 0); n != size || err != nil {
			t.Errorf("wrote %d bytes, %v, want %d", n, err, size)
		}
		if _, err := loop.WriteAt([]byte("W"), size); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("wrote behind the end: %v", err)
		}
		if err := loop.Sync(); err != nil {
			t.Error(err)
		}
		loop.Close()
		if err := (step{Kind: detach, Device: loop.Name()}).undo(patience); err != nil {
			t.Error(err)
		}
		copy(data[start:], bytes.Repeat([]byte("W"), size))
		if got, err := os.ReadFile(image); err != nil || !bytes.Equal(got, data) {
			t.Errorf("from %d on: the image differs, %v", start, err)
		}
	}
}
