package fat

import (
	"bytes"
	"io"
	"io/fs"
	"testing"

	"holdfast/flash/flashtest"
)

// patched is an image with some bytes changed.
type patched struct {
	image   []byte
	patches map[int64]byte
}

func (p patched) ReadAt(b []byte, off int64) (int, error) {
	n, err := bytes.NewReader(p.image).ReadAt(b, off)
	for at, value := range p.patches {
		if at >= off && at < off+int64(n) {
			b[at-off] = value
		}
	}
	return n, err
}

// FuzzFAT changes bytes where they have a meaning: each four bytes of patches are a place and a value.
func FuzzFAT(f *testing.F) {
	type base struct {
		image   []byte
		regions [4]int64
	}
	var bases []base
	for _, v := range smallVariants {
		image := small(f, v)
		clean, err := openBytes(f, image)
		if err != nil {
			f.Fatal(err)
		}
		bases = append(bases, base{image, [4]int64{0, clean.tableStart, clean.rootStart, clean.dataStart}})
	}
	for kind := range len(bases) {
		for _, seed := range [][]byte{
			nil,
			{0, 0, 13, 2},                 // clusters of two sectors
			{0, 0, 36, 0xff, 0, 0, 22, 0}, // the size of the table
			{1, 0, 16, 0x10, 1, 0, 17, 0, 1, 0, 6, 3},  // loops
			{2, 0, 11, 0x10, 3, 0, 11, 0x10},           // directories that were files
			{2, 0, 43, 0x0f, 3, 0, 43, 0x0f},           // pieces of long names
			{2, 0, 28, 0xff, 2, 0, 31, 0xff},           // large files
			{3, 0, 58, 2, 3, 0, 26, 3, 3, 0, 90, 0xff}, // first clusters
		} {
			f.Add(uint8(kind), seed)
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, patches []byte) {
		b := bases[int(kind)%len(bases)]
		p := patched{b.image, map[int64]byte{}}
		for ; len(patches) >= 4 && len(p.patches) < 64; patches = patches[4:] {
			p.patches[b.regions[patches[0]%4]+int64(patches[1])<<8+int64(patches[2])] = patches[3]
		}
		size := int64(len(b.image))
		flashtest.Bounded(t, 16<<20, func() {
			if fsys, err := Open(bounded{t, p, size}, size); err == nil {
				tour(t, fsys, size)
			}
		})
	})
}

// tour looks at the first entries that it finds.
func tour(t *testing.T, fsys *FS, size int64) {
	if free, err := fsys.Free(); err != nil || free < 0 || free > size {
		t.Errorf("Free() = %d, %v, of %d", free, err, size)
	}
	seen := 0
	_ = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if seen++; seen > 20 {
			return fs.SkipAll
		}
		if err != nil || d.IsDir() {
			return nil
		}
		file, openErr := fsys.Open(name)
		m, mapErr := fsys.Map(name)
		if mapErr == nil {
			var mapped int64
			for _, e := range m.Extents {
				if e.Logical != mapped || e.Physical < fsys.dataStart || e.Physical+e.Length > size || e.Length <= 0 {
					t.Errorf("%q: extent %v of %d bytes", name, e, size)
				}
				mapped += e.Length
			}
			if mapped < m.Size {
				t.Errorf("%q: %d bytes mapped of %d", name, mapped, m.Size)
			}
		}
		if openErr != nil {
			return nil
		}
		defer file.Close()
		if n, err := io.Copy(io.Discard, io.LimitReader(file, 1<<20)); mapErr == nil && (err != nil || n != min(m.Size, 1<<20)) {
			t.Errorf("%q: read %d bytes, %v, of %d", name, n, err, m.Size)
		}
		return nil
	})
}
