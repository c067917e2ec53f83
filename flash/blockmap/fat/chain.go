package fat

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"holdfast/flash/blockmap"
)

// maxPieces bounds the memory that a list of extents takes, to some 4 MB. Nothing that a boot loader
// or this program reads is torn into so many.
const maxPieces = 1 << 17

// table reads the file allocation table through a window of a few sectors: that of FAT32 may have a
// gigabyte.
type table struct {
	fs     *FS
	start  int64 // of the window within the table
	window []byte
	buffer [4096]byte
}

func (f *FS) table() *table { return &table{fs: f} }

// next is the entry of a cluster: the number of the one that follows, 0 for a free cluster, or a
// number with a meaning.
func (t *table) next(cluster uint32) (uint32, error) {
	at := int64(cluster) * int64(t.fs.bits) / 8
	length := int64(t.fs.bits+7) / 8
	if at < t.start || at+length > t.start+int64(len(t.window)) {
		if err := t.move(at); err != nil {
			return 0, fmt.Errorf("read the table at cluster %d: %w", cluster, err)
		}
	}
	b := t.window[at-t.start:]
	switch t.fs.bits {
	case 12:
		return uint32(binary.LittleEndian.Uint16(b)>>(cluster%2*4)) & 0xfff, nil
	case 16:
		return uint32(binary.LittleEndian.Uint16(b)), nil
	}
	return binary.LittleEndian.Uint32(b) & 0xfffffff, nil // four bits are reserved
}

// move reads the window that has the bytes at an offset; an entry of 12 bits may cross sectors.
func (t *table) move(at int64) error {
	t.start = at &^ 511
	t.window = t.buffer[:min(int64(len(t.buffer)), t.fs.tableSize-t.start)]
	_, err := t.fs.r.ReadAt(t.window, t.fs.tableStart+t.start)
	if err != nil {
		t.window = nil
	}
	return noEOF(err)
}

// last says whether an entry of the table ends a chain.
func (l layout) last(next uint32) bool {
	return next >= 0xffffff8&(1<<min(l.bits, 28)-1)
}

// chain follows a file's clusters from the first to the end mark and calls visit for each. That a
// chain is no loop is seen by comparing with a cluster that is left behind at growing distances
// (R. Brent, "An improved Monte Carlo factorization algorithm", 1980).
func (f *FS) chain(first uint32, visit func(index int64, cluster uint32) error) error {
	t := f.table()
	behind, turn := first, int64(1)
	for index, at := int64(0), first; ; index++ {
		if !f.has(at) {
			return fmt.Errorf("cluster %d of the file is number %d, of %d", index, at, f.clusters)
		}
		if err := visit(index, at); err != nil {
			return err
		}
		next, err := t.next(at)
		if err != nil {
			return err
		}
		if f.last(next) {
			return nil
		}
		if next == behind {
			return fmt.Errorf("its clusters form a loop at number %d", next)
		}
		if index == turn {
			behind, turn = next, 2*turn
		}
		at = next
	}
}

// mapFile maps a file. Clusters behind its end are left out: Linux reserves some where it is asked to.
func (f *FS) mapFile(e *entry) (blockmap.Map, error) {
	m := blockmap.Map{Size: e.Size()}
	if m.Size == 0 {
		return m, nil
	}
	if e.cluster == 0 {
		return m, errors.New("it has a size but no clusters")
	}
	var length int64
	err := f.chain(e.cluster, func(index int64, cluster uint32) error {
		length = (index + 1) * f.cluster
		if index*f.cluster >= m.Size {
			return nil
		}
		m.Add(blockmap.Extent{Logical: index * f.cluster, Physical: f.place(cluster), Length: f.cluster})
		if len(m.Extents) > maxPieces {
			return fmt.Errorf("it lies in more than %d places", maxPieces)
		}
		return nil
	})
	if err == nil && length < m.Size {
		err = fmt.Errorf("it has %d bytes, but clusters for %d only", m.Size, length)
	}
	return m, err
}

// content reads the bytes of a map without holes.
type content struct {
	r io.ReaderAt
	blockmap.Map
}

// ReadAt is called within the map only: by an io.SectionReader.
func (c *content) ReadAt(b []byte, off int64) (int, error) {
	done := 0
	for done < len(b) {
		e, ok := c.extent(off + int64(done))
		if !ok {
			return done, io.ErrUnexpectedEOF
		}
		skip := off + int64(done) - e.Logical
		part := b[done:min(int64(len(b)), int64(done)+e.Length-skip)]
		n, err := c.r.ReadAt(part, e.Physical+skip)
		done += n
		if n < len(part) {
			return done, noEOF(err)
		}
	}
	return done, nil
}

// extent is the one that has the byte at an offset.
func (c *content) extent(off int64) (blockmap.Extent, bool) {
	i, found := slices.BinarySearchFunc(c.Extents, off, func(e blockmap.Extent, off int64) int {
		return cmp.Compare(e.Logical, off)
	})
	if !found {
		i--
	}
	if i < 0 || off >= c.Extents[i].Logical+c.Extents[i].Length {
		return blockmap.Extent{}, false
	}
	return c.Extents[i], true
}
