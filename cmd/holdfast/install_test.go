package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/kexec/kexectest"
	"holdfast/ops"
	"holdfast/ops/status"
)

// packed makes an archive of a small image. The same seed gives the same initrd, of size bytes.
func packed(t testing.TB, dir, version string, size int, words ...string) string {
	t.Helper()
	kernel, initrd := filepath.Join(dir, version+".kernel"), filepath.Join(dir, version+".initrd")
	must(t, os.WriteFile(kernel, kexectest.Kernel("6.1.0-"+version), 0o644))
	noise := make([]byte, size)
	seed := [32]byte{}
	copy(seed[:], version)
	_, _ = rand.NewChaCha8(seed).Read(noise)
	must(t, os.WriteFile(initrd, noise, 0o644))
	name := filepath.Join(dir, version+".tgz")
	holdfast(t, append([]string{"image", "pack", "--kernel", kernel, "--initrd", initrd, "--version", version, "--args", "quiet", "--force", "-o", name}, words...)...)
	return name
}

// shelf is a flash in an image file, and archives to install to it.
type shelf struct {
	dir, flash string
	archives   map[string]string
}

// newShelf makes a flash of active 1.3.124 and backup 1.3.123, factory 1.0.0, on a file system of a type
// and size, and an archive of 1.3.125. Their initrds have size bytes.
func newShelf(t testing.TB, fstype, room string, size int) shelf {
	t.Helper()
	s := shelf{dir: t.TempDir(), archives: map[string]string{}}
	root := filepath.Join(s.dir, "root")
	for slot, version := range map[string]string{"active": "1.3.124", "backup": "1.3.123", "factory": "1.0.0"} {
		s.archives[version] = packed(t, s.dir, version, size)
		unpackInto(t, s.archives[version], filepath.Join(root, "system", slot))
	}
	s.archives["1.3.125"] = packed(t, s.dir, "1.3.125", size)
	must(t, os.MkdirAll(filepath.Join(root, "cfg"), 0o755))
	s.make(t, fstype, room, root)
	return s
}

func (s *shelf) make(t testing.TB, fstype, room, root string) {
	t.Helper()
	s.flash = filepath.Join(s.dir, "flash.img")
	tool(t, "e2fsprogs", s.dir, "mke2fs", "-q", "-t", fstype, "-I", "128", "-b", "1024", "-m", "0", "-d", root, s.flash, room)
}

func unpackInto(t testing.TB, archive, dir string) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	tool(t, "tar", dir, "tar", "xzf", archive, "--strip-components=1")
}

// cli runs the program on this flash.
func (s shelf) cli(line string) (code int, out, errs string) {
	return cli(append(strings.Fields(line), "--flash", s.flash)...)
}

// do wants a command to be done.
func (s shelf) do(t testing.TB, line string) string {
	t.Helper()
	code, out, errs := s.cli(line)
	if code != 0 {
		t.Fatalf("holdfast %s: exit %d\n%s%s", line, code, out, errs)
	}
	return out + errs
}

// tree copies the flash to a directory by debugfs, which knows nothing of us, and gives the hash of every
// file but the log, and the empty directories.
func (s shelf) tree(t testing.TB) (dir string, files map[string]string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "dump")
	must(t, os.Mkdir(dir, 0o755))
	tool(t, "e2fsprogs", s.dir, "e2fsck", "-fn", s.flash)
	tool(t, "e2fsprogs", s.dir, "debugfs", "-R", "rdump / "+dir, s.flash)
	files = map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		switch {
		case err != nil || name == "lost+found" || name == "cfg/holdfast.log":
		case d.IsDir():
			files[name] = "directory"
		default:
			files[name] = fmt.Sprintf("%x", sha256.Sum256(readFile(t, path)))
		}
		return err
	}))
	return dir, files
}

