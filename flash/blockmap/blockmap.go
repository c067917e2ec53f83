// Package blockmap says where on a device the bytes of a file lie. GRUB follows the same blocks, and
// looks at no journal and no cache; so what is written to them is what GRUB reads next.
//
// File asks the kernel, for a file that is mounted. The packages ext and fat read the file system
// itself, from any io.ReaderAt, without root and without a mount.
package blockmap

import (
	"errors"
	"fmt"
	"strings"
)

// Sector is the unit of block lists, as of GRUB's: 512 bytes, whatever the disk's own sectors are.
const Sector = 512

// Flags tell why an extent's bytes on the device are not simply the file's bytes.
type Flags uint

// The flags, after those of FIEMAP (include/uapi/linux/fiemap.h).
const (
	Unwritten  Flags = 1 << iota // allocated, but reads as zeros
	Inline                       // within the inode or among other metadata
	Compressed                   // or encoded in another way
	Encrypted
	Delayed // the kernel has not chosen a place yet
	Shared  // with other files
)

var flagNames = []string{"unwritten", "inline", "compressed", "encrypted", "not yet allocated", "shared"}

func (f Flags) String() string {
	var names []string
	for i, name := range flagNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// Extent is a run of a file's bytes that lie one behind the other on the device.
type Extent struct {
	Logical  int64 // bytes from the start of the file
	Physical int64 // bytes from the start of the file system
	Length   int64 // bytes, whole blocks as a rule: the last extent may reach over the file's end
	Flags    Flags
}

// Map is where a file lies.
type Map struct {
	Size    int64    // of the file in bytes
	Extents []Extent // by Logical, those that follow each other on the device as one; a hole has none
}

// ErrNotPlain is wrapped by the error for a file that is not one plain extent.
var ErrNotPlain = errors.New("not one plain extent")

// ErrCutOff is wrapped by the error for a file system that is larger than what there is of it.
var ErrCutOff = errors.New("it is cut off")

// Place is a run of 512-byte sectors.
type Place struct {
	Sector int64 // the first, from the start of the file system
	Count  int64
}

// String is the place in the notation of GRUB's block lists: "1064+1".
func (p Place) String() string { return fmt.Sprintf("%d+%d", p.Sector, p.Count) }

// Plain is the place of a file that is nothing but a single run of sectors: no hole, no second
// extent, nothing that the device has in another form. Every other file is an error that says why,
// and that wraps ErrNotPlain.
func (m Map) Plain() (Place, error) {
	reason := m.notPlain()
	if reason != "" {
		return Place{}, fmt.Errorf("%w: %s", ErrNotPlain, reason)
	}
	return Place{Sector: m.Extents[0].Physical / Sector, Count: (m.Size + Sector - 1) / Sector}, nil
}

func (m Map) notPlain() string {
	switch {
	case m.Size == 0:
		return "the file is empty"
	case len(m.Extents) == 0:
		return "the file is a hole"
	}
	e := m.Extents[0]
	switch {
	case e.Flags != 0:
		return "its data is " + e.Flags.String()
	case e.Logical != 0:
		return "it begins with a hole"
	case len(m.Extents) > 1 && m.Extents[1].Logical < m.Size:
		return "it lies in several places"
	case e.Length < m.Size:
		return "it ends with a hole"
	case e.Physical%Sector != 0 || e.Physical < 0:
		return "it does not begin with a sector"
	}
	return ""
}

// ErrNoSectors is wrapped by the error for a file of which some bytes are in no sectors of their own.
var ErrNoSectors = errors.New("not in sectors of its own")

// Places lists the sectors of the file's bytes in their order, holes left out; of what is unwritten,
// those that are reserved. It is an error where the device holds the bytes in another form.
func (m Map) Places() ([]Place, error) {
	var list []Place
	for _, e := range m.Extents {
		length := min(e.Length, m.Size-e.Logical)
		switch {
		case length <= 0:
			continue // reserved behind the end
		case e.Flags&^(Unwritten|Shared) != 0:
			return nil, fmt.Errorf("%w: its data is %v", ErrNoSectors, e.Flags)
		case e.Physical%Sector != 0 || e.Physical < 0:
			return nil, fmt.Errorf("%w: an extent does not begin with a sector", ErrNoSectors)
		}
		list = append(list, Place{Sector: e.Physical / Sector, Count: (length + Sector - 1) / Sector})
	}
	return list, nil
}

// Add appends an extent, as part of the last one where it continues it.
func (m *Map) Add(e Extent) {
	if n := len(m.Extents); n > 0 {
		last := &m.Extents[n-1]
		if last.Flags == e.Flags && last.Logical+last.Length == e.Logical && last.Physical+last.Length == e.Physical {
			last.Length += e.Length
			return
		}
	}
	m.Extents = append(m.Extents, e)
}
