package access

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"holdfast/flash/volume"
)

// openMounted makes the place where v is mounted writable, if it is not.
func (a *Access) openMounted(v *volume.Volume) error {
	ro, err := ReadOnly(v.Dir)
	if err != nil {
		return err
	}
	if !ro {
		return unix.Access(v.Dir, unix.W_OK)
	}
	m, err := volume.MountOn(v.Dir)
	if err != nil {
		return err
	}
	if err := mayRemount(v, m); err != nil {
		return err
	}
	flags, err := mountFlags(v.Dir)
	if err != nil {
		return err
	}
	if withoutJournal(v.Type, m.Options) {
		return a.mountAnew(v, m, flags)
	}
	if givesUp(m) && v.Device != "" {
		// A shell that works there must not keep us from ours.
		if err := a.mountAnew(v, m, flags); !errors.Is(err, unix.EBUSY) {
			return explainReadOnly(err)
		}
	}
	err = a.do(step{Kind: readonly, Dir: v.Dir, Flags: flags}, func() error { return remount(v.Dir, flags) })
	if !errors.Is(err, unix.EINVAL) {
		return explainReadOnly(err)
	}
	// A list of deleted files that waits to be worked off asks for a mount from the beginning
	// (__ext4_remount in fs/ext4/super.c).
	if err := a.forget(); err != nil {
		return err
	}
	return a.mountAnew(v, m, flags)
}

// goOn is the option of vfat by which it stays writable when it finds something wrong: after a power cut a
// name may lead to clusters that are free, and to delete that is what recovery is for. The default makes the mount
// read-only at that moment (fat_fs_error in fs/fat/misc.c).
const goOn = "errors=continue"

// givesUp reports that a mount is a vfat that does not go on. A remount does not change that: it heeds no
// options (fat_remount in fs/fat/inode.c).
func givesUp(m *volume.Mount) bool {
	return m.Type == "vfat" && !slices.Contains(m.Options, goOn)
}

// Options are those of a driver without which nothing should be written by it; "" for none.
func Options(driver string) string {
	if driver == "vfat" {
		return goOn
	}
	return ""
}

// mayRemount refuses what is not a mount of its own: others see it too, and did not ask for it.
func mayRemount(v *volume.Volume, m *volume.Mount) error {
	switch {
	case !v.Whole() || m == nil:
		return fmt.Errorf("it is a part of a file system that is mounted read-only: %w", syscall.EROFS)
	case sameDevice(v.Dir, "/"):
		return fmt.Errorf("it is the root file system, which is mounted read-only: %w", syscall.EROFS)
	case !slices.Contains(m.Options, "ro"):
		return fmt.Errorf("this is a read-only view of a file system that is mounted for writing on %s: %w", strings.Join(m.Others, ", "), syscall.EROFS)
	}
	return nil
}

// forget takes back a step that was told and did nothing.
func (a *Access) forget() error {
	a.undo = a.undo[:len(a.undo)-1]
	return a.guard.tell(message{Pop: true})
}

// mountAnew takes a file system that cannot be mounted for writing as it is out of its place, and
// mounts it there again.
func (a *Access) mountAnew(v *volume.Volume, m *volume.Mount, flags uintptr) error {
	if v.Device == "" {
		return fmt.Errorf("its device is not known: %w", syscall.EROFS)
	}
	if len(m.Others) > 0 {
		return fmt.Errorf("it is mounted without its journal, and on %s too: %w", strings.Join(m.Others, ", "), syscall.EBUSY)
	}
	now, before := anew(m)
	s := step{Kind: restore, Dir: v.Dir, Device: v.Device, Type: m.Type, Flags: flags, Data: before}
	busy := false
	err := a.do(s, func() error {
		if err := unmount(v.Dir, patience); err != nil {
			busy = true
			return err
		}
		if err := setReadOnly(v.Device, false); err != nil { // who mounts without a write may have died since
			return err
		}
		return mount(v.Device, v.Dir, m.Type, flags, now)
	})
	if busy {
		return errors.Join(err, a.forget())
	}
	return err
}

// anew gives the options of a mount for writing, and those of the mount as it is.
func anew(m *volume.Mount) (now, before string) {
	var words []string
	still := "noload"
	for _, w := range m.Options {
		switch {
		case slices.Contains([]string{"ro", "noload", "norecovery"}, w):
		case m.Type == "vfat" && strings.HasPrefix(w, "errors="):
			still = w
		default:
			words = append(words, w)
		}
	}
	all := func(more string) string { return strings.Trim(strings.Join(words, ",")+","+more, ",") }
	return all(Options(m.Type)), all(still)
}

// drivers lists those that can write a file system, the best first: ext4 writes all three.
func drivers(fstype string) []string {
	switch fstype {
	case "ext2", "ext3":
		return []string{"ext4", fstype}
	}
	return []string{fstype}
}

// mount mounts a device at a place that nobody else knows.
func (a *Access) mount(device, fstype string) error {
	dir, err := os.MkdirTemp("", "holdfast-")
	if err != nil {
		return err
	}
	a.Dir = dir
	if err := a.do(step{Kind: rmdir, Dir: dir}, func() error { return nil }); err != nil {
		return err
	}
	return a.do(step{Kind: umount, Dir: dir}, func() error {
		const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME
		var errs []error
		for _, driver := range drivers(fstype) {
			err := mount(device, dir, driver, flags, Options(driver))
			if err == nil {
				return nil
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

// mountImage mounts a partition of an image file over a loop device, which goes with the mount.
func (a *Access) mountImage(v *volume.Volume) error {
	loop, err := attach(v.Disk, v.Start, v.Size)
	if err != nil {
		return err
	}
	defer loop.Close() // it is the mount that keeps it
	if err := a.do(step{Kind: detach, Device: loop.Name()}, func() error { return nil }); err != nil {
		return err
	}
	return a.mount(loop.Name(), v.Type)
}

// readOnlyCause says why nobody, or why this user, can write.
func readOnlyCause(v *volume.Volume) error {
	name := v.Device
	if name == "" {
		name = v.Disk
	}
	if unix.Access(name, unix.W_OK) == nil {
		return fmt.Errorf("%s is write-protected: %w", name, syscall.EROFS)
	}
	return &fs.PathError{Op: "write", Path: name, Err: fs.ErrPermission}
}

// explainReadOnly says what the kernel means by EACCES: the device, not the user.
func explainReadOnly(err error) error {
	if errors.Is(err, unix.EACCES) {
		return fmt.Errorf("the device is write-protected: %w", syscall.EROFS)
	}
	return err
}
