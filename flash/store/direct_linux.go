package store

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// aligned is a buffer as O_DIRECT wants it: whole pages of its own. The caller releases it.
func aligned(size int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("allocate a buffer: %w", err)
	}
	return b, nil
}

func release(buf []byte) { _ = unix.Munmap(buf) }

// direct switches O_DIRECT on, and gives the way back. A file system that has none says EINVAL.
func direct(f *os.File) (restore func() error, err error) {
	set := func(flags int) error {
		_, err := unix.FcntlInt(f.Fd(), unix.F_SETFL, flags)
		return err
	}
	was, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return nil, err
	}
	return func() error { return set(was) }, set(was | unix.O_DIRECT)
}

// readFresh reads size bytes from off on, both multiples of the logical block, past the page cache.
// What is shorter than that is the end of the file. Where nothing can be read so, the pages in memory
// are dropped first.
func readFresh(f *os.File, off int64, size int) ([]byte, error) {
	buf, err := aligned(size)
	if err != nil {
		return nil, err
	}
	defer release(buf)
	n, err := readDirect(f, buf, off)
	if errors.Is(err, unix.EINVAL) {
		if err := drop(f); err != nil {
			return nil, err
		}
		n, err = f.ReadAt(buf, off)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return append([]byte(nil), buf[:n]...), nil
}

// readDirect takes one system call: behind a short one, at the end of a file, the offset would not be
// aligned any more.
func readDirect(f *os.File, buf []byte, off int64) (int, error) {
	restore, err := direct(f)
	if err != nil {
		return 0, err
	}
	n, err := unix.Pread(int(f.Fd()), buf, off)
	return max(n, 0), errors.Join(err, restore())
}

// freshReader reads a file past the page cache, piece by piece into one buffer.
type freshReader struct {
	f      *os.File
	buf    []byte
	direct bool // O_DIRECT is on
}

// newFreshReader takes f over but for its Close. Where there is no O_DIRECT, what is in memory of f is
// dropped before it is read.
func newFreshReader(f *os.File, size int) (*freshReader, error) {
	buf, err := aligned(size)
	if err != nil {
		return nil, err
	}
	_, err = direct(f)
	if errors.Is(err, unix.EINVAL) {
		err = drop(f)
		return &freshReader{f: f, buf: buf}, err
	}
	return &freshReader{f: f, buf: buf, direct: true}, err
}

func (r *freshReader) release() { release(r.buf) }

// read reads what is at off, a multiple of the buffer's size; less than a buffer is the end of the file.
// It is valid until the next read.
func (r *freshReader) read(off int64) ([]byte, error) {
	if r.direct {
		n, err := unix.Pread(int(r.f.Fd()), r.buf, off)
		if !errors.Is(err, unix.EINVAL) {
			return r.buf[:max(n, 0)], err
		}
		// Some file systems take the flag and refuse the reading.
		if _, err := unix.FcntlInt(r.f.Fd(), unix.F_SETFL, 0); err != nil {
			return nil, err
		}
		if err := drop(r.f); err != nil {
			return nil, err
		}
		r.direct = false
	}
	n, err := r.f.ReadAt(r.buf, off)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return r.buf[:n], err
}

// drop forgets the pages of f that are in memory and clean. A length of 0 is the whole file.
func drop(f *os.File) error {
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return fmt.Errorf("drop what is in memory of %s: %w", f.Name(), err)
	}
	return nil
}

// DropCache makes the kernel read a file, or a device, from the disk again. After a write to the
// device below a file, the kernel goes on showing the old text without it, and may write it back later.
// What somebody has mapped into memory stays.
func DropCache(name string) error {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return drop(f)
}

// DropFile is DropCache for the file name below dir.
func DropFile(dir, name string) error {
	f, err := openFile(dir, name, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	return drop(f)
}
