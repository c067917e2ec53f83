package grubdefault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"holdfast/flash/grub"
	"holdfast/flash/store"
	"holdfast/flash/volume"
	"holdfast/ops"
	"holdfast/ops/status"
)

// with is a tree with a file replaced, or taken out where text is "".
func with(tree map[string]string, name, text string) map[string]string {
	tree[name] = text
	if text == "" {
		delete(tree, name)
	}
	return tree
}

// TestRefuses is about disks and wishes that must leave every byte where it is.
func TestRefuses(t *testing.T) {
	const saved, env = "boot/grub/default", "boot/grub/grubenv"
	const ext2, ext4 = "-t ext2 -I 128 -b 1024", "-t ext4 -b 1024"
	twoBlocks := "0\n" + strings.Repeat("#\n", 1023)
	long := strings.Repeat("x", 600)
	for _, tt := range []struct {
		name, mkfs string
		files      map[string]string
		spoil      func(f *fixture) // before the disk is made
		later      func(f *fixture) // when the report was made
		request    Request          // Slot backup when empty
		want       string           // in the error
		code       ops.Kind
	}{
		{name: "missing file", mkfs: ext2, files: with(legacyTree(), saved, ""), want: "not exist", code: ops.Invalid},
		{name: "9 bytes", mkfs: ext2, files: with(legacyTree(), saved, "0\n#######"), want: "at least 10", code: ops.Invalid},
		{name: "no number", mkfs: ext2, files: with(legacyTree(), saved, "saved\n#######"), want: "not the number", code: ops.Invalid},
		{name: "grubenv of 1023", mkfs: ext4, files: grub2Tree(grubenv("saved_entry=0")[:1023]), want: "1023 bytes", code: ops.Invalid},
		{name: "grubenv of 1025", mkfs: ext4, files: grub2Tree(grubenv("saved_entry=0") + "#"), want: "1025 bytes", code: ops.Invalid},
		{name: "grubenv full", mkfs: ext4, files: grub2Tree(grubenv("saved_entry=0", "x="+strings.Repeat("x", 1024-25-14-3))),
			request: Request{Entry: "10"}, want: `no entry "10"`, code: ops.Refused},
		{name: "grubenv shifts its second sector", mkfs: ext4, files: grub2Tree(grubenv("x="+long[:450], "saved_entry=maintenance", "y=z", "z="+long[:100])),
			want: "first sector", code: ops.Refused},
		{name: "grubenv saved in its second sector", mkfs: ext4, files: grub2Tree(grubenv("x="+long, "saved_entry=active")),
			want: "first sector", code: ops.Refused},
		{name: "inline data", mkfs: "-t ext4 -O inline_data -I 256", files: with(legacyTree(), saved, "0\n#########\n"), want: "inline", code: ops.Refused},
		{name: "hole", mkfs: ext2, files: with(legacyTree(), saved, twoBlocks), want: "not one plain extent", code: ops.Refused,
			spoil: func(f *fixture) { f.debugfs("punch " + saved + " 1 1") }},
		{name: "all hole", mkfs: ext2, files: with(legacyTree(), saved, twoBlocks), want: "not one plain extent", code: ops.Refused,
			spoil: func(f *fixture) { f.debugfs("punch " + saved + " 0 1") }},
		{name: "unwritten extent", mkfs: ext4, files: with(legacyTree(), saved, twoBlocks), want: "unwritten", code: ops.Refused,
			spoil: func(f *fixture) { f.debugfs("punch " + saved + " 0 1\nfallocate " + saved + " 0 1") }},
		{name: "two extents", mkfs: ext2, files: with(legacyTree(), saved, twoBlocks), want: "several places", code: ops.Refused,
			spoil: func(f *fixture) { f.debugfs("sif " + saved + " block[1] 5000") }},
		{name: "outside of the partition", mkfs: ext2, files: legacyTree(), want: "outside of the file system", code: ops.Refused,
			spoil: func(f *fixture) { f.debugfs("sif " + saved + " block[0] 4000000") }},
		{name: "dirty journal", mkfs: ext4, files: legacyTree(), want: "journal", code: ops.Refused, spoil: soil},
		{name: "directory loop", mkfs: ext2, files: legacyTree(), want: "default in boot/grub or grub: file does not exist", code: ops.Invalid,
			spoil: func(f *fixture) { f.debugfs("unlink boot/grub\nlink boot boot/grub") }},
		{name: "link loop", mkfs: ext2, files: legacyTree(), want: "too many symbolic links", code: ops.Invalid,
			spoil: func(f *fixture) { f.debugfs("rm " + saved + "\ncd boot/grub\nsymlink default default") }},
		{name: "corrupt superblock", mkfs: ext2, files: legacyTree(), want: "no file system that is known here", code: ops.Invalid,
			later: func(f *fixture) { f.overwrite(partStart+1024+56, []byte{0, 0}) }},
		{name: "truncated", mkfs: ext2, files: legacyTree(), want: "partition 1 is outside of the disk", code: ops.Invalid,
			later: func(f *fixture) {
				if err := os.Truncate(f.path, partStart+partSize/2); err != nil {
					f.t.Fatal(err)
				}
			}},
		{name: "entry out of range", mkfs: ext2, files: legacyTree(), request: Request{Entry: "6"}, want: `no entry "6"`, code: ops.Refused},
		{name: "entry that is none", mkfs: ext2, files: legacyTree(), request: Request{Entry: "nonsense"}, want: `no entry "nonsense"`, code: ops.Refused},
		{name: "empty slot", mkfs: ext2, files: legacyTree(), request: Request{Slot: "factory"}, want: "factory is empty", code: ops.Refused},
		{name: "entry of an empty slot", mkfs: ext2, files: legacyTree(), request: Request{Entry: "4"}, want: "factory is empty", code: ops.Refused},
		{name: "kernel that is none", mkfs: ext2, files: with(legacyTree(), "system/backup/kernel.img", "none"), want: "backup cannot boot", code: ops.Refused},
		{name: "kernel of another name", mkfs: ext2, files: with(legacyTree(), "boot/grub/menu.lst", strings.Replace(legacyMenu, "backup/kernel.img", "backup/vmlinuz", 1)),
			want: "backup has no vmlinuz", code: ops.Refused},
		{name: "no initrd", mkfs: ext2, files: with(legacyTree(), "boot/grub/menu.lst", strings.Replace(legacyMenu, "img=backup\n", "img=backup\n\tinitrd /system/backup/initrd.img\n", 1)),
			want: "backup has no initrd.img, which the entry names", code: ops.Refused},
		{name: "no maintenance initrd", mkfs: ext2, files: with(legacyTree(), "boot/grub/menu.lst", strings.Replace(legacyMenu, "img=maint\n", "img=maint\n\tinitrd /firmware/initrd.img\n", 1)),
			request: Request{Slot: "maintenance"}, want: "maintenance names an initrd that is not there, /firmware/initrd.img", code: ops.Refused},
		{name: "damaged image", mkfs: ext2, files: with(legacyTree(), "system/backup/SHA256SUMS", strings.Repeat("0", 64)+"  kernel.img\n"),
			want: "kernel.img: hash differs", code: ops.Refused},
		{name: "entry of a damaged image", mkfs: ext2, files: with(legacyTree(), "system/backup/SHA256SUMS", strings.Repeat("0", 64)+"  kernel.img\n"),
			request: Request{Entry: "2"}, want: "backup is damaged", code: ops.Refused},
		{name: "no maintenance kernel", mkfs: ext2, files: with(legacyTree(), "firmware/kernel.img", ""),
			spoil:   func(f *fixture) { f.debugfs("rm firmware/kernel.img") },
			request: Request{Slot: "maintenance"}, want: "maintenance names a kernel that is not there", code: ops.Refused},
		{name: "slot without an entry", mkfs: ext2, files: with(legacyTree(), "boot/grub/menu.lst", legacyMenu[:strings.Index(legacyMenu, "title Backup")]),
			want: "no entry boots backup", code: ops.Refused},
		{name: "default not saved", mkfs: ext2, files: with(legacyTree(), "boot/grub/menu.lst", strings.Replace(legacyMenu, "default saved", "default 0", 1)),
			want: "does not boot the saved default", code: ops.Refused},
		{name: "no menu", mkfs: ext2, files: with(legacyTree(), "boot/grub/menu.lst", ""), want: "menu", code: ops.Invalid},
		{name: "locked by a virtual machine", mkfs: ext2, files: legacyTree(), want: "locked by another program", code: ops.Refused, later: lockImage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, tt.mkfs, tt.files)
			if tt.spoil != nil {
				tt.spoil(f)
			}
			tt.request.Report = f.disk().report()
			if tt.later != nil {
				tt.later(f)
			}
			if tt.request.Slot+tt.request.Entry == "" {
				tt.request.Slot = "backup"
			}
			before := sha256.Sum256(f.bytes())
			_, _, err := apply(t, tt.request)
			if err == nil || ops.ExitCode(err) != int(tt.code) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, exit %d, want one with %q, exit %d", err, ops.ExitCode(err), tt.want, tt.code)
			}
			if sha256.Sum256(f.bytes()) != before {
				t.Error("the disk has changed")
			}
			t.Log(err)
		})
	}
}

