package crashlab

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds how long something that another process has for a moment is asked for again: a loop
// device that somebody else just took, a file that a child holds between fork and exec.
const patience = 5 * time.Second

// retry calls f until it does not say EBUSY any more.
func retry(f func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := f()
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(time.Millisecond) // there is nothing to wait on: the kernel tells nobody
	}
}

// attach puts a free loop device over a file and gives its name.
func attach(file string) (loop string, err error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer control.Close()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	err = retry(func() error {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return err
		}
		loop = fmt.Sprintf("/dev/loop%d", n)
		d, err := os.OpenFile(loop, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer d.Close()
		if err := unix.IoctlLoopConfigure(int(d.Fd()), &unix.LoopConfig{Fd: uint32(f.Fd())}); err != nil {
			return err
		}
		return unix.IoctlSetPointerInt(int(d.Fd()), unix.BLKROSET, 0) // what its last user left of it stays
	})
	if err != nil {
		return "", fmt.Errorf("loop device over %s: %w", file, err)
	}
	return loop, nil
}

// detach frees a loop device.
func detach(loop string) error {
	d, err := os.OpenFile(loop, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	return retry(func() error { return unix.IoctlSetInt(int(d.Fd()), unix.LOOP_CLR_FD, 0) })
}

// mount mounts a device on dir. What lies below the device may have changed behind its back, and somebody who
// searches the disks of the machine may have had it open meanwhile: then the kernel would go on with its old pages.
func mount(device, dir, fstype string) error {
	if err := forget(device); err != nil {
		return fmt.Errorf("drop what is in memory of %s: %w", device, err)
	}
	if err := retry(func() error { return unix.Mount(device, dir, fstype, unix.MS_NOATIME, "") }); err != nil {
		return fmt.Errorf("mount %s as %s: %w", device, fstype, err)
	}
	return nil
}

func forget(device string) error {
	d, err := os.Open(device)
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.IoctlSetInt(int(d.Fd()), unix.BLKFLSBUF, 0)
}

func unmount(dir string) error {
	if err := retry(func() error { return unix.Unmount(dir, 0) }); err != nil {
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
	return nil
}

// Freeze puts everything of the file system mounted on Dir in its final place. It has no guard: it is
// for file systems of the lab alone.
type Freeze struct{ Dir string }

// Freeze freezes and at once thaws.
func (f Freeze) Freeze() error {
	d, err := os.Open(f.Dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.IoctlSetInt(int(d.Fd()), fifreeze, 0); err != nil {
		return fmt.Errorf("freeze %s: %w", f.Dir, err)
	}
	return unix.IoctlSetInt(int(d.Fd()), fithaw, 0)
}

// FIFREEZE and FITHAW: _IOWR('X', 119, int) and 120, include/uapi/linux/fs.h.
const fifreeze, fithaw = 0xc0045877, 0xc0045878

// thaw thaws the file system mounted on dir, if somebody who froze it did not come to that.
func thaw(dir string) {
	if d, err := os.Open(dir); err == nil {
		defer d.Close()
		_ = unix.IoctlSetInt(int(d.Fd()), fithaw, 0)
	}
}

// Fill writes a file until no more than about KiB of the file system mounted on dir are free, so that
// what is written next takes the blocks of what was deleted last.
func Fill(dir string, KiB int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return err
	}
	size := int64(st.Bavail)*st.Bsize - KiB<<10
	size -= size / 64 // for the blocks that say where the file's blocks are
	return os.WriteFile(dir+"/cfg/filling", make([]byte, max(size, 0)), 0o644)
}
