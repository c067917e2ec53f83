// Command machine is /init of the lab's machine. lab=record on the kernel's command line has it do the
// steps of /steps on the flash that the first disk holds, one mount each; lab=recover has it repair every
// flash of many that lie one behind the other on that disk.
//
// It tells the recorder of the disk, which is outside, where it is by a write to the disk's last sector,
// which is behind every file system.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"holdfast/flash"
	"holdfast/flash/store"
	"holdfast/flash/volume"
	"holdfast/initramfs"
	"holdfast/ops"
	"holdfast/ops/repair"
	"holdfast/ops/status"
)

const (
	disk     = "/dev/vda"
	part     = "/dev/vda1"
	flashDir = "/flash"
)

func main() {
	for dir, fstype := range map[string]string{"/proc": "proc", "/sys": "sysfs", "/dev": "devtmpfs", "/tmp": "tmpfs", "/run": "tmpfs"} {
		check(os.MkdirAll(dir, 0o755))
		if err := unix.Mount(fstype, dir, fstype, 0, ""); !errors.Is(err, unix.EBUSY) {
			check(err)
		}
	}
	check(os.MkdirAll(flashDir, 0o755))
	loadModules()
	switch word("lab") {
	case "record":
		record()
	case "recover":
		recoverAll()
	}
	say("\nEND")
	unix.Sync()
	check(unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF))
}

func loadModules() {
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
}

// record does each step on its own mount, between two marks.
func record() {
	steps, err := os.Open("/steps")
	check(err)
	place(0)
	for lines := bufio.NewScanner(steps); lines.Scan(); {
		words := strings.Fields(lines.Text())
		mark(words[0])
		check(unix.Mount(part, flashDir, "vfat", 0, ""))
		mark(words[0] + ":mounted")
		run(words[1:])
		mark(words[0] + ":returned")
		check(unix.Unmount(flashDir, 0))
	}
	mark("end")
}

func run(command []string) {
	switch command[0] {
	case "naive":
		naive(command[1])
		return
	case "tree":
		check(tree(command[1:]))
		return
	}
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	say("RAN %s: %v\n%s", strings.Join(command, " "), err, out)
}

// naive installs as one would who knows POSIX and not vfat: every file is synced, and the directory.
func naive(from string) {
	system := flashDir + "/system/"
	check(os.Mkdir(system+"incoming", 0o755))
	entries, err := os.ReadDir(from)
	check(err)
	for _, e := range entries {
		data, err := os.ReadFile(from + "/" + e.Name())
		check(err)
		f, err := os.Create(system + "incoming/" + e.Name())
		check(err)
		_, err = f.Write(data)
		check(errors.Join(err, f.Sync(), f.Close()))
	}
	check(os.RemoveAll(system + "backup"))
	check(os.Rename(system+"active", system+"backup"))
	check(os.Rename(system+"incoming", system+"active"))
	dir, err := os.Open(system)
	check(err)
	check(errors.Join(dir.Sync(), dir.Close()))
}

func tree(words []string) error {
	o := store.Options{Type: "vfat"}
	for _, p := range store.Points() {
		if len(words) > 2 && p.String() == words[2] {
			o.Omit = p
		}
	}
	t, err := store.Open(flashDir, o)
	if err != nil {
		return err
	}
	defer t.Close()
	f, err := flash.Read(os.DirFS(flashDir))
	if err != nil {
		return err
	}
	p := flash.Pending{Before: flash.Pair{Active: f.Slots[0].ID, Backup: f.Slots[1].ID}}
	switch words[0] {
	case "install":
		in, err := t.Stage()
		if err != nil {
			return err
		}
		for _, name := range []string{"kernel.img", "initrd.img", "kernel.arg", "kernel.ver", "SHA256SUMS"} {
			data, err := os.ReadFile(words[1] + "/" + name)
			check(err)
			w, err := in.Create(name, int64(len(data)))
			if err != nil {
				return err
			}
			_, err = w.Write(data)
			check(errors.Join(err, w.Close()))
		}
		if err := in.Seal(context.Background(), nil); err != nil {
			return err
		}
		f, err := flash.Read(os.DirFS(flashDir))
		check(err)
		for _, l := range f.Left {
			if l.Name == "incoming" {
				p.After = flash.Pair{Active: l.ID, Backup: p.Before.Active}
			}
		}
		p.Op = flash.Installing
		if err := t.Write(func(r *flash.Record) {
			r.Entries = []flash.Entry{{ID: p.Before.Active, State: flash.Confirmed}, {ID: p.After.Active, State: flash.Trial, Tries: 3}}
		}); err != nil {
			return err
		}
	case "rotate":
		p.Op, p.After = flash.Rotating, flash.Pair{Active: p.Before.Backup, Backup: p.Before.Active}
	case "remove":
		return errors.Join(t.Remove("backup"), t.Clear())
	case "confirm":
		return t.Write(func(r *flash.Record) { r.Entries = []flash.Entry{{ID: p.Before.Active, State: flash.Confirmed}} })
	}
	if err := t.Arrange(p); err != nil {
		return err
	}
	if err := t.Write(func(r *flash.Record) { r.Pending = nil }); err != nil {
		return err
	}
	return t.Clear()
}

