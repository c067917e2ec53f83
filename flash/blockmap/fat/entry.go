package fat

import (
	"encoding/binary"
	"io/fs"
	"time"
)

// Attributes of a directory entry.
const (
	attrReadOnly = 0x01
	attrLabel    = 0x08
	attrDir      = 0x10
	attrLong     = 0x0f // a piece of a long name
	attrMask     = 0x3f // the bits that count for attrLong
)

const (
	entrySize = 32
	deleted   = 0xe5 // in the place of a name's first byte
)

// entry is a file or directory, as fs.FileInfo.
type entry struct {
	name       string // the long one where there is one
	short      string
	attributes byte
	cluster    uint32 // the first; 0 for none
	size       uint32
	date, time uint16
}

// decodeEntry decodes all of a directory entry but the long name, which stands before it.
func (f *FS) decodeEntry(b []byte) *entry {
	le := binary.LittleEndian
	e := &entry{
		short:      shortName(b),
		attributes: b[11],
		time:       le.Uint16(b[22:]),
		date:       le.Uint16(b[24:]),
		cluster:    uint32(le.Uint16(b[26:])),
		size:       le.Uint32(b[28:]),
	}
	e.name = e.short
	if f.bits == 32 {
		e.cluster |= uint32(le.Uint16(b[20:])) << 16
	}
	return e
}

func (e *entry) Name() string { return e.name }
func (e *entry) IsDir() bool  { return e.attributes&attrDir != 0 }
func (e *entry) Sys() any     { return nil }

// Size of a directory is 0: only its chain of clusters knows.
func (e *entry) Size() int64 {
	if e.IsDir() {
		return 0
	}
	return int64(e.size)
}

func (e *entry) Mode() fs.FileMode {
	mode := fs.FileMode(0o755)
	if e.attributes&attrReadOnly != 0 {
		mode = 0o555
	}
	if e.IsDir() {
		mode |= fs.ModeDir
	}
	return mode
}

func (e *entry) ModTime() time.Time {
	d, t := int(e.date), int(e.time)
	if d == 0 {
		return time.Time{}
	}
	return time.Date(1980+d>>9, time.Month(d>>5&15), d&31, t>>11, t>>5&63, t&31*2, 0, time.UTC)
}
