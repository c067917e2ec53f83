package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/kexec/kexectest"
)

// BenchmarkStatus measures `holdfast status` of a 4 GiB image with 1500 files beside three images
// against debugfs showing one inode of it, as whole processes that take turns; and the peak of
// resident memory. quick leaves the hashing of the images out.
func BenchmarkStatus(b *testing.B) {
	disk := largeFlash(b)
	commands := map[string][]string{
		"status":  {made.binary, "--flash", disk, "status"},
		"quick":   {made.binary, "--flash", disk, "status", "--quick"},
		"debugfs": {"debugfs", "-R", "stat /system/active/kernel.img", disk},
	}
	times, peak := map[string][]float64{}, map[string]float64{}
	for b.Loop() {
		for range 10 {
			for name, words := range commands {
				cmd := exec.Command(words[0], words[1:]...)
				begin := time.Now()
				if out, err := cmd.CombinedOutput(); err != nil {
					b.Fatalf("%q: %v\n%s", words, err, out)
				}
				times[name] = append(times[name], time.Since(begin).Seconds()*1000)
			}
		}
	}
	for name, list := range times {
		peak[name] = peakMemory(b, commands[name])
		b.ReportMetric(median(list), "ms-"+name)
		b.ReportMetric(peak[name], "MiB-"+name)
	}
	b.ReportMetric(median(times["status"])/median(times["debugfs"]), "x-status")
	b.ReportMetric(median(times["quick"])/median(times["debugfs"]), "x-quick")
	b.ReportMetric(0, "ns/op")
}

// peakMemory is the most resident memory that a program had, in MiB. What wait4 tells begins with the
// memory of the process that started it, which is this test; so the program is stopped as it ends, and
// asked itself.
func peakMemory(b *testing.B, words []string) float64 {
	runtime.LockOSThread() // only the thread that traces may
	defer runtime.UnlockOSThread()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	must(b, cmd.Start())
	pid := cmd.Process.Pid
	var state syscall.WaitStatus
	_, err := syscall.Wait4(pid, &state, 0, nil) // it has the new program
	must(b, err)
	must(b, syscall.PtraceSetOptions(pid, unix.PTRACE_O_TRACEEXIT))
	pass := 0
	for {
		must(b, syscall.PtraceCont(pid, pass))
		_, err = syscall.Wait4(pid, &state, 0, nil)
		must(b, err)
		switch {
		case state.Exited():
			b.Fatalf("%q ended before it was asked", words)
		case state.TrapCause() == unix.PTRACE_EVENT_EXIT:
			text := readFile(b, fmt.Sprintf("/proc/%d/status", pid))
			found := regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(text)
			must(b, syscall.PtraceDetach(pid))
			must(b, cmd.Wait())
			kib, err := strconv.Atoi(string(found[1]))
			must(b, err)
			return float64(kib) / 1024
		}
		pass = int(state.StopSignal())
	}
}

// largeFlash makes the image: 4 GiB of ext2, three small images and 1500 other files.
func largeFlash(b *testing.B) string {
	root := b.TempDir()
	for _, slot := range []string{"active", "backup", "factory"} {
		dir := filepath.Join(root, "system", slot)
		must(b, os.MkdirAll(dir, 0o755))
		must(b, os.WriteFile(filepath.Join(dir, "kernel.img"), kexectest.Kernel("6.1.0-"+slot), 0o644))
		must(b, os.WriteFile(filepath.Join(dir, "kernel.ver"), []byte("1.0\n"), 0o644))
		tool(b, "coreutils", dir, "sh", "-c", "sha256sum * > SHA256SUMS")
	}
	must(b, os.MkdirAll(filepath.Join(root, "cfg", "many"), 0o755))
	for i := range 1500 {
		must(b, os.WriteFile(filepath.Join(root, "cfg", "many", fmt.Sprintf("file-%04d", i)), []byte("text\n"), 0o644))
	}
	disk := filepath.Join(b.TempDir(), "large.img")
	tool(b, "e2fsprogs", "", "mke2fs", "-q", "-t", "ext2", "-I", "128", "-d", root, disk, "4G")
	return disk
}
