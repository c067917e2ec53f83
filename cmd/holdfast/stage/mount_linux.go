package stage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
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

// Mount mounts it so that the disk does not change. Read-only is not enough for that: ext4 deletes
// what its orphan list names even then (fs/ext4/orphan.c). So the device itself refuses writes
// until the mount is done; afterwards it is as it was, for those who may write to it later.
func (m Mount) Mount() error {
	if err := os.MkdirAll(m.Dir, 0o755); err != nil {
		return fmt.Errorf("mount %v: %w", m, err)
	}
	dev, err := os.Open(m.Device)
	if err != nil {
		return fmt.Errorf("mount %v: %w", m, err)
	}
	defer dev.Close()
	unlock, err := lock(dev)
	if err != nil {
		return fmt.Errorf("mount %v: make the device read-only: %w", m, err)
	}
	defer unlock()
	flags := uintptr(unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	if err := unix.Mount(m.Device, m.Dir, m.Type, flags, m.Data); err != nil {
		return fmt.Errorf("mount %v as %s: %w", m, m.Type, err)
	}
	return nil
}

// lock makes a block device refuse writes, and gives the way back.
func lock(dev *os.File) (unlock func(), err error) {
	fd := int(dev.Fd())
	was, err := unix.IoctlGetInt(fd, unix.BLKROGET)
	if err != nil || was != 0 {
		return func() {}, err
	}
	if err := unix.IoctlSetPointerInt(fd, unix.BLKROSET, 1); err != nil {
		return func() {}, err
	}
	return func() { _ = unix.IoctlSetPointerInt(fd, unix.BLKROSET, 0) }, nil
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
		return fmt.Errorf("unmount %s: in use by %s", m.Dir, strings.Join(users(m.Dir), ", "))
	}
	return wrap("detach "+m.Dir, unix.Unmount(m.Dir, unix.MNT_DETACH))
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// users names the processes that work in dir or have a file of it open.
func users(dir string) []string {
	var list []string
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range procs {
		links, _ := filepath.Glob(proc + "/fd/*")
		for _, link := range append(links, proc+"/cwd", proc+"/root", proc+"/exe") {
			to, err := os.Readlink(link)
			if err != nil || to != dir && !strings.HasPrefix(to, dir+"/") {
				continue
			}
			name, _ := os.ReadFile(proc + "/comm")
			list = append(list, strings.TrimSpace(string(name))+" "+filepath.Base(proc))
			break
		}
	}
	if list == nil {
		return []string{"the kernel"}
	}
	return list
}
