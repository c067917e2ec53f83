// Package access gives an operation a directory in which the files of a flash can be written, for the
// time of the operation: its own mount where that is read-write, the same mounted for writing where it is
// read-only, a mount of its own (for an image file over a loop device) where it is not mounted. It goes
// back to what it was on Close, and when this process dies, by a guard, which is another process.
package access

import (
	"errors"

	"holdfast/flash/volume"
)

// Access is a flash that is mounted for writing.
type Access struct {
	Dir    string         // the flash's root
	Volume *volume.Volume // the same flash as Dir shows it; it is another one than before where it had to be mounted
	Type   string         // of the file system: "ext2", "ext3", "ext4", "vfat", ...
}

// Open makes v's files writable. guard is the command of the guard, which calls Guard: the program
// itself with a hidden word. Errors wrap fs.ErrPermission, syscall.EROFS or syscall.EBUSY where it is that.
func Open(v *volume.Volume, guard []string) (*Access, error) { return nil, errors.ErrUnsupported }

// MayFreeze reports whether the file system may be frozen, and why not.
func (a *Access) MayFreeze() (why string, ok bool) { return "", false }

// Freeze is for store.Options.
func (a *Access) Freeze() error { return errors.ErrUnsupported }

// Close gives the flash back as it was: read-only again, or unmounted and the loop device detached.
func (a *Access) Close() error { return nil }

// Guard is the life of the other process: it reads from its standard input what there is to undo, and
// undoes it when that ends without a good-bye.
func Guard() error { return errors.ErrUnsupported }