// overwrite puts bytes on the disk.
func (f *fixture) overwrite(at int64, b []byte) {
	f.t.Helper()
	file, err := os.OpenFile(f.path, os.O_WRONLY, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt(b, at); err != nil {
		f.t.Fatal(err)
	}
}

// soil leaves a transaction in the journal, as a power cut may.
func soil(f *fixture) {
	block := filepath.Join(f.t.TempDir(), "block")
	if err := os.WriteFile(block, []byte(strings.Repeat("J", 1024)), 0o600); err != nil {
		f.t.Fatal(err)
	}
	f.debugfs("jo\njw -b 7000 " + block + "\njc")
	if super := run(f.t, "e2fsprogs", "", "dumpe2fs", "-h", f.part); !strings.Contains(super, "needs_recovery") {
		f.t.Fatalf("the journal is clean:\n%s", super)
	}
}

// lockImage locks the disk as QEMU does (block/file-posix.c, RAW_LOCK_PERM_BASE).
func lockImage(f *fixture) {
	file, err := os.OpenFile(f.path, os.O_RDWR, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { file.Close() })
	lock := unix.Flock_t{Type: unix.F_RDLCK, Start: 100, Len: 1}
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		f.t.Fatal(err)
	}
}

func TestRefusesWithoutADisk(t *testing.T) {
	r := newFixture(t, "-t ext2", legacyTree()).disk().report()
	demo, none := *r, *r
	demo.Target.GRUB = status.Place{FS: r.Target.GRUB.FS}
	none.Target.GRUB = status.Place{Problem: "neither boot/grub nor grub"}
	for _, tt := range []struct {
		report *status.Report
		want   string
		code   int
	}{
		{&demo, "this is a demonstration: nothing can be written", 6},
		{&none, "find GRUB's saved default: neither boot/grub nor grub", 2},
	} {
		if _, err := (Request{Report: tt.report, Slot: "backup"}).Plan(); err == nil || err.Error() != tt.want || ops.ExitCode(err) != tt.code {
			t.Errorf("Plan = %v, exit %d, want %q, exit %d", err, ops.ExitCode(err), tt.want, tt.code)
		}
	}
}

