// Command init is /init of the test machine. It opens the disks of the machine in every state they
// can be in, and says on the console what it finds.
package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"holdfast/flash/disk"
	"holdfast/flash/volume"
)

func main() {
	defer func() {
		if r := recover(); r != nil {
			say("panic: %v", r)
		}
		say("end")
		unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART) // QEMU ends there
	}()
	for _, fstype := range []string{"proc", "sysfs", "devtmpfs"} {
		dir := map[string]string{"proc": "/proc", "sysfs": "/sys", "devtmpfs": "/dev"}[fstype]
		must(os.MkdirAll(dir, 0o755))
		must(unix.Mount(fstype, dir, fstype, 0, ""))
	}
	load()
	for _, name := range []string{"vda2", "vdb5", "vdc4"} {
		for _, err := os.Stat("/dev/" + name); err != nil; _, err = os.Stat("/dev/" + name) {
			runtime.Gosched()
		}
	}
	for _, name := range []string{"vda", "vdb", "vdc"} {
		table(name)
	}
	states()
	found()
}

func say(format string, args ...any) { fmt.Printf("PROOF "+format+"\n", args...) }

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// load loads the modules that the list names.
func load() {
	list, err := os.ReadFile("/modules/list")
	must(err)
	for _, name := range strings.Fields(string(list)) {
		f, err := os.Open("/modules/" + name)
		must(err)
		must(unix.FinitModule(int(f.Fd()), "", 0))
		f.Close()
	}
}

// table compares the partitions as this kernel sees them with those that package disk reads, of the
// right sector size and of one that it has to find out.
func table(name string) {
	number := func(dir, file string) int64 {
		b, err := os.ReadFile(filepath.Join("/sys/class/block", dir, file))
		must(err)
		n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		must(err)
		return n
	}
	var kernel []string
	dirs, _ := filepath.Glob("/sys/class/block/" + name + "?*")
	for _, dir := range dirs {
		p := filepath.Base(dir)
		size := number(p, "size")
		if size <= 8 {
			continue // an extended one, of which the kernel shows the boot record
		}
		kernel = append(kernel, fmt.Sprint(number(p, "partition"), " ", number(p, "start")*512, " ", size*512))
	}
	slices.Sort(kernel)
	f, err := os.Open("/dev/" + name)
	must(err)
	defer f.Close()
	sector := number(name, "queue/logical_block_size")
	for _, told := range []int64{sector, 0} {
		t, err := disk.ReadTable(f, number(name, "size")*512, told)
		must(err)
		var ours []string
		for _, p := range t.Partitions {
			ours = append(ours, fmt.Sprint(p.Number, " ", p.Start, " ", p.Size))
		}
		slices.Sort(ours)
		say("table of %s, sectors of %d: %d partitions, as the kernel %v", name, t.Sector, len(ours), slices.Equal(ours, kernel))
	}
}

// show says what a volume is, as the writing of a boot default asks for it.
func show(when, name string) {
	v, err := volume.Open(name)
	if err != nil {
		say("%s: %s: %v", when, name, err)
		return
	}
	defer v.Close()
	dir, written := v.Mounted()
	file := "boot/grub/default"
	if strings.HasSuffix(name, "/boot") {
		file = "grub/default"
	}
	text, err := fs.ReadFile(v.FS(), file)
	m, merr := v.Map(file)
	place, perr := m.Plain()
	b := make([]byte, len(text))
	disk, derr := os.Open(v.Disk) // read anew: another descriptor, the same cache
	if derr == nil {
		_, derr = disk.ReadAt(b, v.Start+place.Sector*512)
		disk.Close()
	}
	say("%s: %s is %s of %s %d+%d/%d, dir %q, read-only %v, mounted %q, written %v, type %s, in use %v, file %q %v, the same on the disk %v %v %v %v",
		when, name, v.Device, v.Disk, v.Start, v.Size, v.Sector, v.Dir, v.ReadOnly, dir, written, v.Type, v.InUse() != "",
		text, err, string(b) == string(text), merr, perr, derr)
}

// states shows the partition with GRUB's files in every state of its mounts.
func states() {
	for _, dir := range []string{"/mnt", "/ro"} {
		must(os.MkdirAll(dir, 0o755))
	}
	show("not mounted", "/dev/vda1")
	must(unix.Mount("/dev/vda1", "/mnt", "ext4", 0, ""))
	show("read-write", "/dev/vda1")
	show("read-write", "/mnt")
	show("read-write", "/mnt/boot")
	must(unix.Mount("/mnt", "/ro", "", unix.MS_BIND, ""))
	must(unix.Mount("", "/ro", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	show("bind mount", "/ro")
	show("bind mount", "/dev/vda1")
	must(unix.Unmount("/ro", 0))
	must(unix.Mount("", "/mnt", "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	show("read-only", "/dev/vda1")
	show("read-only", "/mnt")
	must(unix.Unmount("/mnt", 0))
	f, err := os.OpenFile("/dev/vda1", os.O_RDONLY|unix.O_EXCL, 0)
	must(err)
	show("claimed", "/dev/vda1")
	f.Close()
}

// found shows what is taken for the flash, and for the place of GRUB's files.
func found() {
	for _, word := range []string{"", "vda2", "hda2", "/dev/hdc5", "sdb3", "LABEL=four"} {
		v, note, err := volume.Search(word)
		if err != nil {
			say("flash=%s: %v", word, err)
			continue
		}
		text, err := fs.ReadFile(v.FS(), "system/active/kernel.ver")
		say("flash=%s is %v, %q, sectors of %d, %q %v", word, v, note, v.Sector, text, err)
		grub, err := volume.GRUB(v)
		say("its GRUB is %v, %v", grub, err)
	}
	for _, name := range []string{"/dev/vda", "/dev/vdb", "/dev/vdc"} {
		v, err := volume.Open(name)
		say("%s: %v, %v", name, v, err)
	}
}
