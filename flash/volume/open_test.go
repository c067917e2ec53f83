package volume

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func open(t *testing.T, name string) *Volume {
	t.Helper()
	v, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

func TestOpenImage(t *testing.T) {
	for _, label := range []string{"dos", "gpt"} {
		name := makeDisk(t, label, grubPart, flashPart, noPart)
		v := open(t, name)
		got := fmt.Sprintln(v.Name, v.Disk, v.Partition, v.Start, v.Size, v.Sector, v.Device+v.Dir, v.ReadOnly, v.Type, v.Label, v.Unclean())
		if want := fmt.Sprintln(name+":2", name, 2, mib+partSize, partSize, 512, "", false, "ext4", "flash", ""); got != want {
			t.Errorf("Open = %q, want %q", got, want)
		}
		checkFile(t, v, flashTree[0])
		if free, err := v.Free(); err != nil || free <= 0 || free >= partSize {
			t.Errorf("Free = %d, %v", free, err)
		}
		first := make([]byte, 512)
		if _, err := v.DiskReader().ReadAt(first, 0); err != nil || first[510] != 0x55 {
			t.Errorf("DiskReader: %v, want the disk from its start", err)
		}
		if use := v.InUse(); use != "" {
			t.Errorf("InUse = %q", use)
		}

		grub, err := GRUB(v)
		if err != nil || grub.Name != name+":1" {
			t.Fatalf("GRUB = %v, %v, want %s:1", grub, err, name)
		}
		defer grub.Close()
		checkMap(t, grub, "boot/grub/default", mib)
		if other, err := OpenGRUB(name); err != nil || other.Name != grub.Name {
			t.Errorf("OpenGRUB = %v, %v, want %v", other, err, grub)
		} else {
			other.Close()
		}
	}
}

// checkMap reads a file that holds its own name by the place that Map gives.
func checkMap(t *testing.T, v *Volume, name string, start int64) {
	t.Helper()
	m, err := v.Map(name)
	if err != nil {
		t.Fatal(err)
	}
	place, err := m.Plain()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(name))
	if _, err := v.DiskReader().ReadAt(b, start+place.Sector*512); err != nil || string(b) != name {
		t.Errorf("%s: at %v of the disk is %q, %v", name, place, b, err)
	}
}

func TestOpenWholeImage(t *testing.T) {
	name := filepath.Join(t.TempDir(), "flash:7") // a colon in a name is nothing special
	write(t, name, string(part{"ext2", "", bothTree}.make(t)))
	v := open(t, name)
	if v.Name != name || v.Partition != 0 || v.Start != 0 || v.Size != partSize || v.Type != "ext2" {
		t.Errorf("Open = %+v", v)
	}
	if grub, err := GRUB(v); grub != v || err != nil {
		t.Errorf("GRUB = %v, %v, want the flash itself", grub, err)
	}
	if err := os.Chmod(name, 0o400); err != nil {
		t.Fatal(err)
	}
	if v := open(t, name); v.ReadOnly != (os.Getuid() != 0) {
		t.Errorf("ReadOnly of a file without write permission = %v", v.ReadOnly)
	}
}

func TestOpenFAT(t *testing.T) {
	name := makeDisk(t, "dos", part{"vfat", "GRUB", grubTree}, part{"vfat", "FLASH", flashTree})
	v := open(t, name)
	checkFile(t, v, flashTree[1])
	grub, err := GRUB(v)
	if err != nil {
		t.Fatal(err)
	}
	defer grub.Close()
	checkMap(t, grub, "boot/grub/default", mib)
}