// TestChangedSince has somebody else write between the plan and its carrying out.
func TestChangedSince(t *testing.T) {
	for name, change := range map[string]func(f *fixture, p Plan){
		"default": func(f *fixture, p Plan) {
			f.overwrite(partStart+p.spot.blocks.Sector*512, []byte("1"))
		},
		"volume": func(f *fixture, _ Plan) { // a clone, but for its UUID
			f.overwrite(partStart+1024+0x68, []byte("another"))
		},
		"menu": func(f *fixture, _ Plan) {
			at := strings.Index(string(f.bytes()), "title Active image (retry)")
			f.overwrite(int64(at), []byte("#"))
		},
	} {
		for _, r := range []Request{{Slot: "backup"}, {Entry: "2"}} { // with the other menu, entry 2 is maintenance
			f := newFixture(t, "-t ext2", legacyTree()).disk()
			r.Report = f.report()
			p, err := r.Plan()
			if err != nil {
				t.Fatal(err)
			}
			change(f, p)
			before := sha256.Sum256(f.bytes())
			if err := p.Apply(t.Context(), ops.Discard); ops.ExitCode(err) != int(ops.Refused) {
				t.Errorf("%s: Apply = %v, want a refusal", name, err)
			}
			if sha256.Sum256(f.bytes()) != before {
				t.Errorf("%s: the disk has changed", name)
			}
		}
	}
}