// holds wants whole images of these versions in the slots, "" for an empty one, as sha256sum sees them,
// and nothing left behind.
func (s shelf) holds(t testing.TB, active, backup string) {
	t.Helper()
	dir, files := s.tree(t)
	for slot, version := range map[string]string{"active": active, "backup": backup, "factory": "1.0.0"} {
		path := filepath.Join(dir, "system", slot)
		if version == "" {
			if _, ok := files["system/"+slot+"/kernel.img"]; ok {
				t.Errorf("%s is not empty", slot)
			}
			continue
		}
		if got := strings.TrimSpace(string(readFile(t, filepath.Join(path, "kernel.ver")))); got != version {
			t.Errorf("%s holds %s, want %s", slot, got, version)
		}
		tool(t, "coreutils", path, "sha256sum", "--strict", "-c", "SHA256SUMS")
	}
	for _, name := range []string{"incoming", "hold", "trash"} {
		if _, ok := files["system/"+name]; ok {
			t.Errorf("system/%s is left behind", name)
		}
	}
}

func (s shelf) slot(t testing.TB, name string) status.SlotDocument {
	t.Helper()
	doc := document(t, "status", "--flash", s.flash)
	return doc.Slots[slices.IndexFunc(doc.Slots, func(d status.SlotDocument) bool { return d.Name == name })]
}

// state is how a slot stands: "trial 3", "confirmed".
func (s shelf) state(t testing.TB, name string) string {
	d := s.slot(t, name)
	if d.TriesLeft != nil {
		return fmt.Sprintf("%s %d", d.State, *d.TriesLeft)
	}
	return d.State
}

// TestLifeOfImages goes through what people do, and after every step another program judges the flash.
func TestLifeOfImages(t *testing.T) {
	for _, fstype := range []string{"ext2", "ext3", "ext4"} {
		t.Run(fstype, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, fstype, "8M", 300<<10)
			image := s.archives["1.3.125"]
			for _, step := range []struct {
				line, says, active, backup, activeState, backupState string
			}{
				{"install " + image + " --dry-run", "deletes  backup, 1.3.123 (unknown)", "1.3.124", "1.3.123", "unknown", "unknown"},
				{"repair --yes", "nothing", "1.3.124", "1.3.123", "unknown", "unknown"},
				{"install " + image + " --tries 2 --yes", "1.3.125 is active", "1.3.125", "1.3.124", "trial 2", "unknown"},
				{"install " + image + " --yes", "installed already", "1.3.125", "1.3.124", "trial 2", "unknown"},
				{"rotate --yes", "1.3.124 is active", "1.3.124", "1.3.125", "unknown", "trial 2"},
				{"rotate --yes", "1.3.125 is active, on trial with 3 tries", "1.3.125", "1.3.124", "trial 2", "unknown"},
				{"install " + s.archives["1.3.123"] + " --stage-only --yes", "1.3.123 is staged", "1.3.125", "1.3.124", "trial 2", "unknown"},
				{"install " + s.archives["1.3.123"] + " --stage-only --yes", "staged already", "1.3.125", "1.3.124", "trial 2", "unknown"},
				{"rotate 1.3.123 --tries 5 --yes", "1.3.123 is active", "1.3.123", "1.3.124", "trial 5", "unknown"},
				{"remove active --yes", "active, 1.3.123 (trial, 5 tries left) is removed", "", "1.3.124", "unknown", "unknown"},
				{"install " + image + " --yes", "1.3.125 is active", "1.3.125", "1.3.124", "trial 3", "unknown"},
				{"install " + s.archives["1.3.123"] + " --slot active --yes", "1.3.123 is active", "1.3.123", "1.3.124", "trial 3", "unknown"},
			} {
				if said := s.do(t, step.line); !strings.Contains(said, step.says) {
					t.Errorf("%s says\n%s\nwant %q", step.line, said, step.says)
				}
				s.holds(t, step.active, step.backup)
				if a, b := s.state(t, "active"), s.state(t, "backup"); a != step.activeState || b != step.backupState {
					t.Errorf("%s: active is %s, backup %s; want %s, %s", step.line, a, b, step.activeState, step.backupState)
				}
			}
		})
	}
}

