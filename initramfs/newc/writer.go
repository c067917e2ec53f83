package newc

import (
	"fmt"
	"io"
)

// Writer writes one archive: for every record WriteHeader, then exactly Size bytes of content.
type Writer struct {
	w    io.Writer
	name string
	left int64 // bytes of content still owed
	pad  int64 // zeros after the content
}

// NewWriter makes a Writer onto w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// WriteHeader finishes the record before and starts the next. Headers are written as they are; only
// Summed records need their Sum filled in beforehand.
func (w *Writer) WriteHeader(h Header) error {
	if len(h.Name)+1 > MaxName {
		return fmt.Errorf("name of %d bytes: the kernel takes at most %d", len(h.Name), MaxName-1)
	}
	if h.Type() == TypeSymlink && h.Size > MaxTarget {
		return fmt.Errorf("%s: symbolic link to %d bytes: the kernel takes at most %d", h.Name, h.Size, MaxTarget)
	}
	if err := w.finish(); err != nil {
		return err
	}
	b := make([]byte, 0, headerLen+len(h.Name)+4)
	if h.Summed {
		b = append(b, magicSum...)
	} else {
		b = append(b, magicPlain...)
	}
	nameLen := uint32(len(h.Name) + 1)
	for _, f := range h.fields(&nameLen) {
		b = fmt.Appendf(b, "%08X", *f)
	}
	b = append(b, h.Name...)
	b = append(b, 0)
	b = append(b, make([]byte, padding(int64(len(b))))...)
	if _, err := w.w.Write(b); err != nil {
		return err
	}
	w.name, w.left, w.pad = h.Name, int64(h.Size), padding(int64(h.Size))
	return nil
}

// Write writes content of the current record. More than its header promised is an error.
func (w *Writer) Write(p []byte) (int, error) {
	if int64(len(p)) > w.left {
		return 0, fmt.Errorf("%s: more content than its header says", w.name)
	}
	n, err := w.w.Write(p)
	w.left -= int64(n)
	return n, err
}

// Close writes the trailer. The archive's length is a multiple of four, so that another archive,
// compressed or not, may follow at once.
func (w *Writer) Close() error {
	if err := w.WriteHeader(Header{Name: trailer, NLink: 1}); err != nil {
		return err
	}
	return w.finish()
}

func (w *Writer) finish() error {
	if w.left > 0 {
		return fmt.Errorf("%s: %d bytes of content are missing", w.name, w.left)
	}
	_, err := w.w.Write(make([]byte, w.pad))
	w.pad = 0
	return err
}
