package vfatlab

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

	"holdfast/initramfs"
	"holdfast/initramfs/compress"
	"holdfast/ops/bench/vm"
)

// programs are the machine's /init and the product, built once.
var programs = sync.OnceValues(func() (dir string, err error) {
	for name, pkg := range map[string]string{"init": "./testdata/machine", "holdfast": "holdfast/cmd/holdfast"} {
		build := exec.Command("go", "build", "-ldflags=-s -w", "-o", filepath.Join(scratch, name), pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("go build: %v\n%s", err, out)
		}
	}
	return scratch, nil
})

// scratch lives as long as the test binary.
var scratch string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp(memory(), "vfatlab")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// memory is where the lab works: it writes some hundred megabytes of disks and trees, none of which
// has to last.
func memory() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err == nil && info.IsDir() {
		return shm
	}
	return ""
}

// workDir is a directory there, for one test.
func workDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(scratch, "")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// machine runs a virtual machine to its end and gives the lines that it said. Its disk is the file disk;
// every write to it goes to the file log as well, where that is not "".
func machine(t testing.TB, disk, log, words string, adds ...initramfs.Add) []string {
	t.Helper()
	cache := "../../../.cache/kernel"
	kernels, _ := filepath.Glob(cache + "/boot/vmlinuz-*")
	if len(kernels) != 1 {
		t.Fatal("the test kernel is missing: make kernel")
	}
	// This host does not lose power: it need not sync its own files, only see the flushes.
	drive := "cache=unsafe,driver=raw,file.driver=file,file.filename=" + disk
	if log != "" {
		must(t, os.WriteFile(log, nil, 0o600))
		drive = "cache=writeback,driver=blklogwrites,file.driver=file,file.cache.no-flush=on,file.filename=" + disk +
			",log.driver=file,log.cache.no-flush=on,log.filename=" + log
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	m, err := vm.Start(ctx, vm.Config{
		Kernel: kernels[0], Initrd: initrd(t, cache, adds), Append: "console=ttyS0 quiet panic=-1 " + words, Memory: 256, Serials: 1, NoReboot: true,
		Extra: []string{"-drive", "if=none,id=flash," + drive, "-device", "virtio-blk-pci,drive=flash"},
	})
	must(t, err)
	defer m.Close()
	must(t, m.Wait(ctx))
	must(t, m.Close()) // the line has given its last byte
	text := strings.ReplaceAll(string(m.Serial(0).Bytes()), "\r", "")
	if !strings.Contains(text, "\nEND\n") {
		t.Fatalf("the machine did not come to its end:\n%s", text)
	}
	return strings.Split(text, "\n")
}

func initrd(t testing.TB, kernel string, adds []initramfs.Add) string {
	t.Helper()
	dir, err := programs()
	must(t, err)
	plan, err := initramfs.Request{
		Init: filepath.Join(dir, "init"), KernelModules: kernel, Modules: []string{"virtio_blk", "vfat"}, Compress: compress.None,
		Adds: append(adds, initramfs.Add{Source: filepath.Join(dir, "holdfast"), Dest: "/bin/holdfast"}),
	}.Plan()
	must(t, err)
	f, err := os.Create(filepath.Join(workDir(t), "initrd"))
	must(t, err)
	defer f.Close()
	must(t, plan.Write(f))
	return f.Name()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
