// Package newc reads and writes the records of "new ASCII" cpio archives, the only archive format
// that the kernel unpacks as an initramfs (Documentation/driver-api/early-userspace/buffer-format.rst,
// init/initramfs.c). One archive only: layers and compression are the business of package initramfs.
//
// It is our own codec because u-root's pkg/cpio wants an io.ReaderAt, so a compressed archive must
// be held in memory whole; allocates what a damaged name length asks for, up to 4 GiB; does not know
// the checksummed form 070702; and writes 4294967295 links into every reproducible record.
package newc

import (
	"fmt"
	"io/fs"
)

// The two magics: plain records, and records whose header holds the sum of the content's bytes.
const (
	magicPlain = "070701"
	magicSum   = "070702"
)

const (
	headerLen = 110 // magic and thirteen fields of eight hexadecimal digits
	trailer   = "TRAILER!!!"

	// MaxName is the longest name with its terminating zero: PATH_MAX. The kernel skips longer ones
	// without a word.
	MaxName = 4096
	// MaxTarget is the same for the target of a symbolic link.
	MaxTarget = 4096
)

// The file types of Header.Mode, as in stat(2), and the mask that selects them.
const (
	TypeMask    uint32 = 0o170000
	TypeSocket  uint32 = 0o140000
	TypeSymlink uint32 = 0o120000
	TypeRegular uint32 = 0o100000
	TypeBlock   uint32 = 0o060000
	TypeDir     uint32 = 0o040000
	TypeChar    uint32 = 0o020000
	TypeFifo    uint32 = 0o010000
)

// Header describes one record. The content that follows it is the file's bytes, or the target of a
// symbolic link; everything else has none.
type Header struct {
	Name string // as it stands in the archive: "init", "./init" and "/init" are the same file
	Mode uint32 // type and permission bits, as in stat(2)
	Size uint32 // bytes of content

	// Records with the same Ino and device and NLink above 1 are one file; usually the last of them
	// has the content.
	Ino, NLink         uint32
	DevMajor, DevMinor uint32

	UID, GID uint32
	MTime    uint32 // seconds since 1970

	RdevMajor, RdevMinor uint32 // of a device node

	Sum    uint32 // sum of the content's bytes modulo 2^32, where Summed
	Summed bool   // the record is of the checksummed form
}

// Type is the file type alone: TypeRegular, TypeDir and so on.
func (h Header) Type() uint32 { return h.Mode & TypeMask }

// FileMode is the mode in Go's terms; its String is what ls -l shows.
func (h Header) FileMode() fs.FileMode {
	m := fs.FileMode(h.Mode & 0o777)
	if h.Mode&0o4000 != 0 {
		m |= fs.ModeSetuid
	}
	if h.Mode&0o2000 != 0 {
		m |= fs.ModeSetgid
	}
	if h.Mode&0o1000 != 0 {
		m |= fs.ModeSticky
	}
	switch h.Type() {
	case TypeRegular:
	case TypeDir:
		m |= fs.ModeDir
	case TypeSymlink:
		m |= fs.ModeSymlink
	case TypeChar:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case TypeBlock:
		m |= fs.ModeDevice
	case TypeFifo:
		m |= fs.ModeNamedPipe
	case TypeSocket:
		m |= fs.ModeSocket
	default:
		m |= fs.ModeIrregular
	}
	return m
}

// fields are the thirteen numbers of a header in their order on the wire; the twelfth, the length of
// the name with its zero, is not part of Header.
func (h *Header) fields(nameLen *uint32) [13]*uint32 {
	return [13]*uint32{
		&h.Ino, &h.Mode, &h.UID, &h.GID, &h.NLink, &h.MTime, &h.Size,
		&h.DevMajor, &h.DevMinor, &h.RdevMajor, &h.RdevMinor, nameLen, &h.Sum,
	}
}

// SyntaxError is a place where an archive is not what it should be.
type SyntaxError struct {
	Offset int64 // bytes from the start of this archive to the record at fault
	Text   string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("record at %d: %s", e.Offset, e.Text) }

// padding is how many zeros follow n bytes so that the next thing starts at a multiple of four.
func padding(n int64) int64 { return -n & 3 }
