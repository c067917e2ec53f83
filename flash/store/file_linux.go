package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// page is what the kernel reads and writes of a file as one.
const page = 4096

// OverwriteFile makes a change within an existing file of a file system that is mounted for writing:
// the file name below dir, out of which no link leads. The file keeps its size and its blocks. It
// returns when the change is on the device, and was read back from there past the page cache.
//
// Where the file system keeps its data in the journal first (data=journal), there is no reading past
// the cache: whether the change is in its place already, only the device can tell.
func OverwriteFile(dir, name string, c Change) error {
	if err := c.check(); err != nil {
		return err
	}
	f, err := openFile(dir, name, os.O_RDWR)
	if err != nil {
		return err
	}
	if err := errors.Join(overwriteFile(f, c, f.Sync), f.Close()); err != nil {
		return fmt.Errorf("write to %s: %w", name, err)
	}
	return nil
}

// openFile opens a regular file below dir, and never waits, makes one or cuts it.
func openFile(dir, name string, access int) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return openIn(root, name, access)
}

func openIn(root *os.Root, name string, access int) (*os.File, error) {
	f, err := root.OpenFile(name, access|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("open %s: not a regular file", name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// overwriteFile makes the change durable by sync, which is f.Sync but in the crash lab.
func overwriteFile(f *os.File, c Change, sync func() error) error {
	start := c.Offset / page * page
	before, err := currentPage(f, start)
	if err != nil {
		return err
	}
	after, done, err := c.within(before, start)
	if done || err != nil {
		return err
	}
	if _, err := f.WriteAt(c.New, c.Offset); err != nil {
		return err
	}
	if err := sync(); err != nil {
		return err
	}
	now, err := readFresh(f, start, page)
	if err == nil && !bytes.Equal(now, after) {
		err = ErrReadBack
	}
	return err
}

// currentPage reads the page from start on as the device has it. The kernel would write its own copy
// of it back as a whole: one that is stale, from before a write to the device, is dropped; one that
// stays stale is an error.
func currentPage(f *os.File, start int64) ([]byte, error) {
	if err := f.Sync(); err != nil {
		return nil, err
	}
	if err := drop(f); err != nil {
		return nil, err
	}
	fresh, err := readFresh(f, start, page)
	if err != nil {
		return nil, err
	}
	cached := make([]byte, len(fresh))
	if _, err := f.ReadAt(cached, start); err != nil {
		return nil, err
	}
	if !bytes.Equal(cached, fresh) {
		return nil, fmt.Errorf("%w: the kernel holds other bytes of the file than the device", ErrChanged)
	}
	return fresh, nil
}

// SyncFileSystem writes out everything of the file system that dir is on. It does not make the device
// write out its own cache: only fsync does.
func SyncFileSystem(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("sync the file system of %s: %w", dir, err)
	}
	return f.Sync()
}