// TestRefusals: what is refused leaves every file as it was.
func TestRefusals(t *testing.T) {
	s := newShelf(t, "ext2", "8M", 300<<10)
	s.do(t, "install "+s.archives["1.3.125"]+" --stage-only --yes")
	other := filepath.Join(s.dir, "other")
	must(t, os.Mkdir(other, 0o755))
	same := packed(t, other, "1.3.125", 1000) // another image with the same version
	big := packed(t, other, "1.4.0", 9<<20)
	odd := filepath.Join(other, "odd.tar") // of a version that holdfast packs none of
	must(t, os.WriteFile(filepath.Join(other, "kernel.img"), kexectest.Kernel("6.1.0-odd"), 0o644))
	must(t, os.WriteFile(filepath.Join(other, "kernel.ver"), []byte("1.4.\n"), 0o644))
	tool(t, "tar", other, "tar", "cf", odd, "kernel.img", "kernel.ver")
	damaged := filepath.Join(s.dir, "damaged.tgz")
	bytes := readFile(t, s.archives["1.3.125"])
	bytes[len(bytes)/2] ^= 0x10
	must(t, os.WriteFile(damaged, bytes, 0o644))
	must(t, os.WriteFile(filepath.Join(s.dir, "cut.tgz"), bytes[:len(bytes)/3], 0o644))
	_, before := s.tree(t)
	for _, tt := range []struct {
		line string
		code ops.Kind
		says string
	}{
		{"install " + s.archives["1.3.125"], ops.NotConfirmed, "give --yes"},
		{"install " + damaged + " --yes", ops.Invalid, ""},
		{"install " + filepath.Join(s.dir, "cut.tgz") + " --yes", ops.Invalid, ""},
		{"install " + s.dir + "/absent.tgz --yes", ops.Invalid, "absent.tgz"},
		{"install " + s.flash + " --yes", ops.Invalid, ""},
		{"install " + odd + " --stage-only --yes", ops.Invalid, `kernel.ver: keep as "1.4."`},
		{"install " + big + " --yes", ops.NoSpace, "it would not fit without 1.3.125 and backup either"},
		{"install " + same + " --stage-only --yes", ops.Refused, "another image is staged as 1.3.125"},
		{"install " + s.archives["1.3.123"] + " --yes", ops.Refused, "on the flash already, as the backup"},
		{"install " + s.archives["1.3.124"] + " --slot backup --yes", ops.Refused, "is the active image"},
		{"install " + s.archives["1.3.125"] + " --slot factory --yes", ops.Refused, "factory is never replaced"},
		{"install " + s.archives["1.3.125"] + " --slot pending --yes", ops.Usage, `no slot "pending"`},
		{"install " + s.archives["1.3.125"] + " --slot backup --stage-only --yes", ops.Usage, "goes into no slot"},
		{"install " + s.archives["1.3.125"] + " --tries 300 --yes", ops.Usage, "300 tries"},
		{"install " + s.archives["1.3.125"] + " --tries 0 --yes", ops.Usage, "0 tries"},
		{"rotate --tries 0 --yes", ops.Usage, "0 tries"},
		{"rotate 1.3.126 --yes", ops.Usage, `no version "1.3.126" is staged`},
		{"rotate backup --yes", ops.Usage, `no version "backup" is staged`},
		{"remove factory --yes", ops.Refused, "factory is never removed"},
		{"remove pending --yes", ops.Usage, `no image "pending"`},
		{"repair --clear active --yes", ops.Refused, "is not bad"},
		{"repair --clear pending --yes", ops.Usage, `no image "pending"`},
	} {
		code, out, errs := s.cli(tt.line)
		if code != int(tt.code) || !strings.Contains(errs, tt.says) {
			t.Errorf("%s: exit %d, want %d, %q\n%s%s", tt.line, code, tt.code, tt.says, out, errs)
		}
		if _, after := s.tree(t); !maps.Equal(before, after) {
			t.Fatalf("%s changed the flash:\n%q\n%q", tt.line, before, after)
		}
	}
}

