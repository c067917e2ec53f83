package ext

import (
	"errors"
	"fmt"
)

// A node of an extent tree is a header and entries of the same size (fs/ext4/ext4_extents.h).
const (
	extentSize     = 12
	extentMagic    = 0xf30a
	maxExtentDepth = 5       // EXT4_MAX_EXTENT_DEPTH
	maxExtentLen   = 1 << 15 // more blocks mean unwritten ones
)

// node is a node of an extent tree. Its entries lead to nodes below, or at depth 0 to data.
type node struct {
	depth   int
	entries []byte
}

// entry is struct ext4_extent, or at a depth over 0 struct ext4_extent_idx.
type entry struct {
	logical   uint64
	physical  uint64
	count     uint64 // of data
	unwritten bool
}

func (n node) len() int { return len(n.entries) / extentSize }

func (n node) entry(i int) entry {
	b := n.entries[i*extentSize:]
	e := entry{logical: uint64(le.Uint32(b))}
	if n.depth > 0 {
		e.physical = uint64(le.Uint32(b[4:])) | uint64(le.Uint16(b[8:]))<<32
		return e
	}
	e.count = uint64(le.Uint16(b[4:]))
	e.physical = uint64(le.Uint32(b[8:])) | uint64(le.Uint16(b[6:]))<<32
	if e.count > maxExtentLen {
		e.count -= maxExtentLen
		e.unwritten = true
	}
	return e
}

// decodeNode reads a header. The entries are checked by checkNode.
func decodeNode(b []byte) (node, error) {
	entries, most, depth := int(le.Uint16(b[2:])), int(le.Uint16(b[4:])), int(le.Uint16(b[6:]))
	switch {
	case le.Uint16(b) != extentMagic:
		return node{}, errors.New("not a node of an extent tree")
	case most > len(b)/extentSize-1 || entries > most:
		return node{}, fmt.Errorf("%d entries of %d", entries, most)
	case depth > maxExtentDepth:
		return node{}, fmt.Errorf("depth %d", depth)
	case depth > 0 && entries == 0:
		return node{}, errors.New("no entries")
	}
	return node{depth: depth, entries: b[extentSize : extentSize*(1+entries)]}, nil
}

// checkNode says whether a node's entries follow one another without an overlap.
func checkNode(n node) error {
	next := uint64(0) // the first block that the entry may begin with
	for i := range n.len() {
		e := n.entry(i)
		switch {
		case e.logical < next:
			return fmt.Errorf("entry %d is not behind the one before", i)
		case n.depth == 0 && e.count == 0:
			return fmt.Errorf("entry %d is empty", i)
		}
		next = e.logical + max(e.count, 1)
	}
	return nil
}

// find is the index of the last entry that begins at or before a logical block, -1 for none.
func (n node) find(logical uint64) int {
	low, high := 0, n.len()
	for low < high {
		middle := (low + high) / 2
		if n.entry(middle).logical > logical {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low - 1
}

// locateExtent goes down the tree. Each node tells of the blocks between begin and end.
func (f *FS) locateExtent(in *inode, logical uint64) (run, error) {
	n, err := decodeNode(in.pointers[:])
	if err == nil {
		err = checkNode(n)
	}
	if err != nil {
		return run{}, fmt.Errorf("extents: %w", err)
	}
	begin, end := uint64(0), uint64(maxLogical)
	for {
		i := n.find(logical)
		if i+1 < n.len() {
			end = min(end, n.entry(i+1).logical)
		}
		if i < 0 { // in front of all entries
			return run{logical: begin, count: end - begin}, nil
		}
		e := n.entry(i)
		if e.logical < begin || end <= logical {
			return run{}, errors.New("extents: a node tells of blocks that are not its own")
		}
		if n.depth == 0 {
			return e.run(logical, end)
		}
		begin = e.logical
		if n, err = f.node(in, e.physical, n.depth-1); err != nil {
			return run{}, fmt.Errorf("extents: block %d: %w", e.physical, err)
		}
	}
}

// run is that of a logical block at or behind the begin of a leaf's entry; the next one begins at end.
func (e entry) run(logical, end uint64) (run, error) {
	behind := e.logical + e.count
	switch {
	case behind > end:
		return run{}, errors.New("extents: a node tells of blocks that are not its own")
	case logical >= behind:
		return run{logical: behind, count: end - behind}, nil
	}
	return run(e), nil
}

// node reads a node that is not in the inode.
func (f *FS) node(in *inode, number uint64, depth int) (node, error) {
	if err := f.checkRange(number, 1); err != nil {
		return node{}, err
	}
	b, err := f.block(number, in.number, func(b []byte) error { return f.checkNodeBlock(in, b) })
	if err != nil {
		return node{}, err
	}
	n, err := decodeNode(b)
	if err == nil && n.depth != depth {
		err = fmt.Errorf("depth %d, not %d", n.depth, depth)
	}
	return n, err
}

// checkNodeBlock checks a node as it comes from the device, with the checksum that is behind the room
// for its entries (ext4_extent_block_csum in fs/ext4/extents.c).
func (f *FS) checkNodeBlock(in *inode, b []byte) error {
	n, err := decodeNode(b)
	if err != nil {
		return err
	}
	if f.super.roCompat&roMetadataCsum != 0 {
		tail := extentSize * (1 + int(le.Uint16(b[4:])))
		if tail+4 > len(b) || crc32c(in.checksums, b[:tail]) != le.Uint32(b[tail:]) {
			return errors.New("its checksum is wrong")
		}
	}
	return checkNode(n)
}
