package volume

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// writable reports whether this user may write to what path names, as far as permissions and
// read-only mounts go.
func writable(path string) bool { return unix.Access(path, unix.W_OK) == nil }

// deviceNumber is the device that path is on, or of a device node the device that it is: "8:2".
func deviceNumber(path string) (string, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return "", &os.PathError{Op: "stat", Path: path, Err: err}
	}
	n := st.Dev
	if st.Mode&unix.S_IFMT == unix.S_IFBLK {
		n = st.Rdev
	}
	return fmt.Sprintf("%d:%d", unix.Major(n), unix.Minor(n)), nil
}

// sameFileSystem reports whether an open file is on the file system of dir.
func sameFileSystem(dir string, f *os.File) bool {
	var a, b unix.Stat_t
	if unix.Stat(dir, &a) != nil || unix.Fstat(int(f.Fd()), &b) != nil {
		return false
	}
	return a.Dev == b.Dev
}

func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// locked reports whether another program holds a lock on the file, as QEMU does on its images.
func locked(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lock); err != nil {
		return false, fmt.Errorf("ask for locks on %s: %w", path, err)
	}
	return lock.Type != unix.F_UNLCK, nil
}

// claimed reports whether the kernel, or a program, has a block device for itself: open(2), O_EXCL.
func claimed(path string) (bool, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_EXCL, 0)
	if errors.Is(err, unix.EBUSY) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, f.Close()
}
