package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/flash/disk"
)

func TestFinder(t *testing.T) {
	f := newFake(t)
	unclean := filepath.Join(t.TempDir(), "unclean")
	write(t, unclean, string(flashPart.make(t)))
	tell(t, "e2fsprogs", "debugfs", "", "-w", "-R", "feature needs_recovery", unclean)
	dirty, err := os.ReadFile(unclean)
	if err != nil {
		t.Fatal(err)
	}
	f.add("sda", "sda", "8:0", 0, nil)
	f.add("sda1", "sda", "8:1", 1, grubPart.make(t))
	f.add("sda2", "sda", "8:2", 2, dirty)
	f.add("sda3", "sda", "8:3", 3, noPart.make(t))
	f.add("sda4", "sda", "8:4", 4, nil) // the box of logical partitions
	write(t, f.class("sda4")+"/size", "2\n")
	f.add("vda", "vda", "254:0", 0, part{"ext3", "both", bothTree}.make(t))
	for n, name := range []string{"loop0", "ram0", "zram0", "sr0", "fd0", "nbd0"} {
		f.add(name, name, fmt.Sprint("7:", n), 0, dirty)
	}
	f.add("sdb", "sdb", "8:16", 0, dirty) // a card reader without a card
	write(t, f.class("sdb")+"/size", "0\n")
	f.add("sdc", "sdc", "8:32", 0, dirty) // whose node does not exist yet
	if err := os.Rename(f.node("sdc"), f.node("sdc.later")); err != nil {
		t.Fatal(err)
	}

	finder := &Finder{machine: f.machine}
	pass := func(wantChanged bool, want ...string) {
		t.Helper()
		changed, err := finder.Pass()
		if err != nil || changed != wantChanged {
			t.Fatalf("Pass() = %v, %v, want %v", changed, err, wantChanged)
		}
		var got []string
		for _, s := range finder.Volumes() {
			text := fmt.Sprintf("%v on %s", s, s.Disk)
			for word, ok := range map[string]bool{" flash": s.Flash, " unclean": s.Unclean != ""} {
				if ok {
					text += word
				}
			}
			if s.GRUB {
				text += " GRUB"
			}
			got = append(got, text)
		}
		for _, list := range [][]string{got, want} {
			for i := range list {
				words := strings.Fields(list[i])
				slices.Sort(words)
				list[i] = strings.Join(words, " ")
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("volumes %q, want %q", got, want)
		}
	}
	sda1, sda2, sda3 := `sda1 (ext2, label "boot") on sda GRUB`, `sda2 (ext4, label "flash") on sda flash unclean`, "sda3 on sda"
	sdc, vda := `sdc (ext4, label "flash") on sdc flash unclean`, `vda (ext3, label "both") on vda flash GRUB`
	pass(true, sda1, sda2, sda3, vda)
	pass(false, sda1, sda2, sda3, vda)
	os.Rename(f.node("sdc.later"), f.node("sdc"))
	pass(true, sda1, sda2, sda3, sdc, vda)
	os.Remove(f.class("vda"))
	pass(true, sda1, sda2, sda3, sdc)
}

func vol(name, on, label string, n int, flash, grub bool) Seen {
	return Seen{Name: name, Disk: on, Partition: n, FileSystem: disk.FileSystem{Type: "ext2", Label: label, UUID: "AB-" + name}, Flash: flash, GRUB: grub}
}

func TestChoose(t *testing.T) {
	grub := vol("sda1", "sda", "boot", 1, false, true)
	flash := vol("sda2", "sda", "flash", 2, true, false)
	data := vol("sda3", "sda", "data", 3, false, false)
	both := vol("sdb1", "sdb", "stick", 1, true, true)
	twin := vol("sdc1", "sdc", "flash", 1, true, false)
	whole := vol("vda", "vda", "", 0, true, false)
	swap := Seen{Name: "sda4", Disk: "sda", Partition: 4}
	ill := Seen{Name: "sda5", Disk: "sda", Partition: 5, FileSystem: disk.FileSystem{Type: "ext4"}, Err: errors.New("input/output error")}
	renamed := func(word, device string) string {
		return fmt.Sprintf("flash=%s: there is no such device; took %s, the only flash with that partition number", word, device)
	}
	for _, c := range []struct {
		name    string
		volumes []Seen
		word    string
		want    string // flash and boot, or the problem
		note    string
	}{
		{"nothing", nil, "", "there is no disk: it is not connected, or its driver is missing", ""},
		{"one", []Seen{grub, flash, data}, "", "found sda2 sda1", ""},
		{"GRUB on the flash", []Seen{grub, both}, "", "found sdb1 sdb1", ""},
		{"GRUB on the same disk", []Seen{vol("vda1", "vda", "", 1, false, true), grub, flash}, "", "found sda2 sda1", ""},
		{"GRUB on another disk", []Seen{vol("vda1", "vda", "", 1, false, true), flash}, "", "found sda2 vda1", ""},
		{"GRUB twice on the same disk", []Seen{vol("sda9", "sda", "", 9, false, true), grub, flash}, "", "found sda2 ", ""},
		{"GRUB twice elsewhere", []Seen{vol("vda1", "vda", "", 1, false, true), vol("vdb1", "vdb", "", 1, false, true), flash}, "", "found sda2 ", ""},
		{"no GRUB", []Seen{flash}, "", "found sda2 ", ""},
		{"two", []Seen{flash, both}, "", `there is a flash on each of sda2 (ext2, label "flash"), sdb1 (ext2, label "stick")`, ""},
		{"two, and nobody named them well", []Seen{vol("sda1", "sda", "", 1, true, false), vol("sdb1", "sdb", "\x1b[2J\u00e9", 1, true, false)}, "",
			`there is a flash on each of sda1 (ext2), sdb1 (ext2, label "\x1b[2J\u00e9")`, ""},
		{"two, and told which", []Seen{grub, flash, both}, "sdb1", "found sdb1 sdb1", ""},
		{"by path", []Seen{grub, flash, both}, "/dev/sda2", "found sda2 sda1", ""},
		{"by UUID", []Seen{flash, both}, "UUID=ab-SDA2", "found sda2 sdb1", ""},
		{"by label", []Seen{flash, both}, "LABEL=stick", "found sdb1 sdb1", ""},
		{"by a label that two have", []Seen{flash, twin}, "LABEL=flash", `flash=LABEL=flash: that is each of sda2 (ext2, label "flash"), sdc1 (ext2, label "flash")`, ""},
		{"by an empty label", []Seen{swap, flash}, "LABEL=", "flash=LABEL=: no such partition; there is sda4, sda2", ""},
		{"named as by the old IDE drivers", []Seen{grub, flash, both}, "hda2", "found sda2 sda1", renamed("hda2", "sda2")},
		{"named by its path", []Seen{grub, flash, both}, "/dev/nvme0n1p2", "found sda2 sda1", renamed("/dev/nvme0n1p2", "sda2")},
		{"a whole disk named so", []Seen{grub, flash, whole}, "hdc", "found vda sda1", renamed("hdc", "vda")},
		{"no flash with that number", []Seen{grub, flash, data}, "hda3", "flash=hda3: no such partition; there is sda1, sda2, sda3", ""},
		{"two with that number", []Seen{flash, both, twin}, "hda1",
			`flash=hda1: no such partition; it could be each of sdb1 (ext2, label "stick"), sdc1 (ext2, label "flash")`, ""},
		{"no name of a device", []Seen{grub, flash}, "x2", "flash=x2: no such partition; there is sda1, sda2", ""},
		{"not there, nor anything", nil, "sda2", "flash=sda2: no such partition; there is no disk at all", ""},
		{"none", []Seen{data, swap, ill}, "", "sda3 holds neither system/ nor sys/ with cfg/ beside it; " +
			"sda4 has no file system that is known here; sda5 cannot be read: input/output error", ""},
		{"told, but no flash", []Seen{data, flash}, "sda3", "flash=sda3: sda3 holds neither system/ nor sys/ with cfg/ beside it", ""},
	} {
		choice, problem := Choose(c.volumes, c.word)
		got := "found " + choice.Flash.Name + " "
		if choice.Boot != nil {
			got += choice.Boot.Name
		}
		if problem != nil {
			got = problem.Error()
		}
		if got != c.want || choice.Note != c.note {
			t.Errorf("%s: %q, %q, want %q, %q", c.name, got, choice.Note, c.want, c.note)
		}
	}
}

func TestPartitionOf(t *testing.T) {
	for name, want := range map[string]string{
		"sda2": "2 true", "hda12": "12 true", "sdaa1": "1 true", "xvda3": "3 true", "vda": "0 true",
		"nvme0n1p2": "2 true", "nvme0n1": "0 true", "mmcblk1p3": "3 true", "mmcblk0": "0 true",
		"sda99999999999999999999": "9223372036854775807 false", "sd2": "0 false", "": "0 false", "dm-2": "0 false", "sda2x": "0 false", "UUID=2": "0 false",
	} {
		if n, ok := partitionOf(name); fmt.Sprint(n, ok) != want {
			t.Errorf("partitionOf(%s) = %d, %v, want %s", name, n, ok, want)
		}
	}
}

// twoDisks is a machine with GRUB and a flash on sda, and data on sdb.
func twoDisks(t *testing.T) *fake {
	f := newFake(t)
	sda, err := os.ReadFile(makeDisk(t, "dos", grubPart, flashPart))
	if err != nil {
		t.Fatal(err)
	}
	f.add("sda", "sda", "8:0", 0, sda)
	f.add("sda1", "sda", "8:1", 1, sda[mib:mib+partSize])
	f.add("sda2", "sda", "8:2", 2, sda[mib+partSize:])
	f.add("sdb", "sdb", "8:16", 0, nil)
	f.add("sdb1", "sdb", "8:17", 1, dataPart.make(t))
	return f
}

func TestSearch(t *testing.T) {
	f := twoDisks(t)
	for _, word := range []string{"", "sda2", "/dev/sda2", "hda2", "LABEL=flash"} {
		v, note, err := f.search(word)
		if err != nil {
			t.Fatalf("%s: %v", word, err)
		}
		if v.Name != f.node("sda2") || v.Device != v.Name || v.Dir != "" || (note != "") != (word == "hda2") {
			t.Errorf("Search(%s) = %+v, %q", word, v, note)
		}
		checkFile(t, v, flashTree[0])
		grub, err := f.grub(v)
		if err != nil || grub.Name != f.node("sda1") {
			t.Fatalf("GRUB = %v, %v, want sda1", grub, err)
		}
		checkMap(t, grub, "boot/grub/default", mib)
		grub.Close()
		v.Close()
	}
	if v, _, err := f.search("sdb1"); err == nil || err.Error() != "flash=sdb1: sdb1 holds neither system/ nor sys/ with cfg/ beside it" {
		t.Errorf("Search(sdb1) = %v, %v", v, err)
	}
	f.add("sdc", "sdc", "8:32", 0, flashPart.make(t))
	_, _, err := f.search("")
	want := `the disks of this machine: there is a flash on each of sda2 (ext4, label "flash"), sdc (ext4, label "flash")`
	if a := (*Ambiguous)(nil); !errors.As(err, &a) || len(a.Candidates) != 2 || err.Error() != want {
		t.Errorf("Search with two = %v, want %q", err, want)
	}
}

// Who may not read disks can be told to ask for the right to.
func TestSearchWithoutPermission(t *testing.T) {
	f := twoDisks(t)
	for _, name := range []string{"sda1", "sda2", "sdb1"} {
		if err := os.Chmod(f.node(name), 0); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := f.search("")
	if os.Getuid() != 0 && (!errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "sda1 cannot be read: permission denied")) {
		t.Errorf("Search = %v, want the lack of permission", err)
	}
	err = none("", []Seen{{Name: "sda1", Err: fs.ErrPermission}, vol("sda2", "sda", "", 2, false, false)}, aFlash)
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v is no ErrPermission", err)
	}
}