func TestOpenSaysWhy(t *testing.T) {
	dir := t.TempDir()
	two := makeDisk(t, "dos", flashPart, dataPart, part{"ext2", "old\n", oldTree}, noPart)
	none := makeDisk(t, "dos", dataPart, noPart)
	write(t, dir+"/empty", strings.Repeat("\x00", mib))
	write(t, dir+"/short", "x")
	if err := syscall.Mkfifo(dir+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	cut := makeDisk(t, "dos", grubPart, flashPart)
	if err := os.Truncate(cut, mib+partSize+1); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, want string }{
		{two, two + `: there is a flash on each of ` + two + `:1 (ext4, label "flash"), ` + two + `:3 (ext2, label "old\n")`},
		{none, fmt.Sprintf("%[1]s: %[1]s:1 holds neither system/ nor sys/ with cfg/ beside it; %[1]s:2 has no file system that is known here", none)},
		{none + ":2", none + ":2: no file system that is known here"},
		{two + ":5", fmt.Sprintf("%[1]s:5: no such partition; there is %[1]s:1, %[1]s:2, %[1]s:3, %[1]s:4", two)},
		{dir + "/empty", dir + "/empty: no file system that is known here"},
		{dir + "/empty:1", dir + "/empty:1: no partition table"},
		{dir + "/short", dir + "/short: no file system that is known here"},
		{dir + "/fifo", dir + "/fifo: neither a directory nor a disk nor an image file"},
		{dir + "/none", dir + "/none: no such file or directory"},
		{dir + "/none:1", dir + "/none:1: no such file or directory"},
		{dir + "/none:0", dir + "/none:0: no such file or directory"},
		{dir + "/empty:x", dir + "/empty:x: no such file or directory"},
		{cut, cut + ": read partition table: partition 2 is outside of the disk: 8192 sectors from 10240 on, of 10240"},
		{"/dev/null", "/dev/null: neither a directory nor a disk nor an image file"},
	} {
		v, err := Open(c.name)
		if err == nil || err.Error() != c.want {
			t.Errorf("Open(%s) = %v, %v, want %q", c.name, v, err, c.want)
		}
	}
	_, err := Open(two)
	if a := (*Ambiguous)(nil); !errors.As(err, &a) || len(a.Candidates) != 2 {
		t.Errorf("Open(%s) = %#v, want both candidates", two, err)
	}
	if _, err := Open(two + ":2"); err != nil {
		t.Errorf("Open of a partition that holds no flash: %v, want it as it was asked for", err)
	}
	if _, err := OpenGRUB(two); err == nil || !strings.Contains(err.Error(), ":2 holds no menu nor saved default of GRUB") {
		t.Errorf("OpenGRUB without GRUB: %v", err)
	}
}

// A GPT whose first header is damaged can be used, and the volume says so.
func TestOpenDamagedGPT(t *testing.T) {
	name := makeDisk(t, "gpt", grubPart, flashPart)
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.WriteAt(make([]byte, 512), 512)
	if v := open(t, name); !strings.Contains(v.Notice, "copy") {
		t.Errorf("notice %q", v.Notice)
	}
}

// Nobody wrote the journal's changes to their places.
func TestUnclean(t *testing.T) {
	name := filepath.Join(t.TempDir(), "flash")
	write(t, name, string(part{"ext4", "", flashTree}.make(t)))
	tell(t, "e2fsprogs", "debugfs", "", "-w", "-R", "feature needs_recovery", name)
	if v := open(t, name); v.Unclean() == "" {
		t.Error("Unclean = \"\", want a reason")
	}
}

func TestOpenDirectory(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, bothTree)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	v := open(t, link)
	if v.Name != link || v.Dir != dir || v.ReadOnly {
		t.Errorf("Open = %+v", v)
	}
	checkFile(t, v, flashTree[0])
	if free, err := v.Free(); err != nil || free <= 0 {
		t.Errorf("Free = %d, %v", free, err)
	}
	if grub, err := GRUB(v); grub != v || err != nil {
		t.Errorf("GRUB = %v, %v, want the directory itself", grub, err)
	}
	if v.InUse() != "" || v.Unclean() != "" {
		t.Errorf("in use %q, unclean %q", v.InUse(), v.Unclean())
	}
	for _, name := range []string{"cfg", "none"} {
		if m, err := v.Map(name); err == nil {
			t.Errorf("Map(%s) = %v", name, m)
		}
	}
	if _, err := v.Map("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Map(none) = %v", err)
	}
}