// TestLastConfirmedStays: an image that has confirmed is never lost, whatever is asked for.
func TestLastConfirmedStays(t *testing.T) {
	s := newShelf(t, "ext2", "8M", 300<<10)
	s.do(t, "remove backup --yes")
	for _, line := range []string{"remove active --yes", "install " + s.archives["1.3.125"] + " --slot active --yes"} {
		if code, _, errs := s.cli(line); code != int(ops.Refused) || !strings.Contains(errs, "last confirmed image") {
			t.Errorf("%s: exit %d, %s", line, code, errs)
		}
	}
	s.holds(t, "1.3.124", "")
	s.do(t, "install "+s.archives["1.3.125"]+" --yes")
	s.holds(t, "1.3.125", "1.3.124")
	s.do(t, "install "+s.archives["1.3.123"]+" --yes") // the trial goes, not what counts
	s.holds(t, "1.3.123", "1.3.124")
	if code, _, errs := s.cli("rotate --bad --yes"); code != 0 {
		t.Errorf("rotate --bad: exit %d, %s", code, errs)
	}
	s.holds(t, "1.3.124", "1.3.123")
	if got := s.state(t, "backup"); got != "bad" {
		t.Errorf("backup is %s, want bad", got)
	}
	if code, _, errs := s.cli("rotate --yes"); code != int(ops.Refused) || !strings.Contains(errs, "repair --clear backup") {
		t.Errorf("rotate to a bad image: exit %d, %s", code, errs)
	}
	if code, _, errs := s.cli("remove active --yes"); code != int(ops.Refused) {
		t.Errorf("remove of what counts beside a bad image: exit %d, %s", code, errs)
	}
	s.do(t, "repair --clear backup --yes")
	if got := s.state(t, "backup"); got != "unknown" {
		t.Errorf("backup is %s, want unknown", got)
	}
}

// TestMakeRoom has a flash on which a third image has no room.
func TestMakeRoom(t *testing.T) {
	s := newShelf(t, "ext2", "4600K", 1200<<10)
	line := "install " + s.archives["1.3.125"] + " --yes"
	_, before := s.tree(t)
	code, out, errs := s.cli(line)
	if code != int(ops.NoSpace) || !strings.Contains(errs, "to remove backup first: --make-room") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if _, after := s.tree(t); !maps.Equal(before, after) {
		t.Error("a refusal changed the flash")
	}
	huge := packed(t, s.dir, "9", 6<<20)
	if code, _, errs := s.cli("install " + huge + " --yes"); code != int(ops.NoSpace) || !strings.Contains(errs, "it would not fit without backup either") {
		t.Errorf("what is too large in any case: exit %d, %s", code, errs)
	}
	bytes := readFile(t, s.archives["1.3.125"])
	short := filepath.Join(s.dir, "short.tgz") // its last bytes say that it is a gigabyte long
	must(t, os.WriteFile(short, append(slices.Clone(bytes[:len(bytes)-30000]), 0, 0, 0, 0x3f), 0o644))
	if code, _, errs := s.cli("install " + short + " --yes"); code != int(ops.Invalid) {
		t.Errorf("an archive that was cut short: exit %d, %s", code, errs)
	}
	bytes[len(bytes)-30000] ^= 1
	damaged := filepath.Join(s.dir, "damaged.tgz")
	must(t, os.WriteFile(damaged, bytes, 0o644))
	if code, _, errs := s.cli("install " + damaged + " --yes --make-room"); code != int(ops.Invalid) {
		t.Errorf("exit %d, %s", code, errs)
	}
	if _, after := s.tree(t); !maps.Equal(before, after) {
		t.Error("room was made for an archive that is no good")
	}
	if said := s.do(t, line+" --make-room"); !strings.Contains(said, "first    backup, 1.3.123 (unknown) is removed to make room") {
		t.Errorf("says\n%s", said)
	}
	s.holds(t, "1.3.125", "1.3.124")
}

// TestDamagedSlots: a damaged image never counts, and gives way; the same version repairs it.
func TestDamagedSlots(t *testing.T) {
	s := newShelf(t, "ext2", "8M", 300<<10)
	s.spoil(t, "system/active/initrd.img")
	if said := s.do(t, "install "+s.archives["1.3.124"]+" --yes"); !strings.Contains(said, "deletes  active, 1.3.124 (damaged)") {
		t.Errorf("says\n%s", said)
	}
	s.holds(t, "1.3.124", "1.3.123")
	s.spoil(t, "system/backup/kernel.img")
	if code, _, errs := s.cli("rotate --yes"); code != int(ops.Invalid) || !strings.Contains(errs, "backup is damaged: kernel.img: hash differs") {
		t.Errorf("rotate to a damaged image: exit %d, %s", code, errs)
	}
	if code, _, errs := s.cli("remove active --yes"); code != int(ops.Refused) {
		t.Errorf("remove of the only whole image: exit %d, %s", code, errs)
	}
	s.do(t, "install "+s.archives["1.3.123"]+" --yes")
	s.holds(t, "1.3.123", "1.3.124")
}

