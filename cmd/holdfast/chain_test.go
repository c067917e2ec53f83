package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"holdfast/ops/bench/vm"
)

// bothConsoles gives the maintenance kernel VGA and the serial line, the serial one last.
const bothConsoles = "console=tty0 console=ttyS0,115200n8"

// The last row of a screen is drawn last: when it is there, the screen is whole.
const (
	imagesFooter = "v verify"
	bootFooter   = "Esc back"
)

var imagesShown = []string{"1.3.124", "1.3.123", "1.0.0"}

func showsAll(words ...string) func(vm.Screen) bool {
	return func(s vm.Screen) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !s.Contains(w) })
	}
}

// imagesSay is the first screen, drawn to its end, with a text on it. While the boot screen is drawn, both footers
// are there in part; a key that is pressed then would follow on the last one's Esc, as if with Alt.
func imagesSay(text string) func(vm.Screen) bool {
	all := showsAll(text, imagesFooter)
	return func(s vm.Screen) bool { return all(s) && !s.Contains(bootFooter) }
}

// imageRuns waits for the image's own /init and gives the words of its /proc/cmdline.
func imageRuns(t *testing.T, ctx context.Context, m *vm.Machine) []string {
	t.Helper()
	must(t, m.Serial(0).Expect(ctx, "CMDLINE<"))
	must(t, m.Serial(0).Expect(ctx, ">"))
	all := regexp.MustCompile(`CMDLINE<([^>]*)>`).FindAllSubmatch(m.Serial(0).Bytes(), -1)
	return strings.Fields(string(all[len(all)-1][1]))
}

func hasWords(t *testing.T, line []string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !slices.Contains(line, w) {
			t.Errorf("the command line %q lacks %s", strings.Join(line, " "), w)
		}
	}
}

// consolesOf are the console= words in order.
func consolesOf(line []string) []string {
	var list []string
	for _, w := range line {
		if name, ok := strings.CutPrefix(w, "console="); ok {
			list = append(list, name)
		}
	}
	return list
}

// TestChain goes the whole way: GRUB, the maintenance kernel, Holdfast on two consoles, a key, kexec,
// and the image's own /init.
func TestChain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, loader string
		choose       func(t *testing.T, ctx context.Context, m *vm.Machine)
		image        string
		consoles     []string
	}{
		{"grub-legacy, active, from the serial line", "grub-legacy", bootActiveFromSerial, "active", []string{"tty0", "ttyS0,115200n8"}},
		{"grub-legacy, backup, from VGA", "grub-legacy", bootBackupFromVGA, "backup", []string{"ttyS0,115200n8", "tty0"}},
		{"grub2, active, from the serial line", "grub2", bootActiveFromSerial, "active", []string{"tty0", "ttyS0,115200n8"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			disk := makeDisk(t, tt.loader, bothConsoles)
			ctx, m := bootDisk(t, disk)
			must(t, m.Serial(0).WaitScreen(ctx, showsAll(imagesShown...)))
			must(t, m.WaitVGAScreen(ctx, showsAll(imagesShown...)))
			tt.choose(t, ctx, m)
			bootedRight(t, imageRuns(t, ctx, m), disk, tt.image, tt.consoles)
			if tt.consoles[1] == "tty0" {
				must(t, m.WaitVGA(ctx, "THIS IS IMAGE "+tt.image))
			} else {
				must(t, m.Serial(0).Wait(ctx, "THIS IS IMAGE "+tt.image))
			}
		})
	}
}

// bootedRight checks an image's command line: its own words, the disk's, the operator's console last
// and what tells it where it comes from.
func bootedRight(t *testing.T, line []string, disk, image string, consoles []string) {
	t.Helper()
	hasWords(t, line, "marker="+image, systemWord, "panic=1", "flash=LABEL="+flashLabel(t, disk), "img="+image)
	if got := consolesOf(line); !slices.Equal(got, consoles) {
		t.Errorf("consoles %q, want %q: the operator's last", got, consoles)
	}
}

// flashLabel is the label of the disk's second partition as util-linux reads it.
func flashLabel(t *testing.T, disk string) string {
	t.Helper()
	_, offset, _ := strings.Cut(partition(t, disk, 2), "=")
	label := strings.TrimSpace(tool(t, "util-linux", "", "blkid", "-p", "-O", offset, "-o", "value", "-s", "LABEL", disk))
	if label == "" {
		t.Fatal("blkid finds no label on the flash")
	}
	return label
}

func bootActiveFromSerial(t *testing.T, ctx context.Context, m *vm.Machine) {
	must(t, m.Serial(0).Press("b"))
	must(t, m.Serial(0).Wait(ctx, "img=active"))
	must(t, m.Serial(0).Press("enter"))
}

func bootBackupFromVGA(t *testing.T, ctx context.Context, m *vm.Machine) {
	must(t, m.SendKey(ctx, "down"))
	must(t, m.SendKey(ctx, "b"))
	must(t, m.WaitVGA(ctx, "img=backup"))
	must(t, m.SendKey(ctx, "ret"))
}

// TestAutoboot takes no key: the saved default's slot boots by itself. The consoles are in the
// kernel's own order, as nobody was asked.
func TestAutoboot(t *testing.T) {
	t.Parallel()
	for _, loader := range []string{"grub-legacy", "grub2"} {
		t.Run(loader, func(t *testing.T) {
			t.Parallel()
			disk := makeDisk(t, loader, bothConsoles+" holdfast.autoboot=1")
			ctx, m := bootDisk(t, disk)
			bootedRight(t, imageRuns(t, ctx, m), disk, "active", []string{"tty0", "ttyS0,115200n8"})
		})
	}
}

// TestBadKernels: what is no kernel is told at its slot and not booted, and the console lives on.
func TestBadKernels(t *testing.T) {
	t.Parallel()
	disk := makeDisk(t, "grub-legacy", bothConsoles)
	dir := t.TempDir()
	whole, err := os.ReadFile(made.kernel)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "half"), whole[:len(whole)/2], 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "text"), []byte("this is not a kernel\n"), 0o644))
	editFlash(t, disk, dir,
		"cd /system/active", "rm kernel.img", "write half kernel.img",
		"cd /system/backup", "rm kernel.img", "write text kernel.img",
		"cd /system/factory", "rm kernel.img")
	ctx, m := bootDisk(t, disk)
	line := m.Serial(0)
	must(t, line.WaitScreen(ctx, showsAll(imagesShown...)))
	for _, says := range []string{"truncated", "not a bzImage", "kernel.img: missing"} {
		must(t, line.WaitScreen(ctx, imagesSay(says)))
		must(t, line.Press("b"))
		must(t, line.WaitScreen(ctx, showsAll("refused", bootFooter)))
		must(t, line.Press("enter")) // must do nothing
		must(t, line.Press("esc"))
		must(t, line.WaitScreen(ctx, imagesSay(says)))
		must(t, line.Press("down"))
	}
	must(t, line.Press("?"))
	must(t, line.Wait(ctx, "keys and words")) // the footer says "help" on every screen
}

// editFlash changes files on the disk's second partition by debugfs commands.
func editFlash(t *testing.T, disk, dir string, commands ...string) {
	t.Helper()
	editPartition(t, disk, 2, dir, commands...)
}
