package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/ops/bench/vm"
)

// product is what a bench engineer has made before a disk is: the program, a test kernel, the
// console's initramfs and packed images. Tests drive the built program only, as a user would.
type product struct {
	dir     string
	binary  string
	kernel  string // bzImage
	modules string // directory with its lib/modules
	console string // the console's initramfs
}

// made is the product of this test run; TestMain makes it once.
var made product

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == guardWords()[1] { // the tests run commands in their own process
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	dir, err := os.MkdirTemp("", "holdfast")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	made, err = makeProduct(dir)
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, "make what the tests drive:", err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

func makeProduct(dir string) (product, error) {
	p := product{dir: dir, binary: filepath.Join(dir, "holdfast"), console: filepath.Join(dir, "console.cpio.zst")}
	cache, err := filepath.Abs("../../.cache/kernel")
	if err != nil {
		return p, err
	}
	kernels, _ := filepath.Glob(filepath.Join(cache, "boot", "vmlinuz-*"))
	if len(kernels) != 1 {
		return p, fmt.Errorf("no test kernel in .cache/kernel: run .ci/kernel, or make test")
	}
	p.kernel, p.modules = kernels[0], cache
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=test", "-o", p.binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return p, fmt.Errorf("go build: %v\n%s", err, out)
	}
	_, err = p.run("initramfs", "create", "-o", p.console, "--kernel-modules", p.modules,
		"--module", "virtio_blk,ata_piix,vfat", "--busybox", busybox, "--compress", "zstd")
	return p, err
}

const busybox = "/bin/busybox"

// run runs the program and gives what it printed.
func (p product) run(args ...string) (string, error) {
	out, err := exec.Command(p.binary, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("holdfast %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}

func holdfast(t testing.TB, args ...string) string {
	t.Helper()
	out, err := made.run(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tool runs a program of another hand.
func tool(t testing.TB, pkg, dir, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// markerInit is the /init of every test image: the proof that the image itself runs. What it prints
// on /dev/console tells which console that is; the serial line gets the command line in any case.
const markerInit = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
echo "THIS IS IMAGE NAME"
echo "CMDLINE<$(/bin/busybox cat /proc/cmdline)>" > /dev/ttyS0
exec /bin/busybox sleep 1000000
`

// packImage packs the test kernel and a marker initrd, and gives the archive's name.
func packImage(t testing.TB, name, version, args string) string {
	t.Helper()
	root := t.TempDir()
	for _, d := range []string{"bin", "proc", "dev"} {
		if err := os.Mkdir(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script := strings.ReplaceAll(markerInit, "NAME", name)
	if err := os.WriteFile(filepath.Join(root, "init"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	tool(t, "busybox-static", "", "cp", busybox, filepath.Join(root, "bin", "busybox"))
	initrd := filepath.Join(t.TempDir(), "initrd.img")
	tool(t, "cpio", root, "sh", "-c", "find . | cpio -o -H newc --quiet > "+initrd)
	archive := filepath.Join(t.TempDir(), name+".tgz")
	holdfast(t, "image", "pack", "--kernel", made.kernel, "--initrd", initrd, "--version", version, "--args", args, "-o", archive)
	return archive
}

// systemWord is in cfg/system.arg of every test disk, and nowhere else.
const systemWord = "here=bench7"

// makeDisk makes a bootable disk with three images that GRUB starts the console from, at once. It is a copy of one
// that is made for the first test that wants such a disk.
func makeDisk(t testing.TB, loader, consoleArgs string) string {
	t.Helper()
	first, _ := disks.LoadOrStore(loader+" "+consoleArgs, sync.OnceValue(func() string {
		disk := filepath.Join(made.dir, fmt.Sprintf("disk%d.img", time.Now().UnixNano()))
		holdfast(t, "disk", "create", "-o", disk, "--loader", loader, "--kernel", made.kernel, "--console", made.console,
			"--image", "active="+packImage(t, "active", "1.3.124", "marker=active console=tty9"),
			"--image", "backup="+packImage(t, "backup", "1.3.123", "marker=backup"),
			"--image", "factory="+packImage(t, "factory", "1.0.0", ""),
			"--default", "maintenance", "--console-args", consoleArgs, "--system-args", systemWord, "--menu-timeout", "0")
		return disk
	}))
	disk := filepath.Join(t.TempDir(), "disk.img")
	tool(t, "coreutils", "", "cp", "--sparse=always", first.(func() string)(), disk)
	return disk
}

// disks are those that makeDisk has made, each as a func() string, by what they are made with.
var disks sync.Map

// bootDisk starts a machine with one serial line and VGA from an IDE disk. The time that it has is for
// a processor that others use as well: the tests in machines run side by side.
func bootDisk(t testing.TB, disk string) (context.Context, *vm.Machine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	m, err := vm.Start(ctx, vm.Config{Disks: []vm.Disk{{Path: disk}}, Serials: 1, VGA: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return ctx, m
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
