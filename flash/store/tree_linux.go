package store

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// exchangeNames makes two directories change places, in one step. errNoExchange says that this file
// system, or this kernel, cannot: vfat, the ext2 driver of its own, kernels before 3.15.
func exchangeNames(dir *os.File, a, b string) error {
	fd := int(dir.Fd())
	err := unix.Renameat2(fd, a, fd, b, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) {
		return errNoExchange
	}
	return err
}

// syncfs writes out everything of the file system that f is on.
func syncfs(f *os.File) error { return unix.Syncfs(int(f.Fd())) }

// startWriting makes the kernel begin to write what is in memory of f, and does not wait for it.
func startWriting(f *os.File, off, size int64) {
	_ = unix.SyncFileRange(int(f.Fd()), off, size, unix.SYNC_FILE_RANGE_WRITE) // an fsync follows, which says what is wrong
}
