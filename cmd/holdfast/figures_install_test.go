package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The figures of an installation need root, for loop devices. Each measures whole processes, as they are
// typed, on a file system of its own that is made anew for every run.

// BenchmarkInstall installs an archive of about 100 MB, and has tar, sha256sum and sync do what of that
// they can, in turns. The image is a kernel and 136 MB of which every other 4 KiB are noise, the rest words.
func BenchmarkInstall(b *testing.B) {
	archives := largeArchives(b)
	for _, method := range []string{"gzip", "zstd"} {
		for _, fstype := range []string{"ext4", "ext2"} {
			b.Run(method+"/"+fstype, func(b *testing.B) {
				disk := newLoop(b, fstype)
				var m measured
				for b.Loop() {
					m.ours = append(m.ours, disk.install(b, &m, archives[method]))
					m.theirs = append(m.theirs, disk.unpack(b, archives[method]))
				}
				m.report(b, archives["size"])
			})
		}
	}
}

// BenchmarkRotate measures an exchange of two confirmed images as a whole process, and how often and how
// much it writes.
func BenchmarkRotate(b *testing.B) {
	for _, fstype := range []string{"ext4", "ext3", "ext2"} {
		b.Run(fstype, func(b *testing.B) {
			disk := newLoop(b, fstype)
			disk.fresh(b)
			var times []float64
			var requests, written float64
			for b.Loop() {
				before := disk.stat(b)
				start := time.Now()
				disk.holdfast(b, "rotate")
				times = append(times, time.Since(start).Seconds()*1000)
				after := disk.stat(b)
				requests, written = after.requests-before.requests, after.bytes-before.bytes
			}
			b.ReportMetric(median(times), "ms")
			b.ReportMetric(requests, "writes")
			b.ReportMetric(written, "bytes-written")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// measured is what the runs of one kind gave.
type measured struct {
	ours, theirs []float64 // seconds
	memory       float64   // MB, the most of all runs
	written      float64   // bytes to the device, the most of all runs
}

func (m *measured) report(b *testing.B, imageSize string) {
	size, err := strconv.ParseFloat(imageSize, 64)
	must(b, err)
	b.ReportMetric(median(m.ours), "s-install")
	b.ReportMetric(median(m.theirs), "s-tar")
	b.ReportMetric(median(m.ours)/median(m.theirs), "x-tar")
	b.ReportMetric(m.memory, "MB-peak")
	b.ReportMetric(m.written/size, "x-written")
	b.ReportMetric(0, "ns/op")
}

// largeArchives packs an image by gzip and by zstd; "size" is the bytes of its files.
func largeArchives(b *testing.B) map[string]string {
	dir := b.TempDir()
	initrd, packed := filepath.Join(dir, "initrd"), filepath.Join(dir, "image.tgz")
	must(b, os.WriteFile(initrd, halfCompressible(130<<20), 0o644))
	holdfast(b, "image", "pack", "--kernel", made.kernel, "--initrd", initrd, "--version", "2.0.0", "-o", packed)
	tool(b, "tar", dir, "tar", "-xzf", packed)
	tool(b, "zstd", dir, "sh", "-c", "tar -cf - 2.0.0 | zstd -q -T0 > image.tar.zst")
	var size int64
	entries, err := os.ReadDir(filepath.Join(dir, "2.0.0"))
	must(b, err)
	for _, e := range entries {
		info, err := e.Info()
		must(b, err)
		size += info.Size()
	}
	return map[string]string{"gzip": packed, "zstd": filepath.Join(dir, "image.tar.zst"), "size": fmt.Sprint(size)}
}

func halfCompressible(size int) []byte {
	words := strings.Fields("kernel module driver system library config default network device memory status signal")
	random := rand.New(rand.NewPCG(1, 2))
	noise := rand.NewChaCha8([32]byte{1})
	var out bytes.Buffer
	for out.Len() < size {
		page := make([]byte, 4096)
		_, _ = noise.Read(page)
		out.Write(page)
		for end := out.Len() + 4096; out.Len() < end; {
			fmt.Fprintf(&out, "%s_%d ", words[random.IntN(len(words))], random.IntN(1000))
		}
	}
	return out.Bytes()[:size]
}

const loopMenu = `default saved
title active
	kernel /system/active/kernel.img img=active
	initrd /system/active/initrd.img
title backup
	kernel /system/backup/kernel.img img=backup
	initrd /system/backup/initrd.img
`

// loop is a flash on a loop device.
type loop struct{ fstype, tree, device, dir string }

// newLoop attaches a device; fresh puts a flash with two small confirmed images on it.
func newLoop(b *testing.B, fstype string) *loop {
	root := b.TempDir()
	l := &loop{fstype: fstype, tree: filepath.Join(root, "tree"), dir: filepath.Join(root, "flash")}
	for slot, version := range map[string]string{"active": "1.3.124", "backup": "1.3.123"} {
		to := filepath.Join(l.tree, "system", slot)
		must(b, os.MkdirAll(to, 0o755))
		tool(b, "tar", "", "tar", "-C", to, "--strip-components=1", "-xzf", packImage(b, slot, version, "marker="+slot))
	}
	for name, text := range map[string]string{"cfg/system.arg": "quiet\n", "boot/grub/menu.lst": loopMenu, "boot/grub/default": "0\n#\n#\n#\n#\n#\n"} {
		must(b, os.MkdirAll(filepath.Dir(filepath.Join(l.tree, name)), 0o755))
		must(b, os.WriteFile(filepath.Join(l.tree, name), []byte(text), 0o644))
	}
	must(b, os.Mkdir(l.dir, 0o755))
	file := filepath.Join(root, "disk.img")
	must(b, os.WriteFile(file, nil, 0o600))
	must(b, os.Truncate(file, 600<<20))
	l.device = strings.TrimSpace(tool(b, "mount", "", "losetup", "--find", "--show", file))
	b.Cleanup(func() {
		_ = exec.Command("umount", l.dir).Run() // not mounted after a failure
		tool(b, "mount", "", "losetup", "--detach", l.device)
	})
	return l
}

func (l *loop) fresh(b *testing.B) {
	_ = exec.Command("umount", l.dir).Run() // not mounted yet
	tool(b, "e2fsprogs", "", "mke2fs", "-q", "-F", "-t", l.fstype, "-O", "^metadata_csum", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-d", l.tree, l.device)
	tool(b, "mount", "", "mount", "-t", l.fstype, l.device, l.dir)
	for range 2 { // both images
		l.holdfast(b, "confirm", "--slot", "active")
		l.holdfast(b, "rotate")
	}
	tool(b, "coreutils", "", "sync", "-f", l.dir)
}

func (l *loop) holdfast(b *testing.B, args ...string) string {
	return holdfast(b, append([]string{"--yes", "--flash", l.dir}, args...)...)
}

// install gives the seconds of an installation; GNU time sees its memory, the kernel counts what the
// device was told to write.
func (l *loop) install(b *testing.B, m *measured, archive string) float64 {
	l.fresh(b)
	before := l.stat(b)
	start := time.Now()
	out := tool(b, "time", "", "/usr/bin/time", "-f", "peak %M", made.binary, "--yes", "--flash", l.dir, "install", archive)
	took := time.Since(start).Seconds()
	tool(b, "coreutils", "", "sync", "-f", l.dir)
	m.written = max(m.written, l.stat(b).bytes-before.bytes)
	peak := regexp.MustCompile(`peak (\d+)`).FindStringSubmatch(out)
	kib, err := strconv.ParseFloat(peak[1], 64)
	must(b, err)
	m.memory = max(m.memory, kib/1000)
	return took
}

// unpack gives the seconds of the same work without the promise.
func (l *loop) unpack(b *testing.B, archive string) float64 {
	l.fresh(b)
	start := time.Now()
	tool(b, "tar", l.dir, "tar", "-xf", archive)
	tool(b, "coreutils", filepath.Join(l.dir, "2.0.0"), "sha256sum", "--quiet", "-c", "SHA256SUMS")
	tool(b, "coreutils", l.dir, "sync", "-f", ".")
	return time.Since(start).Seconds()
}

// written is what a device was asked to write so far.
type written struct{ requests, bytes float64 }

// stat reads the counters of the device (Documentation/block/stat.rst): the fifth is of requests, the
// seventh of sectors.
func (l *loop) stat(b *testing.B) written {
	text, err := os.ReadFile("/sys/block/" + filepath.Base(l.device) + "/stat")
	must(b, err)
	fields := strings.Fields(string(text))
	requests, err := strconv.ParseFloat(fields[4], 64)
	must(b, err)
	sectors, err := strconv.ParseFloat(fields[6], 64)
	must(b, err)
	return written{requests, sectors * 512}
}
