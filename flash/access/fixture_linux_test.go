package access

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/flash/volume"
)

// run runs a program of a package, also one that is not in an ordinary user's path.
func run(t testing.TB, pkg, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

const mib = 1 << 20

// makeImage makes a file system in an image file, with the layout of a flash.
func makeImage(t testing.TB, args ...string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("run these tests as root: they mount")
	}
	tree, image := t.TempDir(), filepath.Join(memory(t), "flash.img")
	for _, name := range []string{"cfg/system.arg", "system/active/kernel.ver", "boot/grub/default", "boot/grub/menu.lst"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(tree, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(tree, name), []byte(name+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "e2fsprogs", "mke2fs", append(append([]string{"-q", "-F", "-d", tree}, args...), image, "12M")...)
	return image
}

// memory is a directory in memory where that is, for what is synced again and again.
func memory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "holdfast-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// soil leaves what a power cut does, a journal that waits for its replay and a deleted file that was
// open still: the image is what was on the
// disk while it was mounted.
func soil(t testing.TB, image string) {
	t.Helper()
	device := run(t, "mount", "losetup", "--show", "-f", image)
	defer run(t, "mount", "losetup", "-d", device)
	dir := mountAt(t, device, "ext4", 0, "")
	write(t, dir, "soiled", "soiled")
	deleted, err := os.Create(filepath.Join(dir, "deleted"))
	if err != nil {
		t.Fatal(err)
	}
	defer deleted.Close()
	if err := os.Remove(deleted.Name()); err != nil {
		t.Fatal(err)
	}
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unix.Syncfs(int(d.Fd())), d.Close()); err != nil {
		t.Fatal(err)
	}
	cut, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	deleted.Close()
	unmountAll(t, dir)
	if err := os.WriteFile(image, cut, 0o600); err != nil {
		t.Fatal(err)
	}
}

// attachTo makes a block device of an image file until the test ends.
func attachTo(t testing.TB, image string) string {
	t.Helper()
	device := run(t, "mount", "losetup", "--show", "-f", image)
	t.Cleanup(func() { run(t, "mount", "losetup", "-d", device) })
	return device
}

// mountAt mounts by the system call until the test ends, and gives the directory.
func mountAt(t testing.TB, device, fstype string, flags uintptr, data string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount(device, dir, fstype, flags, data); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmountAll(t, dir) })
	return dir
}

func unmountAll(t testing.TB, dir string) {
	t.Helper()
	if err := unmount(dir, 5*time.Second); err != nil {
		t.Error(err)
	}
}

func openVolume(t testing.TB, name string) *volume.Volume {
	t.Helper()
	v, err := volume.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

// mountLine is how a directory is mounted: options of the mount, then of the file system; "" when
// nothing is mounted there.
func mountLine(t testing.TB, dir string) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	line := ""
	for l := range strings.Lines(string(b)) {
		if f := strings.Fields(l); f[4] == dir {
			line = fmt.Sprint(f[5], " ", f[len(f)-1])
		}
	}
	return line
}

// loops are the loop devices over a file.
func loops(t testing.TB, file string) string {
	t.Helper()
	return run(t, "mount", "losetup", "-j", file)
}

// program is this test as the guard.
func program(t testing.TB, words ...string) []string {
	t.Helper()
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{name}, words...)
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
