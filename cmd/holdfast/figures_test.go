package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"holdfast/ops/bench/vm"
)

// The benchmarks of this file print the figures of the README. Each boots virtual machines and
// counts once per run: `make bench`.

// BenchmarkStageSize measures the console's initramfs: whole, and without busybox and modules, which
// others write.
func BenchmarkStageSize(b *testing.B) {
	whole := []string{"--kernel-modules", made.modules, "--module", "virtio_blk,ata_piix,vfat", "--busybox", busybox}
	for _, s := range []struct {
		name string
		args []string
	}{{"whole", whole}, {"holdfast-only", nil}} {
		for _, method := range []string{"zstd", "xz"} {
			b.Run(s.name+"/"+method, func(b *testing.B) {
				out := filepath.Join(b.TempDir(), "stage")
				for b.Loop() {
					holdfast(b, append([]string{"initramfs", "create", "--force", "-o", out, "--compress", method}, s.args...)...)
				}
				info, err := os.Stat(out)
				must(b, err)
				b.ReportMetric(float64(info.Size()), "bytes")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// timed is an initramfs to time, and the text whose arrival ends the time.
type timed struct{ initrd, until string }

// BenchmarkFirstFrame measures, on the serial line of a virtual machine, the time from the kernel's
// "Run /init" to the first complete screen: Holdfast's, and the same bytes printed by a Go program
// that does nothing else and by busybox's shell. The three take turns, so that a machine that is
// slow for a while is slow for all.
func BenchmarkFirstFrame(b *testing.B) {
	frame, stages := frameStages(b)
	times := map[string][]float64{}
	for b.Loop() {
		for name, s := range stages {
			times[name] = append(times[name], firstFrame(b, s).Seconds()*1000)
		}
	}
	for name, list := range times {
		b.ReportMetric(median(list), "ms-"+name)
	}
	b.ReportMetric(median(times["holdfast"])/median(times["go"]), "x-go")
	b.ReportMetric(median(times["holdfast"])/median(times["sh"]), "x-sh")
	b.ReportMetric(float64(len(frame)), "frame-bytes")
	b.ReportMetric(0, "ns/op")
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// frameEnd is the last thing that Holdfast's first screen draws.
const frameEnd = "q leave"

// frameStages makes the three stages. The others print the very bytes that Holdfast sends for its
// first screen.
func frameStages(b *testing.B) (frame []byte, stages map[string]timed) {
	ctx, m := bootStage(b, made.console, "")
	must(b, m.Serial(0).Wait(ctx, frameEnd))
	frame = firstFrameOf(b, m.Serial(0).Bytes())
	must(b, m.Close())

	dir := b.TempDir()
	source := filepath.Join(dir, "main.go")
	must(b, os.WriteFile(source, []byte(printerSource), 0o644))
	printer := filepath.Join(dir, "printer")
	tool(b, "golang-go", dir, "env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", printer, source)
	return frame, map[string]timed{
		"holdfast": {made.console, frameEnd},
		"go":       {frameArchive(b, frame, func(root string) { tool(b, "coreutils", "", "cp", printer, root+"/init") }), frameDone},
		"sh": {frameArchive(b, frame, func(root string) {
			tool(b, "busybox-static", "", "cp", busybox, root+"/busybox")
			must(b, os.WriteFile(root+"/init", []byte(shellPrinter), 0o755))
		}), frameDone},
	}
}

// firstFrameOf is what the line carried from after the kernel's message that /init runs to the end
// of the first screen; more may have come by the time that somebody looks.
func firstFrameOf(b *testing.B, log []byte) []byte {
	_, after, _ := bytes.Cut(log, []byte(runInit))
	_, after, _ = bytes.Cut(after, []byte("\n"))
	frame, _, ok := bytes.Cut(after, []byte(frameEnd))
	if !ok {
		b.Fatalf("the line does not carry %q in one piece", frameEnd)
	}
	return append(slices.Clone(frame), frameEnd...)
}

const (
	runInit   = "Run /init as init process"
	frameDone = "FRAME DONE"
)

const printerSource = `package main

import "os"

func main() {
	frame, _ := os.ReadFile("/frame")
	os.Stdout.Write(frame)
	select {}
}
`

const shellPrinter = "#!/busybox sh\n/busybox cat /frame\nexec /busybox sleep 1000000\n"

func frameArchive(b *testing.B, frame []byte, fill func(root string)) string {
	root := b.TempDir()
	must(b, os.WriteFile(filepath.Join(root, "frame"), append(slices.Clone(frame), "\r\n"+frameDone...), 0o644))
	fill(root)
	out := filepath.Join(b.TempDir(), "initrd")
	tool(b, "cpio", root, "sh", "-c", "find . | cpio -o -H newc --quiet | zstd -q > "+out)
	return out
}

// bootStage boots an initramfs with the test kernel, whose own messages show when /init starts.
func bootStage(b *testing.B, initrd, words string, disks ...vm.Disk) (context.Context, *vm.Machine) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	b.Cleanup(cancel)
	m, err := vm.Start(ctx, vm.Config{Kernel: made.kernel, Initrd: initrd, Disks: disks, Serials: 1, VGA: true,
		Append: "console=tty0 console=ttyS0,115200 " + words})
	must(b, err)
	b.Cleanup(func() { m.Close() })
	return ctx, m
}

func firstFrame(b *testing.B, s timed) time.Duration {
	ctx, m := bootStage(b, s.initrd, "")
	line := m.Serial(0)
	must(b, line.Wait(ctx, s.until))
	end := time.Now()
	start, ok := line.Arrived(runInit)
	if !ok {
		b.Fatalf("the kernel did not say %q", runInit)
	}
	must(b, m.Close())
	return end.Sub(start)
}

// BenchmarkMemory measures the resident memory of PID 1 and the console process while both consoles
// show the first screen; a shell on the serial line reads it from /proc.
func BenchmarkMemory(b *testing.B) {
	var total, pid1 float64
	for b.Loop() {
		ctx, m := bootStage(b, made.console, "")
		line := m.Serial(0)
		must(b, line.Wait(ctx, frameEnd))
		must(b, m.WaitVGA(ctx, frameEnd))
		must(b, line.Press("q"))
		must(b, line.Wait(ctx, "shell"))
		must(b, line.Press("down", "enter"))
		must(b, line.Expect(ctx, "# "))
		must(b, line.Type("for p in /proc/[0-9]*; do [ $(readlink $p/exe) = /init ] && grep VmRSS $p/status; done; echo E''ND\r"))
		must(b, line.Expect(ctx, "END"))
		total, pid1 = 0, 0
		for _, rss := range regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindAllStringSubmatch(string(line.Bytes()), -1) {
			kib, _ := strconv.ParseFloat(rss[1], 64)
			if total == 0 {
				pid1 = kib / 1024
			}
			total += kib / 1024
		}
		must(b, m.Close())
	}
	if total <= pid1 {
		b.Fatalf("only one process of ours is there: %.1f MiB", total)
	}
	b.ReportMetric(total, "MiB")
	b.ReportMetric(pid1, "MiB-pid1")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkSerialBytes counts what the serial line carries from power-on to the images with their
// hashes checked, for one move of the selection, and for one line of the log (35 characters with its
// time).
func BenchmarkSerialBytes(b *testing.B) {
	disk := makeDisk(b, "grub-legacy", bothConsoles)
	var start, move, logLine float64
	for b.Loop() {
		ctx, m := bootStage(b, made.console, "quiet", vm.Disk{Path: disk})
		line := m.Serial(0)
		must(b, line.WaitScreen(ctx, showsAll(append(imagesShown, imagesFooter)...)))
		settle(line)
		start = float64(len(line.Bytes()))
		move = carries(line, func() {
			must(b, line.Press("down"))
			must(b, line.Wait(ctx, "marker=backup"))
		})

		must(b, m.SendKey(ctx, "q"))
		must(b, m.WaitVGA(ctx, "> back to the images"))
		must(b, m.SendKey(ctx, "down"))
		must(b, m.SendKey(ctx, "ret"))
		must(b, m.WaitVGA(ctx, "/ #"))
		settle(line)
		logLine = carries(line, func() {
			must(b, m.SendText(ctx, "echo twenty-five-characters-xx >/dev/kmsg\n"))
			must(b, line.Wait(ctx, "twenty-five-characters-xx"))
		})
		must(b, m.Close())
	}
	b.ReportMetric(start, "bytes-start")
	b.ReportMetric(move, "bytes-move")
	b.ReportMetric(logLine, "bytes-log-line")
	b.ReportMetric(0, "ns/op")
}

// carries counts the bytes that the line carries because of what is done.
func carries(line *vm.Serial, do func()) float64 {
	before := len(line.Bytes())
	do()
	settle(line)
	return float64(len(line.Bytes()) - before)
}

// settle waits until the line has been silent for a second: what a key press causes has then come.
func settle(line *vm.Serial) {
	for n := -1; n != len(line.Bytes()); {
		n = len(line.Bytes())
		time.Sleep(time.Second)
	}
}
