package grubdefault

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// TestSet sets the default offline in every file system and form. The other programs say that it is
// right: what they read of the file, that the file system is whole, and where GRUB finds the sector.
func TestSet(t *testing.T) {
	env := grubenv("# a comment", "saved_entry=active", `other=a\\b`, "last=x")
	for _, tt := range []struct {
		name, mkfs string
		files      map[string]string
		path, want string // the file, and how it begins then
	}{
		{"ext2 as GRUB Legacy reads it", "-t ext2 -I 128 -b 1024", legacyTree(), "boot/grub/default", "2\n#\n#\n"},
		{"ext2 blocks of 4096", "-t ext2 -I 128 -b 4096", legacyTree(), "boot/grub/default", "2\n#\n#\n"},
		{"ext3", "-t ext3 -I 128", legacyTree(), "boot/grub/default", "2\n#\n#\n"},
		{"ext4", "-t ext4", grub2Tree(env), "boot/grub/grubenv", "# GRUB Environment Block\n# a comment\nsaved_entry=backup\nother=a\\\\b\nlast=x\n###"},
		{"ext4 blocks of 1024, inodes of 128", "-t ext4 -b 1024 -I 128", legacyTree(), "boot/grub/default", "2\n#\n#\n"},
		{"FAT16 as GRUB Legacy reads it", "vfat -F 16 -s 1", legacyTree(), "boot/grub/default", "2\n#\n#\n"},
		{"FAT12", "vfat -F 12", grub2Tree(env), "boot/grub/grubenv", "# GRUB Environment Block\n# a comment\nsaved_entry=backup\nother=a\\\\b\nlast=x\n###"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, tt.mkfs, tt.files).disk()
			before := f.bytes()
			p, log, err := apply(t, Request{Report: f.report(), Slot: "backup"})
			if err != nil {
				t.Fatal(err)
			}
			after := f.bytes()
			sector := partStart/512 + int(p.spot.blocks.Sector)
			if got := changed(before, after); !slices.Equal(got, []int{sector}) {
				t.Errorf("changed sectors %v, want only %d", got, sector)
			}
			got := f.cat(tt.mkfs, tt.path)
			if !strings.HasPrefix(got, tt.want) || len(got) != len(tt.files[tt.path]) {
				t.Errorf("%s = %q of %d bytes, want %q of %d", tt.path, got, len(got), tt.want, len(tt.files[tt.path]))
			}
			f.check(tt.mkfs)
			want := f.path + " partition 1 sector " + strconv.Itoa(sector-partStart/512) + ": " + p.From + " -> " + p.To
			if len(log) != 1 || log[0] != want {
				t.Errorf("reported %q, want %q", log, want)
			}
			f.asGRUB(tt.mkfs, tt.path, got, sector-partStart/512)

			again, log, err := apply(t, Request{Report: f.report(), Slot: "backup"})
			if err != nil || !again.Nothing() || log != nil || !bytes.Equal(f.bytes(), after) {
				t.Errorf("the second time: %v, %q, %v, want nothing", again.Nothing(), log, err)
			}
		})
	}
}

// TestSetDamaged has a file system on which the kernel found an error once: GRUB goes on to boot from
// it, so a good boot can be confirmed on it.
func TestSetDamaged(t *testing.T) {
	f := newFixture(t, "-t ext4", legacyTree())
	f.debugfs("ssv state 3")
	r := f.disk().report()
	p, _, err := apply(t, Request{Report: r, Entry: "2", Booted: true})
	if err != nil || !slices.Contains(p.notes, "the kernel found errors on it: e2fsck is due") {
		t.Errorf("%v, notes %q", err, p.notes)
	}
	if want := f.path + ":1: the kernel found errors on it: e2fsck is due"; !slices.Contains(r.Problems, want) {
		t.Errorf("status: %q, want %q among them", r.Problems, want)
	}
}

// cat is the file as the tools of its file system read it.
func (f *fixture) cat(mkfs, path string) string {
	f.t.Helper()
	if strings.HasPrefix(mkfs, "vfat") {
		return run(f.t, "mtools", "", "mtype", "-i", f.path+"@@"+strconv.FormatInt(f.from, 10), "::"+path)
	}
	out := filepath.Join(f.t.TempDir(), "out")
	run(f.t, "e2fsprogs", "", "debugfs", "-R", "dump /"+path+" "+out, f.partition())
	b, err := os.ReadFile(out)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(b)
}

// check lets the tools of the file system look whether it is whole.
func (f *fixture) check(mkfs string) {
	f.t.Helper()
	if strings.HasPrefix(mkfs, "vfat") {
		run(f.t, "dosfstools", "", "fsck.fat", "-n", f.partition())
		return
	}
	run(f.t, "e2fsprogs", "", "e2fsck", "-fn", f.partition())
}

