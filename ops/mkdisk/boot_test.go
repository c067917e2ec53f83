package mkdisk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/flash/grub"
	"holdfast/ops/bench/vm"
)

// machine is a virtual machine that boots a disk again and again.
type machine struct {
	t    *testing.T
	plan *Plan
	vm   *vm.Machine
}

func boot(t *testing.T, p *Plan) machine {
	t.Helper()
	m, err := vm.Start(t.Context(), vm.Config{Disks: []vm.Disk{{Path: p.request.Output, Bus: vm.Virtio}}, Serials: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return machine{t: t, plan: p, vm: m}
}

func (m machine) expect(text string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 2*time.Minute)
	defer cancel()
	if err := m.vm.Serial(0).Expect(ctx, text); err != nil {
		m.t.Fatal(err)
	}
}

// hurry ends the waits of GRUB by a key; a machine without anybody goes on by itself.
func (m machine) hurry() {
	m.t.Helper()
	if m.plan.request.Loader == GRUBLegacy {
		m.expect("Press any key to continue")
		m.press(" ")
	}
	m.expect("Maintenance console") // the last line of the menu
	m.press("\r")
}

func (m machine) press(keys string) {
	m.t.Helper()
	if err := m.vm.Serial(0).Type(keys); err != nil {
		m.t.Fatal(err)
	}
}

// booted waits for the marker of an image or the console and gives its command line.
func (m machine) booted(name string) string {
	m.t.Helper()
	m.expect("MARKER " + name)
	m.expect(" END")
	line := string(m.vm.Serial(0).Bytes())
	line = line[strings.LastIndex(line, "MARKER "+name):]
	line, _, _ = strings.Cut(strings.TrimPrefix(line, "MARKER "+name+" "), " END")
	return line
}

// savedDefault reads the disk that the machine runs from, as nobody else writes on it now.
func (m machine) savedDefault() string {
	m.t.Helper()
	_, saved := savedDefault(m.t, dump(m.t, m.plan.request, m.plan.layout.boot))
	return saved.Entry()
}

// savedDefault reads it in a directory with the boot partition's files.
func savedDefault(t *testing.T, dir string) (grub.Place, grub.Saved) {
	t.Helper()
	place, err := grub.Find(os.DirFS(dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := place.Read(os.DirFS(dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	return place, saved
}

// loading waits until GRUB has saved the next default and begins to load from the n-th partition.
func (m machine) loading(e entry) {
	m.t.Helper()
	if m.plan.request.Loader == GRUB2 {
		m.expect("Loading " + e.title + " ...")
		return
	}
	m.expect("Booting '" + e.title + "'")
	m.expect("Filesystem type is ext2fs") // says the command after savedefault
}

func (m machine) reset() {
	m.t.Helper()
	if err := m.vm.Reset(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
}

// GRUB makes the next entry the default before it boots one, so that a crash leads on: two tries of
// each image, then the maintenance console, which stays. Every second boot ends in GRUB already, to
// save time.
func TestRetryChain(t *testing.T) {
	for _, loader := range loaders {
		t.Run(string(loader), func(t *testing.T) {
			t.Parallel()
			r := request(t, loader)
			r.MenuTimeout = 2 // the menu is shown, and takes keys
			m := boot(t, create(t, r))
			for i, marker := range []string{"active", "", "backup", "", "console", ""} {
				number := min(i, maintenanceEntry)
				e := m.plan.menu.entries[number]
				m.hurry()
				m.loading(e)
				if marker != "" {
					if got, want := m.booted(marker), m.passed(e); got != want {
						t.Errorf("boot %d: command line = %q, want %q", i, got, want)
					}
				}
				if got, want := m.savedDefault(), fmt.Sprint(min(number+1, maintenanceEntry)); got != want {
					t.Errorf("boot %d: saved default = %s, want %s", i, got, want)
				}
				m.reset()
			}
		})
	}
}

// passed is the command line that the loader makes of an entry's.
func (m machine) passed(e entry) string {
	line := e.line.String()
	if m.plan.request.Loader == GRUB2 {
		line = strings.ReplaceAll(line, `note="a b"`, `"note=a b"`)
		line = fmt.Sprintf("BOOT_IMAGE=(hd0,msdos%d)%s %s", e.partition, e.kernel, line)
	}
	return line
}

// An entry whose kernel is not there leads on at once: the backup's to the maintenance console, the
// active one's to the backup.
func TestUnreadableKernelLeadsOn(t *testing.T) {
	tests := []struct {
		loader Loader
		slot   string
		next   int
	}{
		{GRUBLegacy, "backup", maintenanceEntry},
		{GRUB2, "active", backupEntry},
	}
	for _, test := range tests {
		t.Run(string(test.loader), func(t *testing.T) {
			t.Parallel()
			r := request(t, test.loader)
			r.Default = test.slot
			p := create(t, r)
			remove := fmt.Sprintf("rm /system/%s/kernel.img", test.slot)
			tell(t, "debugfs", "-w", "-R", remove, fmt.Sprintf("%s?offset=%d", r.Output, p.layout.flash.start))
			// No key in the menu: GRUB falls back only where nobody chose the entry.
			m := boot(t, p)
			m.loading(p.menu.entries[mustFirst(t, test.slot)])
			if test.loader == GRUB2 {
				m.expect("Press any key to continue") // or wait ten seconds
				m.press(" ")
			}
			m.loading(p.menu.entries[test.next])
		})
	}
}

func mustFirst(t *testing.T, slot string) int {
	t.Helper()
	number, ok := firstEntry(slot)
	if !ok {
		t.Fatalf("no entry for %s", slot)
	}
	return number
}

// grub-editenv reads the environment block that GRUB 2 starts with.
func TestGrubEditenvReadsOurs(t *testing.T) {
	need(t, "grub-editenv", "grub-common")
	r := request(t, GRUB2)
	r.Default = "maintenance"
	r.Images = nil
	p := create(t, r)
	got := tell(t, "grub-editenv", filepath.Join(dump(t, r, p.layout.boot), grubDir, "grubenv"), "list")
	if got != "saved_entry=4\n" {
		t.Errorf("grub-editenv list = %q, want saved_entry=4", got)
	}
}
