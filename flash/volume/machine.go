package volume

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// machine is where a machine says which block devices it has, and what is mounted.
type machine struct {
	sys    string // "/sys"
	dev    string // "/dev"
	mounts string // "/proc/self/mountinfo"
}

func thisMachine() machine {
	return machine{sys: "/sys", dev: "/dev", mounts: "/proc/self/mountinfo"}
}

// block is a block device as sysfs describes it.
type block struct {
	name      string // "sda2"
	disk      string // "sda"; name itself when it is no partition
	number    string // "8:2"
	partition int    // 0 when it is none
	start     int64  // bytes
	size      int64  // bytes; 0 when there is no medium
	sector    int64  // bytes; 0 when it is not known
	readOnly  bool
}

// extended reports whether it is the box of logical partitions. The kernel shows no more of it than
// the boot record (block/partitions/msdos.c).
func (b block) extended() bool { return b.partition != 0 && b.size <= max(1024, b.sector) }

// unit is what sysfs counts in, whatever the disk's own sectors are.
const unit = 512

func (m machine) class(name string) string { return filepath.Join(m.sys, "class/block", name) }

// node is the path of a block device. The kernel writes "!" for the "/" in a name.
func (m machine) node(name string) string {
	return filepath.Join(m.dev, strings.ReplaceAll(name, "!", "/"))
}

// byNumber finds a block device by "major:minor".
func (m machine) byNumber(number string) (block, error) {
	to, err := os.Readlink(filepath.Join(m.sys, "dev/block", number))
	if err != nil {
		return block{}, err
	}
	return m.block(filepath.Base(to))
}

// block describes a block device. In sysfs it is a link into the tree of devices, where a partition
// lies in the directory of its disk.
func (m machine) block(name string) (block, error) {
	dir := m.class(name)
	to, err := os.Readlink(dir)
	if err != nil {
		return block{}, err
	}
	b := block{name: name, disk: name, number: text(dir, "dev"), size: number(dir, "size") * unit, readOnly: number(dir, "ro") != 0}
	if b.partition = int(number(dir, "partition")); b.partition != 0 {
		b.disk = filepath.Base(filepath.Dir(to))
		b.start = number(dir, "start") * unit
	}
	b.sector = number(m.class(b.disk), "queue/logical_block_size")
	return b, nil
}

// text is the contents of a file of sysfs, "" when there is none.
func text(dir, name string) string {
	b, _ := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(b))
}

func number(dir, name string) int64 {
	n, _ := strconv.ParseInt(text(dir, name), 10, 64)
	return n
}

// volumes lists every partition, and every disk without partitions, by name. Devices on which no
// flash can be are left out, but for those of the disk named also.
func (m machine) volumes(also string) ([]block, error) {
	entries, err := os.ReadDir(m.class(""))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a kernel without block devices so far
	}
	if err != nil {
		return nil, err
	}
	var list []block
	parted := map[string]bool{}
	for _, e := range entries {
		b, err := m.block(e.Name())
		if err != nil || b.size == 0 || isNoDisk(b.name) && b.disk != also {
			continue
		}
		if b.partition != 0 {
			parted[b.disk] = true
		}
		if !b.extended() {
			list = append(list, b)
		}
	}
	list = slices.DeleteFunc(list, func(b block) bool { return parted[b.name] })
	slices.SortFunc(list, func(a, b block) int { return cmp.Compare(a.name, b.name) })
	return list, nil
}

// partitions lists those of one disk, in their order.
func (m machine) partitions(disk string) ([]block, error) {
	list, err := m.volumes(disk)
	list = slices.DeleteFunc(list, func(b block) bool { return b.disk != disk || b.partition == 0 })
	slices.SortFunc(list, func(a, b block) int { return a.partition - b.partition })
	return list, err
}

// isNoDisk reports whether no flash can be on a block device of that name, unless somebody says so.
func isNoDisk(name string) bool {
	for _, prefix := range []string{"ram", "loop", "zram", "sr", "fd", "nbd"} {
		rest, ok := strings.CutPrefix(name, prefix)
		if ok && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			return true
		}
	}
	return false
}

// attached names a loop device that shows some of the bytes from..to of an image file, or of a disk; ""
// when there is none.
func (m machine) attached(image os.FileInfo, from, to int64) string {
	for _, l := range m.loops() {
		if l.from >= to || from >= l.to {
			continue
		}
		if backing, err := os.Stat(l.file); err == nil && os.SameFile(image, backing) {
			return m.node(l.name)
		}
	}
	return ""
}

// sharing says what else works on the image file of a loop device: another one that shows some of the
// same bytes, or a virtual machine. It is "" of any other disk.
func (m machine) sharing(disk string) (string, error) {
	if node, err := filepath.EvalSymlinks(disk); err == nil {
		disk = node
	}
	own := m.loop(m.name(disk))
	image, err := os.Stat(own.file)
	if err != nil {
		return "", nil // no loop device, or its file was deleted
	}
	for _, other := range m.loops() {
		if other.name == own.name || other.from >= own.to || own.from >= other.to {
			continue
		}
		if backing, err := os.Stat(other.file); err == nil && os.SameFile(image, backing) {
			return fmt.Sprintf("%s, the image file of %s, is attached to %s too", own.file, disk, m.node(other.name)), nil
		}
	}
	if !image.Mode().IsRegular() {
		return "", nil
	}
	if by, err := locked(own.file); err != nil || by {
		return fmt.Sprintf("%s, the image file of %s, is locked by another program, as by a virtual machine that runs from it", own.file, disk), err
	}
	return "", nil
}

// loop is a loop device and the bytes of a file that it shows; file is "" of another block device.
type loop struct {
	name     string // "loop0"
	file     string
	from, to int64
}

func (m machine) loop(name string) loop {
	dir := filepath.Join(m.sys, "block", name)
	l := loop{name: name, file: text(dir, "loop/backing_file"), from: number(dir, "loop/offset")}
	l.to = l.from + number(dir, "size")*unit
	return l
}

// loops lists the loop devices that are attached to something.
func (m machine) loops() []loop {
	dirs, _ := filepath.Glob(filepath.Join(m.sys, "block/loop*"))
	var list []loop
	for _, dir := range dirs {
		if l := m.loop(filepath.Base(dir)); l.file != "" {
			list = append(list, l)
		}
	}
	return list
}

// users says what uses a volume beside its mounts: a loop device, a virtual machine that has the
// image file locked, or another user of the block device.
func (m machine) users(v *Volume) (string, error) {
	name := cmp.Or(v.Device, v.Disk)
	info, err := os.Stat(name)
	if err != nil {
		return "", err
	}
	from := v.Start
	if v.Device != "" {
		from = 0 // the device is the volume alone
	}
	if loop := m.attached(info, from, from+v.Size); loop != "" {
		return fmt.Sprintf("%s is attached to %s", name, loop), nil
	}
	if by, err := m.sharing(v.Disk); err != nil || by != "" {
		return by, err
	}
	if info.Mode()&fs.ModeDevice == 0 {
		if by, err := locked(name); err != nil || by {
			return fmt.Sprintf("%s is locked by another program, as by a virtual machine that runs from it", name), err
		}
		return "", nil
	}
	if busy, err := claimed(name); err != nil || busy {
		return fmt.Sprintf("%s is in use: mounted elsewhere, or a part of a RAID or of another volume", name), err
	}
	return "", nil
}