// A volume that is mounted is read through its mount.
func TestOpenMountedDevice(t *testing.T) {
	f := twoDisks(t)
	dir := t.TempDir()
	plant(t, dir, append([]string{"cfg/new"}, flashTree...))
	n, err := deviceNumber(dir)
	if err != nil {
		t.Fatal(err)
	}
	f.add("sdd", "sdd", n, 0, flashPart.make(t))
	f.mount(n, "/sub", dir, "rw", "ext4", "rw") // but a part of it
	part, err := f.openName("sdd")
	if err != nil {
		t.Fatal(err)
	}
	if at, writes := part.Mounted(); part.Dir != "" || at != dir || !writes {
		t.Errorf("of a device with a part of it mounted: dir %q, mounted %q, %v", part.Dir, at, writes)
	}
	part.Close()
	write(t, f.mounts, "")
	f.mount(n, "/", "/nowhere", "rw", "ext4", "rw") // in another namespace's view: hidden
	f.mount(n, "/", dir, "ro", "ext4", "rw")
	v, err := f.openName("sdd")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	checkFile(t, v, "cfg/new")
	if _, writes := v.Mounted(); v.Dir != dir || !v.ReadOnly || !writes || v.Name != f.node("sdd") {
		t.Errorf("opened %+v", v)
	}
}