// asGRUB asks GRUB itself: Legacy's shell where the sector is, GRUB 2's own file systems for the text.
func (f *fixture) asGRUB(mkfs, path, text string, sector int) {
	f.t.Helper()
	if strings.HasSuffix(path, "grubenv") {
		got := run(f.t, "grub-common", "", "grub-fstest", f.path, "cat", "(loop0,msdos1)/"+path)
		if got != text {
			f.t.Errorf("GRUB 2 reads %q, want %q", got, text)
		}
		name := filepath.Join(f.t.TempDir(), "grubenv")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			f.t.Fatal(err)
		}
		list := run(f.t, "grub-common", "", "grub-editenv", name, "list")
		if list != "saved_entry=backup\nother=a\\b\nlast=x\n" {
			f.t.Errorf("grub-editenv lists %q", list)
		}
		return
	}
	if strings.HasPrefix(mkfs, "-t ext4") {
		return // GRUB Legacy knows no extents
	}
	device := filepath.Join(f.t.TempDir(), "map")
	if err := os.WriteFile(device, []byte("(hd0) "+f.path+"\n"), 0o600); err != nil {
		f.t.Fatal(err)
	}
	out := run(f.t, "grub-legacy", "blocklist (hd0,0)/"+path+"\ncat (hd0,0)/"+path+"\nquit\n",
		"grub", "--batch", "--no-floppy", "--device-map="+device)
	place := regexp.MustCompile(`\(hd0,0\)(\d+)\+1\b`).FindStringSubmatch(out)
	if place == nil || place[1] != strconv.Itoa(sector) || !strings.Contains(out, "\n2\n#\n") {
		f.t.Errorf("%s: GRUB Legacy finds sector %v, want %d:\n%s", mkfs, place, sector, out)
	}
}

// TestPlanLines is the plan as people read it.
func TestPlanLines(t *testing.T) {
	legacy := newFixture(t, "-t ext2 -I 128 -b 1024", legacyTree()).disk()
	both := newFixture(t, "-t ext4", grub2Tree(grubenv("saved_entry=0", "next_entry=2"))).disk()
	for _, tt := range []struct {
		f       *fixture
		request Request
		want    string
	}{
		{legacy, Request{Slot: "backup"}, `default  0 "Active image" (active) -> 2 "Backup image" (backup)
writes   one sector, N of partition 1 of DISK (boot/grub/default), through the device
then     backup, maintenance`},
		{legacy, Request{Slot: "active"}, `default  0 "Active image" (active), as it is
writes   nothing
then     active, active, backup, maintenance`},
		{legacy, Request{Entry: "5"}, `default  0 "Active image" (active) -> 5 "Other system"
writes   one sector, N of partition 1 of DISK (boot/grub/default), through the device
then     entry 5
note     the entry boots none of the slots: nothing here says whether it works`},
		{both, Request{Slot: "active"}, `default  0 "Active image" (active) -> 0 "Active image" (active)
writes   one sector, N of partition 1 of DISK (boot/grub/grubenv), through the device
then     active
once     2 "Maintenance" (maintenance) was asked for the next boot alone: forgotten`},
	} {
		tt.request.Report = tt.f.report()
		p, err := tt.request.Plan()
		got := strings.ReplaceAll(p.String(), tt.f.path, "DISK")
		got = regexp.MustCompile(`sector, \d+`).ReplaceAllString(got, "sector, N")
		if err != nil || got != tt.want {
			t.Errorf("plan of %+v: %v\n%s\nwant\n%s", tt.request.Slot+tt.request.Entry, err, got, tt.want)
		}
	}
	if _, _, err := apply(t, Request{Report: both.report(), Slot: "active"}); err != nil {
		t.Fatal(err)
	}
	if got := both.cat("", "boot/grub/grubenv"); !strings.HasPrefix(got, "# GRUB Environment Block\nsaved_entry=0\nnext_entry=\n#") {
		t.Errorf("grubenv = %q, want next_entry empty", got)
	}
}

// TestRetries is confirm's sum, on a menu and on its absence.
func TestRetries(t *testing.T) {
	for _, tt := range []struct {
		saved, retries int
		raw            string
		menu           bool
		want           string // "" for a refusal
	}{
		{1, 2, "", true, "0"},
		{3, 2, "", true, "2"},
		{0, 2, "", true, "0"},
		{2, 2, "", true, ""}, // in doubt
		{2, 0, "-2", true, "0"},
		{3, 0, "-2", true, "2"},
		{5, 2, "", true, ""}, // entry 4, factory, is empty
		{5, 2, "", false, "4"},
		{1, -1, "", true, ""},
		{8, 0, "-3", false, "6"},
		{2, 0, "-0", false, ""},
	} {
		files := legacyTree()
		files["boot/grub/default"] = strconv.Itoa(tt.saved) + files["boot/grub/default"][1:]
		if !tt.menu {
			delete(files, "boot/grub/menu.lst")
		}
		f := newFixture(t, "-t ext2", files).disk()
		p, _, err := apply(t, Request{Report: f.report(), Retries: tt.retries, Entry: tt.raw})
		if tt.want == "" {
			if err == nil {
				t.Errorf("saved %d, %d%s: %s, want a refusal", tt.saved, tt.retries, tt.raw, p.To)
			}
			continue
		}
		if got := f.cat("", "boot/grub/default"); err != nil || p.To != tt.want || !strings.HasPrefix(got, tt.want+"\n") {
			t.Errorf("saved %d, %d%s: %q, %v, file %.5q, want %s", tt.saved, tt.retries, tt.raw, p.To, err, got, tt.want)
		}
	}
}

// TestHostileNames: what is saved, and what a menu calls its entries, goes to terminals and to the log
// of the flash: it must not drive the one, nor begin a line of its own in the other.
func TestHostileNames(t *testing.T) {
	env := grubenv("saved_entry=\x1b[31mX\a\\\n2026-01-01 default: done")
	f := newFixture(t, "-t ext4", grub2Tree(env)).disk()
	p, log, err := apply(t, Request{Report: f.report(), Slot: "backup"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(p.From, "\x1b") {
		t.Fatalf("saved is %q", p.From)
	}
	for _, text := range append(log, p.String()) {
		for line := range strings.SplitSeq(text, "\n") {
			if strings.ContainsFunc(line, unicode.IsControl) || strings.HasPrefix(line, "2026") {
				t.Errorf("said %q", text)
			}
		}
	}
	if len(log) != 1 {
		t.Errorf("reported %q", log)
	}
}
