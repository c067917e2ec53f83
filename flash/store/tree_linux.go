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

// writeRange waits until a part of a file is written, and has the kernel begin with the part behind it. It
// makes nothing durable: an fsync must follow. Where there is no such call, it does nothing.
func writeRange(f *os.File, off, size int64) error {
	const start, wait = unix.SYNC_FILE_RANGE_WRITE, unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	fd := int(f.Fd())
	for _, r := range []struct {
		off   int64
		flags int
	}{{off, start}, {off + size, start}, {off, wait}} {
		err := unix.SyncFileRange(fd, r.off, size, r.flags)
		if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ESPIPE) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Damaged reports whether an error says that the file system, or the disk, is damaged. An ext2 that was
// not unmounted has names of files that never reached the disk: ESTALE and EUCLEAN; a vfat EIO. A check of
// the file system, which must not be mounted then, repairs that: e2fsck -y, fsck.fat -a.
func Damaged(err error) bool {
	return errors.Is(err, unix.EUCLEAN) || errors.Is(err, unix.ESTALE) || errors.Is(err, unix.EIO)
}