// A disk is named, and one of its partitions is meant.
func TestOpenDisk(t *testing.T) {
	f := twoDisks(t)
	for name, want := range map[string]string{"sda": f.node("sda2"), "sda1": f.node("sda1")} {
		b, err := f.block(name)
		if err != nil {
			t.Fatal(err)
		}
		v, err := f.openDisk(f.node(name), b, aFlash)
		if err != nil || v.Name != want {
			t.Errorf("openDisk(%s) = %v, %v, want %s", name, v, err, want)
			continue
		}
		v.Close()
	}
	// A loop device whose partitions the kernel was not asked to show.
	image, err := os.ReadFile(makeDisk(t, "dos", grubPart, flashPart))
	if err != nil {
		t.Fatal(err)
	}
	f.add("loop0", "loop0", "7:0", 0, image)
	b, err := f.block("loop0")
	if err != nil {
		t.Fatal(err)
	}
	v, err := f.openDisk(f.node("loop0"), b, aFlash)
	if err != nil || v.Name != f.node("loop0")+":2" || v.Device != "" {
		t.Fatalf("openDisk(loop0) = %v, %v", v, err)
	}
	defer v.Close()
	if grub, err := f.grub(v); err != nil || grub.Name != f.node("loop0")+":1" {
		t.Errorf("GRUB = %v, %v", grub, err)
	} else {
		grub.Close()
	}
}

// What GRUB has on this machine's disks is not for a flash that somebody looks at in an image.
func TestGRUBOfLoopDevice(t *testing.T) {
	f := twoDisks(t)
	f.add("loop0", "loop0", "7:0", 0, flashPart.make(t))
	v, err := f.openName("loop0")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if grub, err := f.grub(v); err == nil || err.Error() != "GRUB's files: loop0 holds no menu nor saved default of GRUB" {
		t.Errorf("GRUB = %v, %v, want none", grub, err)
	}
}