// A directory of somebody's file system boots nothing: what GRUB has elsewhere is not looked for.
func TestGRUBOfDirectory(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, flashTree)
	if v, err := GRUB(open(t, dir)); err == nil || !strings.Contains(err.Error(), "neither boot/grub nor grub is in "+dir) {
		t.Errorf("GRUB = %v, %v", v, err)
	}
}

// The mounts of one file system, as the kernel tells of them.
func TestMounted(t *testing.T) {
	number := func(dir string) string {
		n, err := deviceNumber(dir)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	image := part{"ext4", "flash", append([]string{"c/x"}, flashTree...)}.make(t)
	for _, c := range []struct {
		name   string
		mounts []mount // in the order of mounting; dir is relative
		dir    string  // that is opened
		ro     bool
		part   bool
		at     string
		write  bool
		root   string // of what is opened, in its file system
	}{
		{"read-write", []mount{{root: "/", dir: "a b"}}, "a b", false, false, "a b", true, "/"},
		{"read-only", []mount{{root: "/", dir: "a b", ro: true, superRO: true}}, "a b", true, false, "a b", false, "/"},
		{"the file system alone", []mount{{root: "/", dir: "a b", superRO: true}}, "a b", true, false, "a b", false, "/"},
		{"a directory below", []mount{{root: "/", dir: "a b"}}, "a b/c", false, true, "a b", true, "/c"},
		{"read-only bind mount", []mount{{root: "/", dir: "a b"}, {root: "/", dir: "d", ro: true}}, "d", true, false, "a b", true, "/"},
		{"bind mount of a part", []mount{{root: "/c", dir: "d"}}, "d", false, true, "d", true, "/c"},
		{"mounted over", []mount{{root: "/", dir: "a b"}, {root: "/", dir: "a b", ro: true}}, "a b", true, false, "a b", true, "/"},
	} {
		f := newFake(t)
		root := t.TempDir()
		for _, dir := range []string{"a b/c", "d"} {
			plant(t, filepath.Join(root, dir), flashTree)
		}
		n := number(root)
		f.add("sda", "sda", "8:0", 0, nil)
		f.add("sda2", "sda", n, 2, image)
		f.mount("0:1", "/", "/", "rw", "overlay", "rw")
		for _, m := range c.mounts {
			options, super := "rw,noatime", "rw,errors=continue"
			if m.ro {
				options = "ro,noatime"
			}
			if m.superRO {
				super = "ro,errors=continue"
			}
			f.mount(n, m.root, filepath.Join(root, m.dir), options, "ext4", super)
		}
		v, err := f.openDir(filepath.Join(root, c.dir))
		if err != nil {
			t.Fatal(err)
		}
		at, writes := v.Mounted()
		if v.ReadOnly != c.ro || v.part != c.part || at != filepath.Join(root, c.at) || writes != c.write {
			t.Errorf("%s: read-only %v, part %v, mounted at %s, %v, want %v, %v, %s, %v", c.name, v.ReadOnly, v.part, at, writes, c.ro, c.part, c.at, c.write)
		}
		name := map[string]string{"/": "c/x", "/c": "x"}[c.root]
		if m, err := v.MapOn(bytes.NewReader(image), name); err != nil || m.Size != int64(len("c/x")) {
			t.Errorf("%s: MapOn(%q) = %v, %v", c.name, name, m, err)
		}
		if v.Disk != f.node("sda") || v.Device != f.node("sda2") || v.Partition != 2 || v.Start != mib+partSize || v.Size != partSize || v.Sector != 512 || v.Type != "ext4" || v.Label != "flash" {
			t.Errorf("%s: %+v", c.name, v)
		}
		v.Close()
	}
}

func TestDecodeMounts(t *testing.T) {
	const text = `23 28 0:21 / /proc rw,nosuid shared:14 - proc proc rw
28 1 8:1 / / ro,relatime - ext4 /dev/sda1 rw,errors=remount-ro
36 28 8:2 /a\040b /mnt/\134\011x\9 rw - ext2 /dev/sda2 ro
not a mount
37 28 8:2 / /y rw
`
	got, err := decodeMounts(strings.NewReader(text))
	want := []mount{{"0:21", "/", "/proc", "proc", false, false, "rw"}, {"8:1", "/", "/", "ext4", true, false, "rw,errors=remount-ro"}, {"8:2", "/a b", "/mnt/\\\tx\\9", "ext2", false, true, "ro"}}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("decodeMounts = %v, %v, want %v", got, err, want)
	}
}

