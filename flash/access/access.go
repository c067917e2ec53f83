// Package access gives an operation a directory in which the files of a flash can be written, for the
// time of the operation: its own mount where that is read-write, the same mounted for writing where it is
// read-only, a mount of its own (for an image file over a loop device) where it is not mounted. It goes
// back to what it was on Close, and when this process dies, by a guard, which is another process.
package access

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"holdfast/flash/volume"
)

// Access is a flash that is mounted for writing.
type Access struct {
	Dir    string         // the flash's root
	Volume *volume.Volume // the same flash as Dir shows it; it is another one than before where it had to be mounted
	Type   string         // of the file system: "ext2", "ext3", "ext4", "vfat", ...

	guard  *guard         // nil where nobody watches
	undo   []step         // in the order of doing
	opened *volume.Volume // by Open, for Close to close
}

// Open makes v's files writable. guard is the command of the guard, which calls Guard: the program
// itself with a hidden word; with none, nobody undoes what a process that dies leaves. locks are files
// that are locked by flock for the time of the access: the guard holds them too, until it is done.
// Errors wrap fs.ErrPermission, syscall.EROFS or syscall.EBUSY where it is that.
func Open(v *volume.Volume, guard []string, locks ...*os.File) (*Access, error) {
	a := &Access{guard: newGuard(guard, locks)}
	if err := a.open(v); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", v.Name, err), a.Close())
	}
	return a, nil
}

func (a *Access) open(v *volume.Volume) error {
	var err error
	switch {
	case v.Dir != "":
		a.Dir = v.Dir
		if err = a.openMounted(v); err == nil {
			a.Volume, err = v.Reopen()
		}
	case v.Device != "":
		if err = free(v); err == nil {
			err = a.mount(v.Device, v.Type)
		}
		if err == nil {
			a.Volume, err = v.Reopen()
		}
	default:
		if err = free(v); err == nil {
			err = a.mountImage(v)
		}
		if err == nil {
			a.Volume, err = v.OnLoop(a.Dir)
		}
	}
	if err != nil {
		return err
	}
	a.opened, a.Type = a.Volume, a.Volume.Type
	if a.Volume.Dir != a.Dir {
		return fmt.Errorf("it was mounted on %s, and is seen on %s now: %w", a.Dir, a.Volume.Dir, syscall.EBUSY)
	}
	if a.Volume.ReadOnly {
		return syscall.EROFS
	}
	return nil
}

// free refuses a volume that somebody else may be writing to, or that this user cannot write to.
func free(v *volume.Volume) error {
	if dir, _ := v.Mounted(); dir != "" {
		return fmt.Errorf("a part of it is mounted on %s: %w", dir, syscall.EBUSY)
	}
	if by := v.InUse(); by != "" {
		return fmt.Errorf("%s: %w", by, syscall.EBUSY)
	}
	if v.ReadOnly {
		return readOnlyCause(v)
	}
	return nil
}

// do does something that s undoes. The guard knows of it first: to undo what was not done does no harm.
func (a *Access) do(s step, action func() error) error {
	if err := a.guard.tell(message{Push: &s}); err != nil {
		return err
	}
	a.undo = append(a.undo, s)
	return action()
}

// Close gives the flash back as it was: read-only again, or unmounted and the loop device detached.
// What cannot be undone now is left to the guard, which tries a little longer.
func (a *Access) Close() error {
	var errs []error
	if a.opened != nil {
		errs = append(errs, a.opened.Close())
		a.opened = nil
	}
	for len(a.undo) > 0 {
		last := len(a.undo) - 1
		if err := a.undo[last].undo(patience); err != nil {
			errs = append(errs, err)
			break
		}
		a.undo = a.undo[:last]
		_ = a.guard.tell(message{Pop: true}) // one that is dead needs not know
	}
	a.guard.end(len(a.undo) == 0)
	a.undo = nil
	return errors.Join(errs...)
}
