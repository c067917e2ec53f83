// Package disk reads what a disk, or an image file of one, says about itself: its partitions, and
// the file systems on them. It only reads, and trusts no byte.
package disk

import (
	"errors"
	"fmt"
	"io"
)

// Window is a part of a disk, with walls: nothing outside of it can be read through it.
type Window struct {
	disk        io.ReaderAt
	start, size int64
}

// ErrOutside is what a read that begins outside of a Window fails with.
var ErrOutside = errors.New("outside of the partition")

// NewWindow shows size bytes of disk from start on.
func NewWindow(disk io.ReaderAt, start, size int64) (*Window, error) {
	if start < 0 || size < 0 || start+size < start {
		return nil, fmt.Errorf("%d bytes from %d on: %w", size, start, ErrOutside)
	}
	return &Window{disk: disk, start: start, size: size}, nil
}

// Size is the size of the window in bytes.
func (w *Window) Size() int64 { return w.size }

// ReadAt reads len(b) bytes from off on, which counts from the start of the window. As io.ReaderAt
// has it, a read that reaches over the end gives what is in front of it, and io.EOF.
func (w *Window) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off > w.size {
		return 0, fmt.Errorf("read %d bytes from %d on: %w", len(b), off, ErrOutside)
	}
	over := int64(len(b)) > w.size-off
	if over {
		b = b[:w.size-off]
	}
	n, err := w.disk.ReadAt(b, w.start+off)
	if err == io.EOF && n == len(b) {
		err = nil // of the disk, which may end with the window
	}
	if err == nil && over {
		err = io.EOF
	}
	return n, err
}
