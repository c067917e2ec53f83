// Package fat reads a FAT12, FAT16 or FAT32 file system with long names without mounting it. It
// follows Microsoft's "FAT32 File System Specification" (2000), and where practice differs from it,
// Linux (fs/fat) and GRUB (grub-core/fs/fat.c).
package fat

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"holdfast/flash/blockmap"
)

// FS is a FAT file system as an fs.FS, with fs.StatFS and fs.ReadDirFS. Names are found as Linux's
// vfat finds them: by the long or the short name, in upper or lower case. Its files are io.ReaderAt
// and io.Seeker. It keeps nothing of what it reads, so that it may be used by several at a time and
// shows what another has written.
type FS struct {
	r io.ReaderAt // ends with the file system
	layout
}

// Open reads the boot sector of the file system that r holds, of size bytes. Nothing outside of them
// is ever read. A file system that is larger than size is an error: it was cut off.
func Open(r io.ReaderAt, size int64) (*FS, error) {
	boot := make([]byte, bootSize)
	whole := io.NewSectionReader(r, 0, size)
	if _, err := whole.ReadAt(boot, 0); err != nil {
		return nil, fmt.Errorf("read FAT boot sector: %w", noEOF(err))
	}
	l, err := decodeLayout(boot)
	if err != nil {
		return nil, fmt.Errorf("read FAT boot sector: %w", err)
	}
	if l.size > size {
		return nil, fmt.Errorf("read FAT boot sector: %w: it has %d bytes, and there are %d bytes", blockmap.ErrCutOff, l.size, size)
	}
	return &FS{r: io.NewSectionReader(whole, 0, l.size), layout: l}, nil
}

// noEOF makes an error of an end where there should be none.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Open opens a file or a directory. A file whose chain of clusters is damaged is an error here, and
// not only when the damage is read.
func (f *FS) Open(name string) (fs.File, error) {
	e, err := f.find(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	if e.IsDir() {
		return &dir{fs: f, path: name, entry: e}, nil
	}
	m, err := f.mapFile(e)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &file{SectionReader: io.NewSectionReader(&content{f.r, m}, 0, m.Size), entry: e}, nil
}

// Stat describes a file or directory. Its name is the stored one, its time is taken for UTC, as
// Linux does by default: the file system does not know the time zone of the writer.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	e, err := f.find(name)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return e, nil
}

// ReadDir lists a directory by name. After an error it gives the entries that were read before.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	e, err := f.find(name)
	if err == nil && !e.IsDir() {
		err = errors.New("not a directory")
	}
	var list []fs.DirEntry
	if err == nil {
		list, err = f.list(e)
	}
	if err != nil {
		return list, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return list, nil
}

// Map says where the file's bytes lie, in whole clusters.
func (f *FS) Map(name string) (blockmap.Map, error) {
	e, err := f.find(name)
	if err == nil && e.IsDir() {
		err = errors.New("is a directory")
	}
	var m blockmap.Map
	if err == nil {
		m, err = f.mapFile(e)
	}
	if err != nil {
		return blockmap.Map{}, &fs.PathError{Op: "map", Path: name, Err: err}
	}
	return m, nil
}

// Free is the number of bytes that are free. It is counted: the sum that FAT32 keeps is a hint only.
func (f *FS) Free() (int64, error) {
	t := f.table()
	var free int64
	for c := uint32(firstCluster); c < f.clusters+firstCluster; c++ {
		next, err := t.next(c)
		if err != nil {
			return 0, fmt.Errorf("count free clusters: %w", err)
		}
		if next == 0 {
			free += f.cluster
		}
	}
	return free, nil
}

// Unclean says why what the blocks hold may not be what a mount would show. Of FAT it is always "":
// there is no journal, so a mount shows just what the blocks hold, and so does GRUB.
//
// There are marks of a file system that was not unmounted (bit 0 of the boot sector's state, the
// upper bits of the table's second entry). They do not count here: Linux and GRUB read on in spite of
// them, a power cut leaves them behind, and after a power cut of all times the operator must be able
// to change what boots. What such a cut can damage, the chains of clusters, is checked for each file.
func (f *FS) Unclean() string { return "" }

// Damage is always "": FAT has but the marks that Unclean tells of.
func (f *FS) Damage() string { return "" }

// find follows a path from the root directory. A directory that is its own ancestor ends the search:
// otherwise paths through it would not end.
func (f *FS) find(name string) (*entry, error) {
	if !fs.ValidPath(name) {
		return nil, fs.ErrInvalid
	}
	at := &entry{name: ".", attributes: attrDir, cluster: f.rootCluster}
	if name == "." {
		return at, nil
	}
	seen := map[uint32]bool{at.cluster: true}
	for part := range strings.SplitSeq(name, "/") {
		if !at.IsDir() {
			return nil, fs.ErrNotExist
		}
		next, err := f.lookup(at, part)
		if err != nil {
			return nil, err
		}
		if next.IsDir() && seen[next.cluster] && next.cluster != 0 {
			return nil, fmt.Errorf("directory loop: %s is one of the directories above it", next.name)
		}
		seen[next.cluster] = true
		at = next
	}
	return at, nil
}

func (f *FS) lookup(dir *entry, name string) (*entry, error) {
	name = lower(name)
	for e, err := range f.entries(dir) {
		if err != nil {
			return nil, err
		}
		if lower(e.name) == name || lower(e.short) == name {
			return e, nil
		}
	}
	return nil, fs.ErrNotExist
}

// lower folds ASCII letters only, as GRUB does and Linux of UTF-8: names that differ in the case of
// others can stand side by side.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