// TestInForce has writing fail before and after the sector was written.
func TestInForce(t *testing.T) {
	f := newFixture(t, "-t ext2", legacyTree()).disk()
	p, err := Request{Report: f.report(), Slot: "backup"}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	at := partStart + p.spot.blocks.Sector*512
	check := func(want string) {
		t.Helper()
		if got := p.inForce(fail(ops.NotWritable, "", unix.EIO, "")); got.Error() != want || ops.ExitCode(got) != int(ops.NotWritable) {
			t.Errorf("inForce = %q, exit %d, want %q", got, ops.ExitCode(got), want)
		}
	}
	check(`input/output error; GRUB still finds 0 "Active image" (active)`)
	f.overwrite(at, p.change.New)
	check(`input/output error; GRUB finds 2 "Backup image" (backup) now all the same`)
	f.overwrite(at, []byte("1"))
	check("input/output error; GRUB finds something else now")
	if err := os.Truncate(f.path, at); err != nil {
		t.Fatal(err)
	}
	check("input/output error; what GRUB finds now cannot be read: read " + f.path + ": unexpected EOF")
}

// TestWriteErrors: a device that fails when it is written to is one that cannot be written, not a flash that is missing.
func TestWriteErrors(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want ops.Kind
	}{
		{unix.EIO, ops.NotWritable}, {unix.EROFS, ops.NotWritable}, {unix.EPERM, ops.NotWritable}, {unix.EBUSY, ops.NotWritable}, {unix.ENOSPC, ops.NoSpace},
		{unix.ENOMEM, ops.Internal}, {store.ErrChanged, ops.Refused}, {store.ErrReadBack, ops.Internal}, {&ops.Error{Kind: ops.Refused}, ops.Refused},
	} {
		if got := explain(fmt.Errorf("sync default: %w", tt.err)); ops.ExitCode(got) != int(tt.want) {
			t.Errorf("%v: exit %d, want %d", tt.err, ops.ExitCode(got), tt.want)
		}
	}
}

// TestBooted confirms an image that was booted from: that its list of hashes is wrong does not matter.
func TestBooted(t *testing.T) {
	f := newFixture(t, "-t ext2", with(legacyTree(), "system/backup/SHA256SUMS", strings.Repeat("0", 64)+"  kernel.img\n")).disk()
	if _, _, err := apply(t, Request{Report: f.report(), Entry: "2", Booted: true}); err != nil {
		t.Error(err)
	}
}

// TestProve has a file that shows something else than the device holds, be it in its second sector.
func TestProve(t *testing.T) {
	f := newFixture(t, "-t ext4", grub2Tree(grubenv("saved_entry=0"))).disk()
	r := Request{Report: f.report()}
	l, s, err := r.find(r.Report.Target.GRUB.Volume)
	if err != nil || s.prove(l.text) != nil {
		t.Fatal(err, s.prove(l.text))
	}
	for _, at := range []int{0, 511, 512, 1023} {
		text := bytes.Clone(l.text)
		text[at]++
		if err := s.prove(text); !errors.Is(err, errDiffers) || ops.ExitCode(err) != int(ops.Refused) {
			t.Errorf("prove, byte %d differs: %v, want errDiffers", at, err)
		}
	}
}

func TestApplyCancelled(t *testing.T) {
	f := newFixture(t, "-t ext2", legacyTree()).disk()
	p, err := Request{Report: f.report(), Slot: "backup"}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := sha256.Sum256(f.bytes())
	if err := p.Apply(ctx, ops.Discard); !errors.Is(err, context.Canceled) || sha256.Sum256(f.bytes()) != before {
		t.Errorf("Apply, cancelled = %v, want context.Canceled and the disk as it was", err)
	}
}

// TestApplyWaits has somebody else at the flash, or at GRUB's files that another flash may share, until
// it is said that we wait.
func TestApplyWaits(t *testing.T) {
	boot := newFixture(t, "-t ext2", legacyTree()).disk()
	other := newFixture(t, "-t ext2", nil).disk()
	for _, f := range []*fixture{boot, other} {
		v, err := volume.Open(other.path)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		r, err := status.Read(status.Target{FS: v.FS(), Volume: v, Name: other.path, GRUB: boot.report().Target.GRUB})
		if err != nil {
			t.Fatal(err)
		}
		slot := map[*fixture]string{boot: "backup", other: "active"}[f]
		p, err := Request{Report: r, Slot: slot}.Plan()
		if err != nil {
			t.Fatal(err)
		}
		unlock, err := store.Lock(t.Context(), f.path, func() {})
		if err != nil {
			t.Fatal(err)
		}
		log := waiter{unlock: unlock}
		err = p.Apply(t.Context(), &log)
		if want := fmt.Sprintf("waiting for %s: another holdfast is at work there (pid %d)", f.path, os.Getpid()); err != nil || len(log.said) != 2 || log.said[0] != want {
			t.Errorf("Apply = %v and reports %q, want %q first", err, log.said, want)
		}
		unlock()
	}
}

