// Command machine is /init of the lab's machine. lab=record on the kernel's command line has it do the
// steps of /steps on the flash that the first disk holds, one mount each; lab=recover has it repair every
// flash of many that lie one behind the other on that disk; lab=access has it say how the flash is mounted before,
// within and after an operation.
//
// It tells the recorder of the disk, which is outside, where it is by a write to the disk's last sector,
// which is behind every file system.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"holdfast/initramfs"
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
	case "access":
		showAccess()
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
		words := strings.Fields(lines.Text()) // its name, then what to do
		mark(words[0])
		check(unix.Mount(part, flashDir, "vfat", 0, ""))
		mark(words[0] + ":mounted")
		if err := operate(words[0], words[1:]); err != nil {
			say("STEP %s: %v", words[0], err)
		}
		mark(words[0] + ":returned")
		check(unix.Unmount(flashDir, 0))
	}
	mark("end")
}

// recoverAll has the appliance use first those flashes whose bits are set in use=, which is hexadecimal. Then it
// starts with it twice, repairs it at each start, and goes on to use it. What it says of each is one line: what the
// repairs said, and what went wrong.
func recoverAll() {
	count, err := strconv.Atoi(word("count"))
	check(err)
	use, ok := new(big.Int).SetString(word("use"), 16)
	if !ok {
		check(fmt.Errorf("use=%s", word("use")))
	}
	for i := range count {
		place(i)
		mark(strconv.Itoa(i))
		line, err := json.Marshal(recoverOne(i, use.Bit(i) == 1))
		check(err)
		say("STATE %s", line)
	}
}

func recoverOne(i int, used bool) map[string]any {
	result := map[string]any{"state": i, "used": used}
	if used {
		if err := useFlash(); err != nil {
			result["error"] = fmt.Sprintf("the appliance: %v", err)
			return result
		}
	}
	first, err := start(nil)
	if result["first"] = first; err != nil {
		result["failed"] = err.Error()
	}
	second, err := start(func() error {
		third, err := repairFlash()
		result["third"] = third
		return errors.Join(err, goOn())
	})
	if result["second"] = second; err != nil {
		result["error"] = err.Error()
	}
	return result
}

// useFlash does what an appliance does that knows nothing of us and whose slot GRUB started by itself: it mounts the
// flash as vfat is mounted when nobody says more, looks at everything, and writes a file of its own.
func useFlash() error {
	if err := unix.Mount(part, flashDir, "vfat", 0, ""); err != nil {
		return err
	}
	err := filepath.WalkDir(flashDir, func(path string, d os.DirEntry, err error) error {
		if err == nil {
			_, err = d.Info()
		}
		return err
	})
	for _, step := range []func() error{
		func() error {
			return os.WriteFile(flashDir+"/cfg/appliance", []byte(strings.Repeat("settings\n", 4<<10)), 0o644)
		},
		func() error { return unix.Unmount(flashDir, 0) },
	} {
		err = errors.Join(err, step())
	}
	return err
}

// start mounts the flash read-only, as vfat has it when nobody says more, repairs it and does what comes then.
func start(then func() error) (said []string, err error) {
	if err := unix.Mount(part, flashDir, "vfat", unix.MS_RDONLY, ""); err != nil {
		return nil, err
	}
	said, err = repairFlash()
	if err == nil && then != nil {
		err = then()
	}
	return said, errors.Join(err, unix.Unmount(flashDir, 0))
}

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
