package access

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"holdfast/flash/volume"
)

// The ioctls of a freeze (include/uapi/linux/fs.h): _IOWR('X', 119, int) and 120.
const (
	fiFreeze = 0xc0045877
	fiThaw   = 0xc0045878
)

// MayFreeze reports whether the file system may be frozen, and why not. Whoever writes to a frozen
// file system waits; this program must not, or nobody thaws it.
func (a *Access) MayFreeze() (why string, ok bool) {
	m, err := volume.MountOn(a.Dir)
	switch {
	case err != nil:
		return err.Error(), false
	case m == nil || !m.Whole:
		return "it is not a mount of its own", false
	}
	of, err := identify(a.Dir)
	if err != nil {
		return err.Error(), false
	}
	for _, p := range needed() {
		if why := p.on(of); why != "" {
			return why, false
		}
	}
	return "", true
}

// place is something that this program, or the machine, needs.
type place struct{ path, what string }

func needed() []place {
	list := []place{
		{"/", "the root file system"}, {"/proc/1/root", "the root file system of the machine"},
		{"/proc/self/exe", "this program"}, {"/proc/self/cwd", "its working directory"}, {os.TempDir(), "the directory of temporary files"},
	}
	for fd, name := range []string{"input", "output", "errors"} {
		list = append(list, place{fmt.Sprint("/proc/self/fd/", fd), "its " + name})
	}
	return list
}

// on says that the place is on a file system, "" when it is not. A place that is not there is on none.
func (p place) on(of identity) string {
	at, err := identify(p.path)
	for depth := 0; err == nil; depth++ {
		if at.same(of) {
			return p.what + " is on it"
		}
		if depth == 8 {
			return p.what + " is on too many loop devices"
		}
		below := at.below()
		if below == "" {
			return ""
		}
		at, err = identify(below)
	}
	if errors.Is(err, unix.ENOENT) && p.path != "/" || errors.Is(err, unix.EACCES) && p.path == "/proc/1/root" {
		return ""
	}
	return fmt.Sprintf("where %s is cannot be told: %v", p.what, err)
}

// identity is what tells file systems apart.
type identity struct {
	device        uint64
	overlay       bool
	blocks, files uint64
	blockSize     int64
}

func identify(path string) (identity, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return identity{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return identity{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return identity{st.Dev, fs.Type == unix.OVERLAYFS_SUPER_MAGIC, fs.Blocks, fs.Files, fs.Bsize}, nil
}

// same reports whether writing to i writes to o. An overlay has the sizes of the file system that it
// writes to (ovl_statfs in fs/overlayfs/super.c), whose path may be out of sight.
func (i identity) same(o identity) bool {
	if i.device == o.device {
		return true
	}
	return i.overlay && i.blocks == o.blocks && i.files == o.files && i.blockSize == o.blockSize
}

// below is the image file of the loop device that a file system is on, "" when it is on none, or on
// one that is never written.
func (i identity) below() string {
	dir := fmt.Sprintf("/sys/dev/block/%d:%d/", unix.Major(i.device), unix.Minor(i.device))
	file, err := os.ReadFile(dir + "loop/backing_file")
	if err != nil {
		file, err = os.ReadFile(dir + "../loop/backing_file") // of a partition
	}
	ro, _ := os.ReadFile(dir + "ro")
	if err != nil || strings.TrimSpace(string(ro)) == "1" {
		return ""
	}
	return strings.TrimSpace(string(file))
}

func sameDevice(a, b string) bool {
	x, err := identify(a)
	y, err2 := identify(b)
	return err != nil || err2 != nil || x.device == y.device
}

// Freeze freezes and thaws the file system, which puts all of it where it belongs on the disk. It is for
// store.Options.
func (a *Access) Freeze() error {
	if why, ok := a.MayFreeze(); !ok {
		return fmt.Errorf("freeze %s: %s", a.Dir, why)
	}
	dir, err := os.Open(a.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := a.guard.ask(message{Freeze: a.Dir}); err != nil {
		return err
	}
	err = freeze(dir)
	if err == nil {
		if err := thaw(dir); err != nil {
			return err // the guard goes on to try
		}
	}
	return errors.Join(err, a.guard.ask(message{Thawed: true}))
}

func freeze(dir *os.File) error {
	if err := unix.IoctlSetInt(int(dir.Fd()), fiFreeze, 0); err != nil {
		return fmt.Errorf("freeze %s: %w", dir.Name(), err)
	}
	return nil
}

// thaw is no error where the guard was faster.
func thaw(dir *os.File) error {
	if err := unix.IoctlSetInt(int(dir.Fd()), fiThaw, 0); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("thaw %s: %w", dir.Name(), err)
	}
	return nil
}
