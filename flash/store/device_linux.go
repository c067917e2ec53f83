package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Device is the part of a block device or of an image file that a write is meant for. It reads, as an
// io.ReaderAt, what is on the disk now, past the page cache.
type Device struct {
	Name        string // path
	Start, Size int64  // bytes: nothing outside of them is written
	Mounted     bool   // its file system is mounted read-only; otherwise nobody may have the device while it is written
}

// Overwrite makes a change whose offset counts from the start of the window. On a block device the
// whole logical block around it is read, compared and written, as a disk with blocks of 4096 bytes
// writes nothing less; the block must lie within the window. Of an image file nothing but the change
// is written.
//
// The error wraps syscall.EBUSY where somebody has the device or the image file, or where the kernel
// lets nobody write to a device that is mounted.
func (d Device) Overwrite(c Change) error {
	if err := c.check(); err != nil {
		return err
	}
	f, block, err := d.open(true)
	if err != nil {
		return err
	}
	if err := errors.Join(d.overwrite(f, c, block), f.Close()); err != nil {
		return fmt.Errorf("write to %s: %w", d.Name, err)
	}
	return nil
}

func (d Device) overwrite(f *os.File, c Change, block int64) error {
	c.Offset += d.Start
	start := c.Offset / block * block
	if start < d.Start || start+block > d.Start+d.Size {
		return fmt.Errorf("block of %d bytes at byte %d: outside of the partition", block, start)
	}
	before, err := readFresh(f, start, int(block))
	if err != nil {
		return err
	}
	after, done, err := c.within(before, start)
	if done || err != nil {
		return err
	}
	if err := write(f, after, start); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	now, err := readFresh(f, start, int(block))
	if err == nil && !bytes.Equal(now, after) {
		err = ErrReadBack
	}
	return err
}

// write writes one block from memory that a device can be written from directly.
func write(f *os.File, block []byte, at int64) error {
	buf, err := aligned(len(block))
	if err != nil {
		return err
	}
	defer release(buf)
	copy(buf, block)
	// One call, one block: half of one is not to be made up for.
	n, err := unix.Pwrite(int(f.Fd()), buf, at)
	if err == nil && n != len(buf) {
		err = io.ErrShortWrite
	}
	return err
}

// open opens the device, and gives the size of what can be written of it at once, in bytes.
func (d Device) open(writing bool) (*os.File, int64, error) {
	info, err := os.Stat(d.Name)
	if err != nil {
		return nil, 0, err
	}
	isDevice := info.Mode()&os.ModeDevice != 0 && info.Mode()&os.ModeCharDevice == 0
	if !isDevice && !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("open %s: neither a block device nor an image file", d.Name)
	}
	f, err := os.OpenFile(d.Name, d.flags(isDevice, writing), 0)
	if err != nil {
		return nil, 0, err
	}
	block := int64(Sector)
	switch {
	case isDevice:
		block, err = blockSize(f)
	case writing:
		err = claim(f)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, block, nil
}

// flags are those of open(2). O_EXCL claims a block device, which fails while it is mounted or part of
// another (blkdev_get in block/bdev.c).
func (d Device) flags(isDevice, writing bool) int {
	flags := os.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC
	if writing {
		flags = os.O_RDWR | unix.O_NONBLOCK | unix.O_CLOEXEC
	}
	if isDevice && writing {
		flags |= unix.O_DIRECT | unix.O_DSYNC
		if !d.Mounted {
			flags |= unix.O_EXCL
		}
	}
	return flags
}

// blockSize is the logical block of a block device.
func blockSize(f *os.File) (int64, error) {
	size, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKSSZGET)
	if err != nil {
		return 0, fmt.Errorf("block size of %s: %w", f.Name(), err)
	}
	if size < Sector || size%Sector != 0 {
		return 0, fmt.Errorf("block size of %s: %d bytes", f.Name(), size)
	}
	return int64(size), nil
}

// claim locks an image file against programs that lock what they use, as QEMU does. The lock ends
// with f.
func claim(f *os.File) error {
	whole := unix.Flock_t{Type: unix.F_WRLCK}
	err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &whole)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("another program has %s open: %w", f.Name(), unix.EBUSY)
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOLCK) {
		return nil // a kernel before 3.15, or a file system without locks
	}
	return err
}

// ReadAt implements io.ReaderAt, within the window.
func (d Device) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off > d.Size || int64(len(b)) > d.Size-off {
		return 0, fmt.Errorf("read %d bytes from %d on: outside of the partition", len(b), off)
	}
	f, _, err := d.open(false)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	from := (d.Start + off) / page * page
	to := (d.Start + off + int64(len(b)) + page - 1) / page * page
	got, err := readFresh(f, from, int(to-from))
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", d.Name, err)
	}
	skip := d.Start + off - from
	if int64(len(got)) < skip+int64(len(b)) {
		return 0, fmt.Errorf("read %s: %w", d.Name, io.ErrUnexpectedEOF)
	}
	return copy(b, got[skip:]), nil
}
