package pid1

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mount is a file system that is not on a disk.
type mount struct {
	fstype, dir string
	flags       uintptr
	data        string
	optional    bool // the stage works without; a kernel may be built without
}

func (m mount) String() string { return m.fstype + " on " + m.dir }

// mounts is what the stage needs before anything can be shown, in this order. A kernel without
// devtmpfs leaves the device nodes that the archive brings. /run is bounded: a log that runs away
// must not eat the memory that the next kernel is loaded into.
func mounts() []mount {
	const still = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	return []mount{
		{fstype: "proc", dir: "/proc", flags: still},
		{fstype: "sysfs", dir: "/sys", flags: still},
		{fstype: "devtmpfs", dir: "/dev", flags: unix.MS_NOSUID, data: "mode=0755", optional: true},
		{fstype: "tmpfs", dir: "/run", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=0755,size=16m"},
		{fstype: "tmpfs", dir: "/tmp", flags: unix.MS_NOSUID | unix.MS_NODEV, data: "mode=1777"},
		{fstype: "devpts", dir: "/dev/pts", flags: unix.MS_NOSUID | unix.MS_NOEXEC, data: "mode=0620,ptmxmode=0666", optional: true},
	}
}

func (m mount) mount() error {
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		return fmt.Errorf("mount %v: %w", m, err)
	}
	err := unix.Mount(m.fstype, m.dir, m.fstype, m.flags, m.data)
	if err == nil || errors.Is(err, unix.EBUSY) { // EBUSY: somebody did it before us
		return nil
	}
	if m.optional && errors.Is(err, unix.ENODEV) {
		return nil
	}
	return fmt.Errorf("mount %v: %w", m, err)
}

// mountAll mounts the table and gives what went wrong: the stage goes on with what it has.
func mountAll(table []mount) []error {
	var errs []error
	for _, m := range table {
		if err := m.mount(); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
