package tui

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	tea "charm.land/bubbletea/v2"

	"holdfast/flash"
	"holdfast/flash/blockmap"
	"holdfast/flash/grub"
	"holdfast/kexec"
	"holdfast/ops/logs"
	"holdfast/ops/status"
	"holdfast/tui/terminal"
)

// serial is the plainest console there is.
var serial = terminal.Console{Name: "ttyS0", Path: "/dev/ttyS0", Serial: true, Term: "vt100"}

// vga is the other kind.
var vga = terminal.Console{Name: "tty0", Path: "/dev/tty0", Term: "linux", Unicode: true, Colour: true}

func options() Options {
	return Options{
		Consoles: []terminal.Console{vga, serial},
		Kernel:   []kexec.Console{{Name: "tty0"}, {Name: "ttyS0", Options: "115200n8"}},
		Stage:    true,
		Shell:    []string{"/bin/sh"},
		Version:  "0.1",
	}
}

func image(name, version, kernel string, size int64, integrity flash.Integrity) status.Image {
	sums := []flash.Sum{{Name: "kernel.img"}}
	return status.Image{
		Image: flash.Image{Name: name, Dir: "system/" + name, Present: true, Version: version,
			Kernel: "system/" + name + "/kernel.img", Initrd: "system/" + name + "/initrd.img",
			Arguments: "# as shipped\nroot=/dev/ram0 quiet acpi=off\nconsole=ttyS1,9600\n", Size: size, Manifest: flash.Manifest{Sums: sums}},
		Header:    kexec.Header{Protocol: 0x20f, Version: kernel, CmdlineMax: 2047},
		Integrity: integrity,
	}
}

// report is a flash with the three slots, as the golden screens show it.
func report() *status.Report {
	return &status.Report{
		Target: status.Target{FS: fstest.MapFS{}, Name: "sda2", Type: "ext2", Access: "ro", Word: "sda2"},
		Boot:   savedDefault("0", "", 0, 1, 2, 3, 4),
		Images: []status.Image{
			image("active", "1.3.124", "6.1.0-56-cloud-amd64", 47_400_000, flash.Intact),
			image("backup", "1.3.120", "6.1.0-50-cloud-amd64", 46_100_000, flash.Unknown),
			image("factory", "1.0.0", "5.10.0-8-amd64", 40_000_000, flash.Unchecked),
		},
		Arguments: "net.ifnames=0",
	}
}

// saved is a saved default of the tests.
type saved struct{ entry, once string }

func (s saved) Entry() string                         { return s.entry }
func (s saved) Once() string                          { return s.once }
func (s saved) With(entry string) (grub.Saved, error) { return saved{entry: entry}, nil }
func (s saved) Encode() ([]byte, error)               { return []byte(s.entry), nil }

// menu is what disk create writes: two tries for each of two slots, and the maintenance console.
func menu() grub.Menu {
	m := grub.Menu{Path: "boot/grub/menu.lst", Saved: true}
	for n, e := range []grub.Entry{
		{Slot: "active", Title: "Active image"},
		{Slot: "active", Title: "Active image (retry)"},
		{Slot: "backup", Title: "Backup image"},
		{Slot: "backup", Title: "Backup image (retry)"},
		{Slot: "maintenance", Title: "Maintenance console"},
	} {
		e.Key = strconv.Itoa(n)
		m.Entries = append(m.Entries, e)
	}
	return m
}

// savedDefault is entry as the saved default, once for the next boot alone, and the numbers of the
// entries that then boot one after the other.
func savedDefault(entry, once string, next ...int) *status.Boot {
	b := &status.Boot{
		Place:  grub.Place{Form: grub.LegacyFile, Path: "boot/grub/default"},
		Blocks: blockmap.Place{Sector: 1064, Count: 1},
		Saved:  saved{entry, once},
		Menu:   menu(),
	}
	var ok bool
	if b.Entry, ok = b.Menu.Find(grub.Boots(b.Saved)); !ok {
		b.Entry = b.Menu.Entries[0] // as GRUB does
	}
	for _, n := range next {
		b.Next = append(b.Next, b.Menu.Entries[n])
	}
	return b
}

