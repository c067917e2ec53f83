// Package volume finds file systems and reads them, wherever they are: in a mounted directory, on a
// block device that is not mounted, or in a partition of an image file. Which of these it is decides
// how a file is read and where its blocks are; the rest of the program need not know.
package volume

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"holdfast/flash/blockmap"
	"holdfast/flash/blockmap/ext"
	"holdfast/flash/blockmap/fat"
	"holdfast/flash/disk"
)

// Volume is one file system, or a directory of one.
type Volume struct {
	Name      string // for people and as T of the command line: "disk.img:2", "/dev/sda2", "/flash"
	Disk      string // path of the disk or image file it is on: "disk.img", "/dev/sda"; "" when there is none
	Partition int    // from 1; 0 for a file system on the whole disk, or when it is not known
	Start     int64  // bytes from the start of Disk
	Size      int64  // bytes; 0 when it is not known
	Sector    int64  // logical sector of Disk in bytes; 0 when it is not known
	Device    string // path of the block device that is this volume alone: "/dev/sda2"; "" in an image file
	Dir       string // where it is mounted, or the directory of it that was named; "" when it is not mounted
	ReadOnly  bool   // it is mounted so, or its disk or image file cannot be written by this user
	Notice    string // what is wrong with the disk's partition table although it could be used; "" when nothing is
	disk.FileSystem

	machine machine
	fsys    fs.FS
	blocks  blocks      // the file system by its blocks; nil when they cannot be read
	disk    io.ReaderAt // nil when it cannot be read
	mounts  []mount     // of its file system, whatever part of it they show
	part    bool        // it is a directory of its file system, not all of it
	root    string      // where Dir is in its file system: "", "/boot"
	open    []io.Closer
	image   *Volume // in an image file, which a loop device shows; nil when it is none
}

// blocks is a file system that is read from its blocks.
type blocks interface {
	fs.FS
	Map(name string) (blockmap.Map, error)
	Free() (int64, error)
	Unclean() string
	Damage() string
}

// errUnknown means a volume without a file system that is known here.
var errUnknown = errors.New("no file system that is known here")

// readBlocks opens the file system that r holds.
func readBlocks(r io.ReaderAt, size int64) (disk.FileSystem, blocks, error) {
	found, err := disk.Identify(r)
	if err != nil {
		return found, nil, err
	}
	switch found.Type {
	case "":
		return found, nil, errUnknown
	case "vfat":
		b, err := fat.Open(r, size)
		return found, b, err
	}
	b, err := ext.Open(r, size)
	return found, b, err
}

// Close gives back what is open.
func (v *Volume) Close() error {
	var errs []error
	for _, c := range v.open {
		errs = append(errs, c.Close())
	}
	v.open = nil
	return errors.Join(errs...)
}

// String names the volume with what tells it from others: `disk.img:2 (ext2, label "hf-1234")`.
func (v *Volume) String() string { return described(v.Name, v.FileSystem) }

// Word is the value of flash= that names the volume to another kernel: "sda2"; "" of a directory or an
// image file, which are no device.
func (v *Volume) Word() string {
	if v.Device == "" || v.part {
		return ""
	}
	return strings.TrimPrefix(v.Device, v.machine.dev+"/")
}

// FS is the root of the volume. A mounted volume is read through its mount: no link leads out of it
// and no special file is waited for. Another is read from its blocks.
func (v *Volume) FS() fs.FS { return v.fsys }

// Whole reports that FS is the root of its file system, from which GRUB looks for its files: what is
// not there is not there. Of a directory below, nobody can say so.
func (v *Volume) Whole() bool { return !v.part }

// Map says where a file's bytes lie; its sectors count from the start of the volume, also where Dir
// is but a directory of it. A file of another file system, which is mounted within Dir, has no place
// on this volume, and is an error.
func (v *Volume) Map(name string) (blockmap.Map, error) {
	if v.Dir == "" {
		return v.blocks.Map(name)
	}
	f, err := v.fsys.Open(name)
	if err != nil {
		return blockmap.Map{}, err
	}
	defer f.Close()
	file, ok := f.(*os.File)
	if !ok {
		return blockmap.Map{}, fmt.Errorf("map %s: %w", name, errors.ErrUnsupported)
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return blockmap.Map{}, errors.Join(err, fmt.Errorf("map %s: not a regular file", name))
	}
	if !sameFileSystem(v.Dir, file) {
		return blockmap.Map{}, fmt.Errorf("map %s: another file system is mounted there", name)
	}
	return blockmap.File(file)
}

// MapOn is Map by nothing but the blocks that device, which reads the volume, has now. There GRUB
// looks a file up: it knows no cache, no journal that will write the file later, and nothing that is
// mounted over it.
func (v *Volume) MapOn(device io.ReaderAt, name string) (blockmap.Map, error) {
	w, err := disk.NewWindow(device, 0, v.Size)
	if err != nil {
		return blockmap.Map{}, err
	}
	_, b, err := readBlocks(w, v.Size)
	if err != nil {
		return blockmap.Map{}, fmt.Errorf("map %s: %w", name, err)
	}
	return b.Map(strings.TrimPrefix(path.Join(v.root, name), "/"))
}

// Free is the number of bytes that are free.
func (v *Volume) Free() (int64, error) {
	if v.Dir == "" {
		return v.blocks.Free()
	}
	return freeBytes(v.Dir)
}

// DiskReader reads the disk that the volume is on, from its start; nil when there is none or when this
// user may not.
func (v *Volume) DiskReader() io.ReaderAt { return v.disk }

// Unclean says why what is on the device may not be what a mount shows, in plain words, and "" when
// it is the same: a journal that waits for its replay. Of a volume that is mounted read-write, it
// says nothing: the kernel looks after it.
func (v *Volume) Unclean() string {
	if _, written := v.Mounted(); written || v.blocks == nil {
		return ""
	}
	return v.blocks.Unclean()
}

// Damage says that the kernel has found errors on the file system, and "" when it has not. What is
// read of it is what a mount shows, and what GRUB reads, all the same.
func (v *Volume) Damage() string {
	if v.blocks == nil {
		return ""
	}
	return v.blocks.Damage()
}

// Mounted says where the volume's file system is mounted, "" when it is not, and whether the kernel
// may write to it. It may where ReadOnly is true too: a read-only mount of a part of a file system
// does not keep others from writing to it. The place is one where files can be written, and where
// the whole file system is to be seen, if there is one.
func (v *Volume) Mounted() (dir string, written bool) {
	best := -1
	for _, m := range v.mounts {
		written = written || !m.superRO
		if r := m.rank(); r > best {
			dir, best = m.dir, r
		}
	}
	return dir, written
}

// InUse says what else uses the volume, so that nobody should write to it behind that user's back: a
// loop device, be it another one over the same image file, a virtual machine, a RAID. It is "" when
// nothing does that can be seen from here, and of a mounted volume: see Mounted. Not seen are a loop
// device over the disk of a partition that is named by itself, a file system that another loop device
// has mounted besides this volume's own mount, and whatever other machines do to a shared disk.
func (v *Volume) InUse() string {
	if len(v.mounts) > 0 || v.Disk == "" {
		return ""
	}
	by, err := v.machine.users(v)
	if err != nil {
		return fmt.Sprintf("it cannot be told whether it is in use: %v", err)
	}
	return by
}
