// Package volume finds file systems and reads them, wherever they are: in a mounted directory, on a
// block device that is not mounted, or in a partition of an image file. Which of these it is decides
// how a file is read and where its blocks are; the rest of the program need not know.
package volume

import (
	"errors"
	"io"
	"io/fs"

	"holdfast/flash/blockmap"
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
	disk.FileSystem
}

// Close gives back what is open.
func (v *Volume) Close() error { return nil }

// FS is the root of the volume. A mounted volume is read through its mount: no link leads out of it
// and no special file is waited for. Another is read from its blocks.
func (v *Volume) FS() fs.FS { return nil }

// Map says where a file's bytes lie; its sectors count from the start of the volume, also where Dir
// is but a directory of it.
func (v *Volume) Map(name string) (blockmap.Map, error) {
	return blockmap.Map{}, errors.ErrUnsupported
}

// Free is the number of bytes that are free.
func (v *Volume) Free() (int64, error) { return 0, errors.ErrUnsupported }

// DiskReader reads the disk that the volume is on, from its start; nil when there is none or when this
// user may not.
func (v *Volume) DiskReader() io.ReaderAt { return nil }

// Unclean says why what is on the device may not be what a mount shows, in plain words, and "" when
// it is the same: a journal that waits for its replay. Of a volume that is mounted read-write, it
// says nothing: the kernel looks after it.
func (v *Volume) Unclean() string { return "" }

// Open opens what T of the command line names: a directory, a block device, an image file, or one of
// its partitions as FILE:N.
//
// A disk or an image file with a partition table holds several volumes: the one with a flash on it is
// taken. Several of those, or none, are an *Ambiguous error.
func Open(t string) (*Volume, error) { return nil, errors.ErrUnsupported }

// Ambiguous says that there is no single volume to choose.
type Ambiguous struct {
	Target     string   // what was looked at: "disk.img", "flash=sda2", "the disks of this machine"
	Candidates []string // each as people should read it: "disk.img:2 (ext2, label hf-1234)"; none when there is none
	Reason     string   // when there is none: why each volume is no flash
}

// Error names them all.
func (a *Ambiguous) Error() string { return a.Target + ": " + a.Reason }

// Search looks for the flash on all disks of the machine, or for the one that word names, which is
// the value of flash= on a kernel's command line: a device's name, which another kernel may have
// given (hda2 for sda2), UUID= or LABEL=; "" for none. note is "" or says what was taken for word.
func Search(word string) (v *Volume, note string, err error) { return nil, "", errors.ErrUnsupported }

// GRUB finds where GRUB's files are for the flash: on itself, else on its disk, else on the only other
// volume that has them. The error says why there is no single one.
func GRUB(flash *Volume) (*Volume, error) { return nil, errors.ErrUnsupported }
