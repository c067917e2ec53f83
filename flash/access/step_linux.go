package access

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/flash/volume"
)

// step is something that was done, or is about to be, by how it is undone. The guard is told of it
// in JSON.
type step struct {
	Kind   kind    `json:"kind"`
	Dir    string  `json:"dir,omitempty"`
	Device string  `json:"device,omitempty"` // path
	Type   string  `json:"type,omitempty"`   // of the driver
	Flags  uintptr `json:"flags,omitempty"`  // of mount(2), for as it was but for being read-only
	Data   string  `json:"data,omitempty"`   // options of the driver
}

// kind is a way to undo.
type kind string

const (
	readonly kind = "read-only" // mount Dir read-only again, where it is
	restore  kind = "restore"   // unmount Dir, and mount Device there read-only, as Data says
	umount   kind = "unmount"   // unmount Dir
	rmdir    kind = "rmdir"     // remove the empty Dir
	detach   kind = "detach"    // wait until the loop device Device, which nobody uses, is gone
)

// detachIn is how long a loop device may take to go: udev looks at each.
const detachIn = 5 * time.Second

// undo undoes the step, and waits a while for what is busy. To undo it twice, or to undo what was not
// done, does nothing.
func (s step) undo(wait time.Duration) error {
	switch s.Kind {
	case readonly:
		err := retry(wait, func() error { return unix.Mount("", s.Dir, "", unix.MS_REMOUNT|unix.MS_RDONLY|s.Flags, "") })
		if err != nil {
			return fmt.Errorf("%s %w%s: %w", s.Dir, ErrStays, by(err, s.Dir), err)
		}
		return nil
	case restore:
		return s.restore(wait)
	case umount:
		return unmount(s.Dir, wait)
	case rmdir:
		if err := os.Remove(s.Dir); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	case detach:
		return s.detached(max(wait, detachIn))
	}
	return fmt.Errorf("undo %q: not known", s.Kind)
}

// restore mounts as PID 1 of the stage does: see Still.
func (s step) restore(wait time.Duration) error {
	m, err := volume.MountOn(s.Dir)
	if err != nil {
		return err
	}
	if m != nil && slices.Contains(m.Options, "ro") {
		return nil // it was not, or is already
	}
	if m != nil {
		if err := unmount(s.Dir, wait); err != nil {
			return fmt.Errorf("%s %w: %w", s.Dir, ErrStays, err)
		}
	}
	return Still(s.Device, s.Dir, s.Type, s.Flags, s.Data)
}

// detached waits for the kernel: a loop device goes when its last user does.
func (s step) detached(wait time.Duration) error {
	file := filepath.Join("/sys/block", filepath.Base(s.Device), "loop/backing_file")
	for end := time.Now().Add(wait); ; time.Sleep(poll) {
		if _, err := os.Stat(file); err != nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s stays attached: somebody has it open: %w", s.Device, unix.EBUSY)
		}
	}
}
