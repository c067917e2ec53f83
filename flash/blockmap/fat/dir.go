package fat

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
)

// maxDirectory is the largest directory that the specification allows, in bytes.
const maxDirectory = 65536 * entrySize

var errEnd = errors.New("end of the directory")

// entries reads a directory in its order. It leaves out what is no file: deleted entries, the
// volume's label, "." and "..". An error is the last value.
func (f *FS) entries(d *entry) iter.Seq2[*entry, error] {
	return func(yield func(*entry, error) bool) {
		var long longName
		err := f.blocks(d, func(b []byte) error {
			for ; len(b) >= entrySize; b = b[entrySize:] {
				e, err := f.nextEntry(b, &long)
				if err != nil {
					return err
				}
				if e != nil && !yield(e, nil) {
					return errEnd
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnd) {
			yield(nil, fmt.Errorf("read directory: %w", err))
		}
	}
}

// nextEntry decodes the first entry of b; nil when it is no file. errEnd says that no entry follows.
func (f *FS) nextEntry(b []byte, long *longName) (*entry, error) {
	switch {
	case b[0] == 0:
		return nil, errEnd
	case b[0] == deleted:
		*long = longName{}
		return nil, nil
	case b[11]&attrMask == attrLong:
		long.add(b)
		return nil, nil
	}
	name := long.take(b)
	e := f.decodeEntry(b)
	if b[11]&attrLabel != 0 || b[0] == '.' || e.short == "" {
		return nil, nil
	}
	if name != "" {
		e.name = name
	}
	return e, nil
}

// blocks gives the bytes of a directory in pieces of at most a sector.
func (f *FS) blocks(d *entry, give func([]byte) error) error {
	if d.cluster == 0 && f.rootSize > 0 && d.name == "." {
		return f.run(f.rootStart, f.rootSize, give)
	}
	if d.cluster == 0 {
		return errors.New("it has no clusters")
	}
	return f.chain(d.cluster, func(index int64, cluster uint32) error {
		if index*f.cluster >= maxDirectory {
			return fmt.Errorf("it is larger than %d bytes", maxDirectory)
		}
		return f.run(f.place(cluster), f.cluster, give)
	})
}

func (f *FS) run(start, length int64, give func([]byte) error) error {
	var b [4096]byte
	for done := int64(0); done < length; {
		part := b[:min(int64(len(b)), length-done)]
		if _, err := f.r.ReadAt(part, start+done); err != nil {
			return noEOF(err)
		}
		if err := give(part); err != nil {
			return err
		}
		done += int64(len(part))
	}
	return nil
}

// list is the directory by name.
func (f *FS) list(d *entry) ([]fs.DirEntry, error) {
	var list []fs.DirEntry
	var err error
	for e, e2 := range f.entries(d) {
		if e2 != nil {
			err = e2
			break
		}
		list = append(list, fs.FileInfoToDirEntry(e))
	}
	slices.SortStableFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, err
}

// file is an open file.
type file struct {
	*io.SectionReader
	entry *entry
}

func (f *file) Stat() (fs.FileInfo, error) { return f.entry, nil }
func (f *file) Close() error               { return nil }

// dir is an open directory.
type dir struct {
	fs    *FS
	path  string
	entry *entry
	rest  []fs.DirEntry // what ReadDir has not given yet
	read  bool
}

func (d *dir) Stat() (fs.FileInfo, error) { return d.entry, nil }
func (d *dir) Close() error               { return nil }

func (d *dir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.path, Err: errors.New("is a directory")}
}

// ReadDir gives the next n entries, or all the others when n <= 0.
func (d *dir) ReadDir(n int) ([]fs.DirEntry, error) {
	if !d.read {
		list, err := d.fs.list(d.entry)
		if err != nil {
			return nil, &fs.PathError{Op: "readdir", Path: d.path, Err: err}
		}
		d.rest, d.read = list, true
	}
	if n > 0 && len(d.rest) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.rest) {
		n = len(d.rest)
	}
	list := d.rest[:n]
	d.rest = d.rest[n:]
	return list, nil
}