// booting is r with another boot default.
func booting(r *status.Report, b *status.Boot) *status.Report {
	c := *r
	c.Boot = b
	return &c
}

// damaged is r with a slot whose kernel differs from the manifest.
func damaged(r *status.Report, name string) *status.Report {
	i, _ := r.Image(name)
	i.Integrity, i.Broken = flash.Damaged, "kernel.img: hash differs"
	i.Problems = []string{"kernel.img: hash differs"}
	return r.Verified(i)
}

// without is r with an empty slot.
func without(r *status.Report, name string) *status.Report {
	i := status.Image{Image: flash.Image{Name: name, Dir: "system/" + name}, Broken: "empty"}
	return r.Verified(i)
}

// staged is r with n staged versions.
func staged(r *status.Report, n int) *status.Report {
	c := *r
	for i := range n {
		img := image(fmt.Sprintf("1.4.%d", i), fmt.Sprintf("1.4.%d", i), "6.6.9-amd64", 50_000_000, flash.Intact)
		img.Staged = true
		c.Images = append(c.Images[:len(c.Images):len(c.Images)], img)
	}
	return &c
}

func logLinesOf(texts ...string) []logs.Line {
	var out []logs.Line
	for i, t := range texts {
		out = append(out, logs.Line{At: time.Duration(i) * 1371 * time.Millisecond, Level: 6 - i%4, Text: t})
	}
	return out
}

func snapshot(r *status.Report) *Snapshot {
	return &Snapshot{
		Report: r,
		Log: logLinesOf("Linux version 6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14)) #1 SMP",
			"virtio_blk virtio0: [vda] 524288 512-byte logical blocks (268 MB/256 MiB)",
			"EXT4-fs (vda2): mounting ext2 file system using the ext4 subsystem",
			"ata1.00: failed command: READ DMA",
			"holdfast: flash sda2, 3 images",
			"holdfast: factory cannot boot: no usable kernel.img",
			"random: crng init done"),
	}
}

// newScreen is a program on a console of that size that has shown s.
func newScreen(t testing.TB, c terminal.Console, s *Snapshot, w, h int) (*root, *[]request) {
	t.Helper()
	var asked []request
	m := newRoot(c, options(), func(r request) { r.console = c.Name; asked = append(asked, r) })
	feed(m, tea.WindowSizeMsg{Width: w, Height: h})
	feed(m, snapshotMsg{s})
	asked = nil
	return m, &asked
}

// feed gives m a message, and the messages that come of its commands.
func feed(m *root, msg tea.Msg) {
	_, cmd := m.Update(msg)
	if cmd == nil {
		return
	}
	switch out := cmd().(type) {
	case nil, tea.QuitMsg, tea.BatchMsg:
	default:
		_ = out
	}
}

// press types keys by their names: "down", "enter", "b".
func press(m *root, names ...string) {
	for _, name := range names {
		feed(m, keyNamed(name))
	}
}

func keyNamed(name string) tea.KeyPressMsg {
	codes := map[string]rune{"up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight,
		"enter": tea.KeyEnter, "esc": tea.KeyEscape, "space": tea.KeySpace, "pgup": tea.KeyPgUp,
		"pgdown": tea.KeyPgDown, "home": tea.KeyHome, "end": tea.KeyEnd, "backspace": tea.KeyBackspace}
	if code, ok := codes[name]; ok {
		return tea.KeyPressMsg{Code: code}
	}
	r := []rune(name)[0]
	return tea.KeyPressMsg{Code: r, Text: name}
}

func frameText(m *root) string { return strings.Join(m.frame(), "\n") + "\n" }
