package stage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"holdfast/flash/access"
)

// Mount is a file system of a disk, mounted read-only.
type Mount struct {
	Device string `json:"device"` // path: "/dev/sda2"
	Dir    string `json:"dir"`
	Type   string `json:"type"`           // the driver's name, which need not be the file system's own
	Data   string `json:"data,omitempty"` // options of the driver
}

// String is the mount as people know it: "sda2 on /flash".
func (m Mount) String() string { return filepath.Base(m.Device) + " on " + m.Dir }

// Mount mounts it so that the disk does not change: see access.Still.
func (m Mount) Mount() error {
	if err := os.MkdirAll(m.Dir, 0o755); err != nil {
		return fmt.Errorf("mount %v: %w", m, err)
	}
	if err := access.Still(m.Device, m.Dir, m.Type, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, m.Data); err != nil {
		return fmt.Errorf("mount %v: %w", m, err)
	}
	return nil
}

// Unmount undoes it. What is busy and read-only is taken out of sight and goes when its last user
// does: nothing can be lost there. What is busy and written to is an error that names its users.
// A place where nothing is mounted is no error.
func (m Mount) Unmount() error {
	err := unix.Unmount(m.Dir, 0)
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
		return nil
	case !errors.Is(err, unix.EBUSY):
		return wrap("unmount "+m.Dir, err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(m.Dir, &st); err != nil || st.Flags&unix.ST_RDONLY == 0 {
		return fmt.Errorf("unmount %s: in use by %s", m.Dir, strings.Join(access.Users(m.Dir), ", "))
	}
	return wrap("detach "+m.Dir, unix.Unmount(m.Dir, unix.MNT_DETACH))
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
