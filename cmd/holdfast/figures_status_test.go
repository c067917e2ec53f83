package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

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
	times := map[string][]float64{}
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
		b.ReportMetric(median(list), "ms-"+name)
		b.ReportMetric(peak(b, commands[name]), "MiB-"+name)
	}
	b.ReportMetric(median(times["status"])/median(times["debugfs"]), "x-status")
	b.ReportMetric(median(times["quick"])/median(times["debugfs"]), "x-quick")
	b.ReportMetric(0, "ns/op")
}

// peak is the most memory that a command had resident, in MiB. The kernel counts a process that was
// started by a large one as large: so GNU time starts it.
func peak(b *testing.B, words []string) float64 {
	out := tool(b, "time", "", "/usr/bin/time", append([]string{"-f", "PEAK %M"}, words...)...)
	_, kib, _ := strings.Cut(out, "PEAK ")
	n, err := strconv.ParseFloat(strings.TrimSpace(kib), 64)
	must(b, err)
	return n / 1024
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
