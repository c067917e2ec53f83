package grub

import (
	"errors"
	"io"
	"io/fs"
)

// Saved is a saved default, decoded from any of its forms. It is a value: With gives another.
type Saved interface {
	// Entry is what is saved: of grubenv a number, a title, an id or "submenu>entry", of the others a
	// number; "" when nothing is.
	Entry() string
	// Once is the entry of the next boot alone, GRUB 2's next_entry; "" when there is none.
	Once() string
	// With is the same with entry saved, and with none for the next boot alone.
	With(entry string) (Saved, error)
	// Encode gives as many bytes as were decoded.
	Encode() ([]byte, error)
}

// Place says where a loader's saved default is.
type Place struct {
	Form Form
	Path string // of its file: "boot/grub/default"; "" of Stage2, which is in no file
}

// Find looks for the saved default: below fsys, which is the boot partition or the flash, and
// behind the MBR of the disk it is on, where disk is not nil. The error wraps fs.ErrNotExist when
// there is none.
func Find(fsys fs.FS, disk io.ReaderAt) (Place, error) { return Place{}, errors.ErrUnsupported }

// Decode decodes the bytes of a saved default: the whole file, or of Stage2 the sector.
func (f Form) Decode(b []byte) (Saved, error) { return nil, errors.ErrUnsupported }

// Boots is the entry that GRUB takes at the next start.
func Boots(s Saved) string {
	if once := s.Once(); once != "" {
		return once
	}
	return s.Entry()
}
