// Command machine is /init of the test machine: it sets the boot default on disks that are mounted in
// several ways, and says how that went. test= on the kernel's command line names what it does.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"holdfast/flash/blockmap/ext"
	"holdfast/flash/store"
	"holdfast/flash/volume"
	"holdfast/initramfs"
	"holdfast/ops"
	"holdfast/ops/grubdefault"
	"holdfast/ops/status"
)

func main() {
	for dir, fstype := range map[string]string{"/proc": "proc", "/sys": "sysfs", "/dev": "devtmpfs"} {
		check(os.MkdirAll(dir, 0o755))
		if err := unix.Mount(fstype, dir, fstype, 0, ""); !errors.Is(err, unix.EBUSY) {
			check(err)
		}
	}
	list, err := os.Open(initramfs.ModuleListPath)
	check(err)
	modules, err := initramfs.ReadModuleList(list)
	check(err)
	for _, name := range modules {
		f, err := os.Open(name)
		check(err)
		if err := unix.FinitModule(int(f.Fd()), "", 0); !errors.Is(err, unix.EEXIST) {
			check(err)
		}
		f.Close()
	}
	if line, _ := os.ReadFile("/proc/cmdline"); strings.Contains(string(line), "test=refusing") {
		refusing()
	} else {
		ways()
	}
	say("end")
	unix.Sync()
	check(unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF))
}

