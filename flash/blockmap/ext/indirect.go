package ext

import "fmt"

// directBlocks is the number of pointers of an inode that lead to data at once. The three behind them
// lead to blocks of pointers, of pointers to such blocks, and one level more (ext2_get_branch in
// fs/ext2/inode.c).
const directBlocks = 12

func (f *FS) locateIndirect(in *inode, logical uint64) (run, error) {
	if logical < directBlocks {
		return pointerRun(in.pointers[:4*directBlocks], 0, logical, 1), nil
	}
	perBlock := uint64(f.super.blockSize() / 4)
	first, span := uint64(directBlocks), uint64(1) // first block of the level, and blocks that a pointer leads to
	for level := range 3 {
		span *= perBlock
		if logical < first+span {
			r := pointerRun(in.pointers[4*(directBlocks+level):][:4], first, logical, span)
			return f.descend(in, r, logical, span)
		}
		first += span
	}
	return run{logical: first, count: max(maxLogical, logical+1) - first}, nil // behind all that there can be
}

// descend follows pointers that each lead to span blocks down to those of data.
func (f *FS) descend(in *inode, r run, logical, span uint64) (run, error) {
	perBlock := uint64(f.super.blockSize() / 4)
	for span > 1 && r.physical != 0 {
		if err := f.checkRange(r.physical, 1); err != nil {
			return run{}, fmt.Errorf("block of pointers: %w", err)
		}
		b, err := f.block(r.physical, in.number, nil)
		if err != nil {
			return run{}, fmt.Errorf("block of pointers: %w", err)
		}
		span /= perBlock
		r = pointerRun(b, r.logical, logical, span)
	}
	return r, nil
}

// pointerRun finds the run of a logical block among pointers that each lead to span blocks, the first
// of them from the logical block first on. Holes are joined, and blocks of data that follow each
// other. Where the pointers lead to more pointers, the run is that of one pointer.
func pointerRun(b []byte, first, logical, span uint64) run {
	n := len(b) / 4
	i := int((logical - first) / span)
	at := func(i int) uint64 { return uint64(le.Uint32(b[4*i:])) }
	r := run{logical: first + uint64(i)*span, physical: at(i), count: span}
	for i++; i < n; i++ {
		next := at(i)
		joins := next == 0 && r.physical == 0 || r.physical != 0 && span == 1 && next == r.physical+r.count
		if !joins {
			break
		}
		r.count += span
	}
	return r
}
