package ext

import (
	"errors"
	"fmt"

	"holdfast/flash/blockmap"
)

// maxLogical is the number of blocks that a file may have: their numbers have 32 bits.
const maxLogical = 1 << 32

// maxExtents bounds the memory of a map. A file of 4 GiB in blocks of 16 KiB each elsewhere has as
// many.
const maxExtents = 1 << 18

// run is a number of blocks of a file that lie one behind the other, or are a hole.
type run struct {
	logical   uint64 // first block of the file
	physical  uint64 // first block of the file system, 0 for a hole
	count     uint64
	unwritten bool
}

func (r run) end() uint64 { return r.logical + r.count }

// from is what is left of a run from a logical block on.
func (r run) from(logical uint64) run {
	skip := logical - r.logical
	r.logical += skip
	r.count -= skip
	if r.physical != 0 {
		r.physical += skip
	}
	return r
}

// locate finds the run of a file's block, from that block on. It is never empty, and reaches as far
// as one block of pointers tells.
func (f *FS) locate(in *inode, logical uint64) (run, error) {
	find := f.locateIndirect
	if in.flags&flagExtents != 0 {
		find = f.locateExtent
	}
	r, err := find(in, logical)
	if err != nil {
		return run{}, fmt.Errorf("inode %d, block %d: %w", in.number, logical, err)
	}
	if r.physical != 0 {
		if err := f.checkRange(r.physical, r.count); err != nil {
			return run{}, fmt.Errorf("inode %d, block %d: %w", in.number, logical, err)
		}
	}
	return r.from(logical), nil
}

// checkRange says why blocks cannot be a file's.
func (f *FS) checkRange(first, count uint64) error {
	if first <= uint64(f.super.firstBlock) || first >= f.super.blocks || count > f.super.blocks-first {
		return fmt.Errorf("%d blocks from %d on are outside of the file system", count, first)
	}
	return nil
}

// runs calls yield for all runs of a file up to a logical block, holes as well, until it is false.
//
// What a damaged file system says may be endless: a block of pointers that points to itself. But a
// file has no block twice, and no more holes than blocks of data and of pointers together.
func (f *FS) runs(in *inode, end uint64, yield func(run) bool) error {
	blocks, holes := f.super.blocks, f.super.blocks+1
	for logical := uint64(0); logical < end; {
		r, err := f.locate(in, logical)
		if err != nil {
			return err
		}
		left, cost := &blocks, r.count
		if r.physical == 0 {
			left, cost = &holes, 1
		}
		if cost > *left {
			return fmt.Errorf("inode %d: it has more blocks than the file system", in.number)
		}
		*left -= cost
		if !yield(r) {
			return nil
		}
		logical = r.end()
	}
	return nil
}

// mapInode says where a file's blocks are, those behind its end as well.
func (f *FS) mapInode(in *inode) (blockmap.Map, error) {
	m := blockmap.Map{Size: in.size}
	if f.isInline(in) {
		m.Add(blockmap.Extent{Length: in.size, Flags: blockmap.Inline | in.encoded()})
		return m, nil
	}
	if in.kind() != typeRegular && in.kind() != typeDir && in.kind() != typeLink {
		return m, errors.New("it has no blocks: it is a device, a pipe or a socket")
	}
	always := in.encoded()
	if f.super.roCompat&roSharedBlocks != 0 {
		always |= blockmap.Shared
	}
	size := f.super.blockSize()
	err := f.runs(in, maxLogical, func(r run) bool {
		if r.physical == 0 {
			return true
		}
		e := blockmap.Extent{
			Logical: int64(r.logical) * size, Physical: int64(r.physical) * size,
			Length: int64(r.count) * size, Flags: always,
		}
		if r.unwritten {
			e.Flags |= blockmap.Unwritten
		}
		m.Add(e)
		return len(m.Extents) <= maxExtents
	})
	if err == nil && len(m.Extents) > maxExtents {
		err = fmt.Errorf("inode %d: it lies in more than %d places", in.number, maxExtents)
	}
	if err != nil {
		return blockmap.Map{}, err
	}
	return m, nil
}