// A loop device, or a virtual machine, works on the image file.
func TestInUse(t *testing.T) {
	f := newFake(t)
	name := makeDisk(t, "dos", flashPart)
	v, err := f.open(name, aFlash)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if got := v.InUse(); got != "" {
		t.Errorf("InUse = %q", got)
	}
	lock, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	// As QEMU locks its images: another open file of the same process has a lock of its own.
	if err := lockRange(lock); err != nil {
		t.Fatal(err)
	}
	if got := v.InUse(); !strings.Contains(got, "locked by another program") {
		t.Errorf("InUse of a locked image = %q", got)
	}
	lock.Close()
	loop := func(offset, sectors int) {
		write(t, filepath.Join(f.sys, "block/loop7/loop/backing_file"), name+"\n")
		write(t, filepath.Join(f.sys, "block/loop7/loop/offset"), fmt.Sprintln(offset))
		write(t, filepath.Join(f.sys, "block/loop7/size"), fmt.Sprintln(sectors))
	}
	for _, beside := range []struct{ offset, sectors int }{{0, mib / 512}, {mib + partSize, 2048}} {
		loop(beside.offset, beside.sectors)
		if got := v.InUse(); got != "" {
			t.Errorf("InUse with a loop device beside the partition = %q", got)
		}
	}
	loop(mib+partSize-512, 2)
	if got, want := v.InUse(), name+" is attached to "+f.node("loop7"); got != want {
		t.Errorf("InUse = %q, want %q", got, want)
	}
}

// Two loop devices over one image file are as two disks to the kernel.
func TestInUseByAnotherLoop(t *testing.T) {
	f := newFake(t)
	image := makeDisk(t, "dos", flashPart)
	f.add("loop0", "loop0", "7:0", 0, flashPart.make(t))
	v, err := f.openName("loop0")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	loop := func(name, file string, offset, sectors int) {
		write(t, filepath.Join(f.sys, "block", name, "loop/backing_file"), file+"\n")
		write(t, filepath.Join(f.sys, "block", name, "loop/offset"), fmt.Sprintln(offset))
		write(t, filepath.Join(f.sys, "block", name, "size"), fmt.Sprintln(sectors))
	}
	loop("loop0", image, mib, 2048)
	loop("loop1", image, 2*mib, 2048) // the partition behind it
	loop("loop2", makeDisk(t, "dos", flashPart), 0, 16384)
	if got := v.InUse(); got != "" {
		t.Errorf("InUse = %q", got)
	}
	loop("loop3", image, 0, 16384)
	if got, want := v.InUse(), image+", the image file of "+f.node("loop0")+", is attached to "+f.node("loop3")+" too"; got != want {
		t.Errorf("InUse = %q, want %q", got, want)
	}
	if err := os.RemoveAll(filepath.Join(f.sys, "block/loop3")); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := lockRange(lock); err != nil {
		t.Fatal(err)
	}
	if got := v.InUse(); !strings.Contains(got, "is locked by another program") {
		t.Errorf("InUse of a loop device over a locked image = %q", got)
	}
}

func TestMapStaysOnTheFileSystem(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Fatal(err)
	}
	if v := open(t, "/"); v.Dir != "/" {
		t.Errorf("Open(/) = %+v", v)
	} else if m, err := v.Map("proc/version"); err == nil || !strings.Contains(err.Error(), "another file system") {
		t.Errorf("Map of a file in /proc = %v, %v", m, err)
	}
}
