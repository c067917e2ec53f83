// Package store does the writes that must not go wrong. It replaces single sectors in place: of a
// file that the boot loader reads by its blocks, which must never move, or of a device whose file
// system is not mounted for writing.
//
// A sector is compared before it is written, and read back afterwards from the device itself: the
// kernel's copies of a file, of a partition and of its disk do not know of each other.
package store

import (
	"bytes"
	"errors"
	"fmt"
)

// Sector is the unit of every write, in bytes: what a disk writes whole or not at all.
const Sector = 512

// Change replaces bytes of one sector.
type Change struct {
	Offset   int64  // bytes from the start of the file or device, a multiple of Sector
	Old, New []byte // of the same length, at most Sector; a file may end with them
}

var (
	// ErrChanged says that the place does not hold Change.Old: somebody else was there.
	ErrChanged = errors.New("the sector does not hold what was read before")

	// ErrReadBack says that the device does not show what was written to it, though no call failed.
	ErrReadBack = errors.New("the device does not show what was written")
)

// check refuses what no caller should ask for.
func (c Change) check() error {
	switch {
	case c.Offset < 0 || c.Offset%Sector != 0:
		return fmt.Errorf("change at byte %d: not the start of a sector", c.Offset)
	case len(c.Old) != len(c.New):
		return fmt.Errorf("change of %d bytes to %d: the size must stay", len(c.Old), len(c.New))
	case len(c.New) == 0 || len(c.New) > Sector:
		return fmt.Errorf("change of %d bytes: a sector has %d", len(c.New), Sector)
	}
	return nil
}

// within applies the change to block, which begins at byte start of the file or device and holds what
// is there now. done is true where the new bytes are there already, and there is nothing to write.
func (c Change) within(block []byte, start int64) (changed []byte, done bool, err error) {
	from := c.Offset - start
	to := from + int64(len(c.New))
	if from < 0 || to > int64(len(block)) {
		return nil, false, fmt.Errorf("%d bytes from %d on: the end comes before", len(c.New), c.Offset)
	}
	if bytes.Equal(block[from:to], c.New) {
		return block, true, nil
	}
	if !bytes.Equal(block[from:to], c.Old) {
		return nil, false, ErrChanged
	}
	changed = bytes.Clone(block)
	copy(changed[from:], c.New)
	return changed, false, nil
}