// spoil changes a byte in the middle of a file of the flash.
func (s shelf) spoil(t testing.TB, name string) {
	t.Helper()
	dir, _ := s.tree(t)
	b := readFile(t, filepath.Join(dir, name))
	b[len(b)/2] ^= 1
	file := filepath.Join(t.TempDir(), "spoilt")
	must(t, os.WriteFile(file, b, 0o644))
	tool(t, "e2fsprogs", s.dir, "debugfs", "-w", "-R", "rm /"+name, s.flash)
	tool(t, "e2fsprogs", s.dir, "debugfs", "-w", "-R", "write "+file+" /"+name, s.flash)
}

// TestInstallJSON is what a script gets.
func TestInstallJSON(t *testing.T) {
	s := newShelf(t, "ext2", "8M", 300<<10)
	for _, want := range []struct{ line, done, active, plan string }{
		{"install " + s.archives["1.3.125"] + " --dry-run", "", "1.3.124", "deletes  backup, 1.3.123 (unknown)"},
		{"install " + s.archives["1.3.125"], "installed", "1.3.125", "active   the new image, on trial with 3 tries"},
		{"install " + s.archives["1.3.125"], "", "1.3.125", "writes   nothing: 1.3.125 is installed already: it is the active image"},
		{"rotate", "rotated", "1.3.124", "active   becomes what is backup now: 1.3.124 (unknown)"},
		{"remove backup", "removed", "1.3.124", "keeps    active, 1.3.124 (unknown)"},
		{"repair", "", "1.3.124", "repair   nothing"},
	} {
		code, out, errs := s.cli(want.line + " --json --yes")
		var got result
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 {
			t.Fatalf("%s: exit %d, %v\n%s%s", want.line, code, err, out, errs)
		}
		if got.Done != want.done || *got.Slots[0].Version != want.active {
			t.Errorf("%s: done %q, active %s; want %q, %s", want.line, got.Done, *got.Slots[0].Version, want.done, want.active)
		}
		if !slices.Contains(got.Plan, want.plan) {
			t.Errorf("%s: the plan is %q, want %q in it", want.line, got.Plan, want.plan)
		}
	}
}

// TestFormilux installs to a flash as Formilux wrote it: sys/, system.ver, and system.sig with md5.
func TestFormilux(t *testing.T) {
	s := newShelf(t, "ext2", "8M", 300<<10)
	root := filepath.Join(s.dir, "formilux")
	for slot, version := range map[string]string{"active": "1.3.124", "backup": "1.3.123", "factory": "1.0.0"} {
		dir := filepath.Join(root, "sys", slot)
		unpackInto(t, s.archives[version], dir)
		must(t, os.Remove(filepath.Join(dir, "SHA256SUMS")))
		must(t, os.Rename(filepath.Join(dir, "kernel.ver"), filepath.Join(dir, "system.ver")))
		tool(t, "coreutils", dir, "sh", "-c", "md5sum kernel.img initrd.img kernel.arg system.ver > system.sig")
	}
	must(t, os.MkdirAll(filepath.Join(root, "cfg"), 0o755))
	s.make(t, "ext2", "8M", root)
	s.do(t, "install "+s.archives["1.3.125"]+" --yes")
	dir, files := s.tree(t)
	tool(t, "coreutils", filepath.Join(dir, "sys", "active"), "sha256sum", "--strict", "-c", "SHA256SUMS")
	for slot, version := range map[string]string{"backup": "1.3.124", "factory": "1.0.0"} {
		at := filepath.Join(dir, "sys", slot)
		tool(t, "coreutils", at, "md5sum", "--strict", "-c", "system.sig")
		if got := strings.TrimSpace(string(readFile(t, filepath.Join(at, "system.ver")))); got != version {
			t.Errorf("%s holds %s, want %s", slot, got, version)
		}
	}
	if files["system"] != "" || files["sys/incoming"] != "" || files["sys/trash"] != "" {
		t.Errorf("the flash holds %q", slices.Sorted(maps.Keys(files)))
	}
	s.do(t, "rotate --yes")
	if d := s.slot(t, "active"); *d.Version != "1.3.124" || *d.Integrity != "intact" {
		t.Errorf("active is %+v", d)
	}
}