func recoverTree() ([]string, error) {
	t, err := store.Open(flashDir, store.Options{Type: "vfat"})
	if err != nil {
		return nil, err
	}
	defer t.Close()
	r, err := t.Recover(context.Background())
	return r.Lines, err
}

// recoverAll repairs every flash twice. What it says of each is one line: what the repairs said, and
// what went wrong.
func recoverAll() {
	count, err := strconv.Atoi(word("count"))
	check(err)
	for i := range count {
		place(i)
		mark(strconv.Itoa(i))
		result := map[string]any{"state": i}
		if err := unix.Mount(part, flashDir, "vfat", 0, ""); err != nil {
			result["error"] = "mount: " + err.Error()
		} else {
			first, err := recoverTree()
			second, again := recoverTree()
			result["first"], result["second"] = first, second
			if err := errors.Join(err, again, unix.Unmount(flashDir, 0)); err != nil {
				result["error"] = err.Error()
			}
		}
		line, err := json.Marshal(result)
		check(err)
		say("STATE %s", line)
	}
}

// recoverOnce is what a console does at its start; it gives what it said.
func recoverOnce() (said []string, err error) {
	v, err := volume.Open(flashDir)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	here := status.Place{FS: v.FS(), Volume: v}
	report, err := status.Read(status.Target{FS: here.FS, Volume: v, Name: flashDir, Type: "vfat", Access: "rw", GRUB: here})
	if err != nil {
		return nil, err
	}
	p, err := repair.Request{Report: report}.Plan()
	if err != nil || p.Nothing() {
		return nil, err
	}
	said = []string{}
	return said, p.Apply(context.Background(), reporter{&said})
}

type reporter struct{ said *[]string }

func (reporter) Progress(ops.Progress) {}
func (r reporter) Log(line string)     { *r.said = append(*r.said, line) }

// place makes the n-th flash of the disk its first partition. Its size, in bytes, is on the command line.
func place(n int) {
	size, err := strconv.ParseInt(word("size"), 10, 64)
	check(err)
	f, err := os.Open(disk)
	check(err)
	defer f.Close()
	p := unix.BlkpgPartition{Pno: 1}
	if _, err := os.Stat(part); err == nil {
		check(blkpg(f, unix.BLKPG_DEL_PARTITION, &p))
	}
	p.Start, p.Length = int64(n)*size, size
	check(blkpg(f, unix.BLKPG_ADD_PARTITION, &p))
}

func blkpg(f *os.File, op int32, p *unix.BlkpgPartition) error {
	arg := unix.BlkpgIoctlArg{Op: op, Datalen: int32(unsafe.Sizeof(*p)), Data: (*byte)(unsafe.Pointer(p))}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.BLKPG, uintptr(unsafe.Pointer(&arg)))
	if errno != 0 {
		return errno
	}
	return nil
}

// mark writes the last sector of the disk. It flushes nothing: a mark must not make anything durable.
func mark(name string) {
	f, err := os.OpenFile(disk, os.O_WRONLY|unix.O_DIRECT, 0)
	check(err)
	defer f.Close()
	end, err := f.Seek(0, 2)
	check(err)
	page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE) // aligned
	check(err)
	defer unix.Munmap(page)
	copy(page, name)
	_, err = f.WriteAt(page[:512], end-512)
	check(err)
}

func word(name string) string {
	line, err := os.ReadFile("/proc/cmdline")
	check(err)
	for _, w := range strings.Fields(string(line)) {
		if value, ok := strings.CutPrefix(w, name+"="); ok {
			return value
		}
	}
	return ""
}

func say(format string, args ...any) {
	fmt.Println(fmt.Sprintf(format, args...))
}

func check(err error) {
	if err != nil {
		say("FAILED %v", err)
		panic(err)
	}
}