// waiter is a Reporter that unlocks when it is told anything.
type waiter struct {
	said
	unlock func()
}

func (w *waiter) Log(line string) {
	w.said.Log(line)
	w.unlock()
}

// stage2Sector is the sector by the offsets that Formilux's grub-mbr-default has.
func stage2Sector(entry uint32) []byte {
	b := make([]byte, 512)
	copy(b, []byte{0xea, 0x70, 0x22, 0, 0, 0, 3, 2, 0xff, 0xff, 0xff, 0})
	binary.LittleEndian.PutUint32(b[0xc:], entry)
	copy(b[0x12:], "0.96\x00/boot/grub/menu.lst\x00")
	for i := 0x70; i < len(b); i++ {
		b[i] = byte(i) // code
	}
	return b
}

// TestStage2 sets the default behind the MBR, with a menu on the partition and without.
func TestStage2(t *testing.T) {
	for _, tt := range []struct {
		name    string
		saved   uint32
		menu    bool
		request Request
		spoil   int // this byte of the sector is wrong, 0 for none
		want    int // -1 for a refusal
		code    ops.Kind
	}{
		{"slot", 0, true, Request{Slot: "backup"}, 0, 2, 0},
		{"entry", 1, true, Request{Entry: "0"}, 0, 0, 0},
		{"confirm", 1, true, Request{Retries: 2}, 0, 0, 0},
		{"confirm without a menu", 3, false, Request{Retries: 2}, 0, 2, 0},
		{"in doubt", 2, false, Request{Retries: 2}, 0, -1, ops.Refused},
		{"sum", 2, false, Request{Entry: "-2"}, 0, 0, 0},
		{"groups of three", 6, false, Request{Entry: "-3"}, 0, 3, 0},
		{"any entry without a menu", 0, false, Request{Entry: "239"}, 0, 239, 0},
		{"state of the loader", 0, false, Request{Entry: "240"}, 0, -1, ops.Refused},
		{"too large", 0, false, Request{Entry: "256"}, 0, -1, ops.Refused},
		{"no number", 0, false, Request{Entry: "x"}, 0, -1, ops.Refused},
		{"slot without a menu", 0, false, Request{Slot: "active"}, 0, -1, ops.Invalid},
		{"sum from a state", 240, false, Request{Entry: "-3"}, 0, -1, ops.Refused},
		{"entry that is not in the menu", 0, true, Request{Entry: "6"}, 0, -1, ops.Refused},
		{"wrong version", 0, true, Request{Slot: "backup"}, 6, -1, ops.Invalid},
		{"wrong partition", 0, true, Request{Slot: "backup"}, 8, -1, ops.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := with(legacyTree(), "boot/grub/default", "")
			if !tt.menu {
				delete(files, "boot/grub/menu.lst")
			}
			f := newFixture(t, "-t ext2", files).disk()
			sector := stage2Sector(tt.saved)
			if tt.spoil != 0 {
				sector[tt.spoil]++
			}
			f.overwrite(1024, sector)
			before := f.bytes()
			tt.request.Report = f.report()
			p, _, err := apply(t, tt.request)
			got := changed(before, f.bytes())
			if tt.want < 0 {
				if len(got) != 0 || ops.ExitCode(err) != int(tt.code) {
					t.Errorf("%v, exit %d, changed sectors %v, want exit %d and none", err, ops.ExitCode(err), got, tt.code)
				}
				return
			}
			want := stage2Sector(uint32(tt.want))
			if err != nil || p.Nothing() || len(got) != 1 || got[0] != 2 || string(f.bytes()[1024:1536]) != string(want) {
				t.Errorf("%v, changed sectors %v, entry %d, want %d in sector 2", err, got, f.bytes()[1024+0xc], tt.want)
			}
			if saved, err := grub.Stage2.Decode(f.bytes()[1024:1536]); err != nil || saved.Entry() != p.To {
				t.Errorf("decodes as %v, %v", saved, err)
			}
		})
	}
}

// TestDiskIsGone: what is mounted from a disk that was pulled says so, and not that it is another one.
func TestDiskIsGone(t *testing.T) {
	const noDisk = "/sys" // mounted everywhere, of no disk
	_, err := open(status.Place{FS: os.DirFS(noDisk), Volume: &volume.Volume{Name: noDisk, Disk: "/dev/vda", Dir: noDisk}})
	if err == nil || err.Error() != "/sys: /dev/vda is gone" {
		t.Errorf("open: %v", err)
	}
}
