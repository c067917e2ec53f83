// Package store does the writes that must not go wrong. It replaces single sectors in place: of a
// file that the boot loader reads by its blocks, which must never move, or of a device whose file
// system is not mounted for writing.
package store

import "errors"

// Sector is the unit of every write, in bytes: what a disk writes whole or not at all.
const Sector = 512

// Change replaces bytes of one sector.
type Change struct {
	Offset   int64  // bytes from the start of the file or device, a multiple of Sector
	Old, New []byte // of the same length, at most Sector; a file may end with them
}

// ErrChanged says that the place does not hold Change.Old: somebody else was there.
var ErrChanged = errors.New("the sector does not hold what was read before")

// OverwriteFile makes a change within an existing file of a file system that is mounted for writing.
// The file keeps its size and its blocks. It returns when the change is on the device, and was read
// back from there past the page cache.
func OverwriteFile(name string, c Change) error { return errors.ErrUnsupported }

// Window bounds a write to a device: the partition that it is meant for.
type Window struct{ Start, Size int64 } // bytes

// OverwriteDevice makes a change on a block device or in an image file: the logical sector around it
// is read, compared, and written, past the page cache. The offset of the change counts from the start
// of the window, and what is not within the window is not written. The error wraps syscall.EBUSY
// where the kernel lets nobody write to a device that is mounted.
func OverwriteDevice(name string, w Window, c Change) error { return errors.ErrUnsupported }