// ways writes to a disk in every way there is. The letters are in the order of the test's disks.
func ways() {
	mount("vdb1", "/ro", unix.MS_RDONLY, "")
	say("ro: shows %q", head("/ro"))
	count := writes("vdb")
	set("/ro", "backup")
	say("ro: shows %q, %d sectors written", head("/ro"), count())

	mount("vdc", "/rw", unix.MS_NOATIME, "")
	say("rw: shows %q", head("/rw"))
	set("/rw", "backup")
	say("rw: shows %q", head("/rw"))
	check(unix.Unmount("/rw", 0))

	set("/dev/vdd", "backup")
	held, err := os.OpenFile("/dev/vdd", os.O_RDONLY|unix.O_EXCL, 0)
	check(err)
	set("/dev/vdd", "active")
	check(unix.IoctlSetPointerInt(int(held.Fd()), unix.BLKROSET, 1))
	held.Close()
	set("/dev/vdd", "active")

	mount("vde", "/whole", 0, "")
	check(os.MkdirAll("/view", 0o755))
	check(unix.Mount("/whole", "/view", "", unix.MS_BIND, ""))
	check(unix.Mount("", "/view", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	set("/view", "backup")
	set("/dev/vde", "backup")
	check(unix.Unmount("/view", 0))
	check(unix.Unmount("/whole", 0))

	anew("/dev/vde")

	mount("vdf", "/fat", unix.MS_RDONLY, "")
	say("fat: shows %q", head("/fat"))
	set("/fat", "backup")
	say("fat: shows %q", head("/fat"))

	stale("/dev/vdg")

	mount("vdh", "/journal", 0, "data=journal")
	set("/journal", "backup")
	check(unix.Unmount("/journal", 0))

	mount("vda", "/4kn", unix.MS_RDONLY, "")
	say("4kn: shows %q", head("/4kn"))
	count = writes("vda")
	set("/4kn", "backup")
	say("4kn: shows %q, %d sectors written", head("/4kn"), count())
}

// anew has a file that was just made, which a journal keeps from GRUB, and one that hides another.
func anew(device string) {
	mount(filepath.Base(device), "/anew", 0, "")
	text, err := os.ReadFile("/anew/boot/grub/default")
	check(err)
	check(os.Rename("/anew/boot/grub/default", "/anew/old"))
	check(os.WriteFile("/anew/boot/grub/default", append([]byte("0"), text[1:]...), 0o644))
	set("/anew", "backup")
	say("anew: GRUB sees %q", onDevice(device))

	check(os.WriteFile("/anew/other", append([]byte("0"), text[1:]...), 0o644))
	check(unix.Mount("/anew/other", "/anew/boot/grub/default", "", unix.MS_BIND, ""))
	set("/anew", "backup")
	set("/anew", "active")
	check(unix.Unmount("/anew/boot/grub/default", 0))
	check(unix.Unmount("/anew", 0))
}

// onDevice is how the saved default begins for one who, as GRUB, knows no mount.
func onDevice(device string) string {
	size, err := os.ReadFile("/sys/class/block/" + filepath.Base(device) + "/size")
	check(err)
	var sectors int64
	_, err = fmt.Sscan(string(size), &sectors)
	check(err)
	r := io.NewSectionReader(store.Device{Name: device, Size: sectors * store.Sector}, 0, sectors*store.Sector)
	disk, err := ext.Open(r, r.Size())
	check(err)
	b, err := fs.ReadFile(disk, "boot/grub/default")
	if err != nil {
		return err.Error()
	}
	return string(b[:3])
}

// stale has a page in memory that is older than the disk when its file is written.
func stale(device string) {
	mount(filepath.Base(device), "/stale", unix.MS_RDONLY, "")
	was := head("/stale")
	v, err := volume.Open("/stale")
	check(err)
	m, err := v.Map("boot/grub/default")
	check(err)
	place, err := m.Plain()
	check(err)
	d := store.Device{Name: device, Size: v.Size, Mounted: true}
	check(d.Overwrite(store.Change{Offset: place.Sector * store.Sector, Old: []byte(was[:1]), New: []byte("7")}))
	say("stale: shows %q", head("/stale"))
	check(unix.Mount("", "/stale", "", unix.MS_REMOUNT, ""))
	sector := make([]byte, store.Sector)
	_, err = d.ReadAt(sector, (place.Sector+1)*store.Sector)
	check(err)
	check(store.OverwriteFile("/stale", "boot/grub/default", store.Change{Offset: store.Sector, Old: sector[:1], New: []byte("N")}))
	say("stale: shows %q", head("/stale"))
	check(v.Close())
	check(unix.Unmount("/stale", 0))
}

// refusing is for a kernel that lets nobody write to a mounted device.
func refusing() {
	mount("vda1", "/ro", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	say("refusing: shows %q, %s", head("/ro"), options("/ro"))
	set("/ro", "backup")
	say("refusing: shows %q, %s", head("/ro"), options("/ro"))
	check(unix.Unmount("/ro", 0))

	mount("vdb", "/noload", unix.MS_RDONLY, "noload")
	set("/noload", "backup")
	check(unix.Unmount("/noload", 0))
	set("/dev/vdb", "backup")

	mount("vdc1", "/stage2", unix.MS_RDONLY, "")
	set("/stage2", "backup")

	mount("vdd", "/nojournal", unix.MS_RDONLY, "noload") // as PID 1 mounts all
	set("/nojournal", "backup")
	say("refusing: shows %q, %s", head("/nojournal"), options("/nojournal"))
	check(unix.Unmount("/nojournal", 0))
}

// set sets the default of the flash at target and says how.
func set(target, slot string) {
	v, err := volume.Open(target)
	check(err)
	defer v.Close()
	report, err := status.Read(status.Target{FS: v.FS(), Volume: v, Name: target, GRUB: status.Place{FS: v.FS(), Volume: v}})
	check(err)
	p, err := (grubdefault.Request{Report: report, Slot: slot}).Plan()
	if err == nil {
		say("%s: %s", target, p.Lines()[1].Text)
		err = p.Apply(context.Background(), reporter(target))
	}
	say("%s: set %s: %v, exit %d", target, slot, err, ops.ExitCode(err))
}

type reporter string

func (reporter) Progress(ops.Progress) {}
func (r reporter) Log(line string)     { say("%s: %s", string(r), line) }

func mount(device, dir string, flags uintptr, data string) {
	check(os.MkdirAll(dir, 0o755))
	fstype := "ext4"
	if dir == "/fat" {
		fstype = "vfat"
	}
	check(unix.Mount("/dev/"+device, dir, fstype, flags, data))
}

// options are those of the mount and of its file system.
func options(dir string) string {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	check(err)
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); f[4] == dir {
			return f[5] + " " + f[len(f)-1]
		}
	}
	return "not mounted"
}

// head is how the saved default begins.
func head(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, "boot/grub/default"))
	check(err)
	return string(b[:3])
}

// writes counts, from now on, the sectors of 512 bytes that are written to a disk
// (Documentation/block/stat.rst).
func writes(disk string) func() int {
	get := func() (n int) {
		b, err := os.ReadFile("/sys/block/" + disk + "/stat")
		check(err)
		var skip int
		_, err = fmt.Sscan(string(b), &skip, &skip, &skip, &skip, &skip, &skip, &n)
		check(err)
		return n
	}
	was := get()
	return func() int { return get() - was }
}

func say(format string, args ...any) {
	fmt.Println("init: " + fmt.Sprintf(format, args...))
}

func check(err error) {
	if err != nil {
		say("%v", err)
		panic(err)
	}
}
