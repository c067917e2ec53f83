package ext

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"
)

// readInode fills b with a file's bytes from off on, which must be within its size.
func (f *FS) readInode(in *inode, b []byte, off int64) error {
	if in.encoded() != 0 {
		return fmt.Errorf("inode %d: its data is %v", in.number, in.encoded())
	}
	if f.isInline(in) {
		data, err := f.inline(in)
		if err == nil {
			copy(b, data[off:])
		}
		return err
	}
	size := f.super.blockSize()
	for len(b) > 0 {
		if uint64(off/size) >= maxLogical {
			return fmt.Errorf("inode %d: it is larger than a file can be", in.number)
		}
		r, err := f.locate(in, uint64(off/size))
		if err != nil {
			return err
		}
		within := off % size
		n := min(int64(len(b)), int64(r.count)*size-within)
		if r.physical == 0 || r.unwritten {
			clear(b[:n])
		} else if err := f.readAt(b[:n], int64(r.physical)*size+within); err != nil {
			return err
		}
		b, off = b[n:], off+n
	}
	return nil
}

// info is an fs.FileInfo and, of what a name leads to, an fs.DirEntry.
type info struct {
	name string
	in   *inode
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.in.size }
func (i info) Mode() fs.FileMode  { return i.in.fileMode() }
func (i info) ModTime() time.Time { return i.in.mtime }
func (i info) IsDir() bool        { return i.in.isDir() }
func (i info) Sys() any           { return nil }
func (i info) String() string     { return fs.FormatFileInfo(i) }

// file is an open file that is no directory.
type file struct {
	fs     *FS
	path   string
	in     *inode
	offset int64
	closed bool
}

func (o *file) fail(op string, err error) error {
	return &fs.PathError{Op: op, Path: o.path, Err: err}
}

func (o *file) Stat() (fs.FileInfo, error) {
	if o.closed {
		return nil, o.fail("stat", fs.ErrClosed)
	}
	return info{path.Base(o.path), o.in}, nil
}

func (o *file) Close() error {
	if o.closed {
		return o.fail("close", fs.ErrClosed)
	}
	o.closed = true
	return nil
}

func (o *file) Read(b []byte) (int, error) {
	n, err := o.ReadAt(b, o.offset)
	o.offset += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// ReadAt reads at off, as io.ReaderAt has it. It does not move the place of Read.
func (o *file) ReadAt(b []byte, off int64) (int, error) {
	switch {
	case o.closed:
		return 0, o.fail("read", fs.ErrClosed)
	case o.in.kind() != typeRegular:
		return 0, o.fail("read", errors.New("not a regular file"))
	case off < 0:
		return 0, o.fail("read", fs.ErrInvalid)
	case len(b) == 0:
		return 0, nil
	case off >= o.in.size:
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), o.in.size-off))
	if err := o.fs.readInode(o.in, b[:n], off); err != nil {
		return 0, o.fail("read", err)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// Seek moves the place of Read, as io.Seeker has it.
func (o *file) Seek(offset int64, whence int) (int64, error) {
	from, known := map[int]int64{io.SeekStart: 0, io.SeekCurrent: o.offset, io.SeekEnd: o.in.size}[whence]
	switch {
	case o.closed:
		return 0, o.fail("seek", fs.ErrClosed)
	case !known || from+offset < 0:
		return 0, o.fail("seek", fs.ErrInvalid)
	}
	o.offset = from + offset
	return o.offset, nil
}

// openDir is an open directory.
type openDir struct {
	file
	entries []fs.DirEntry
	listed  bool
}

func (o *openDir) Read([]byte) (int, error) {
	return 0, o.fail("read", errors.New("it is a directory"))
}

// ReadDir gives the next entries, as fs.ReadDirFile has it.
func (o *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if o.closed {
		return nil, o.fail("readdir", fs.ErrClosed)
	}
	if !o.listed {
		entries, err := o.fs.entries(o.in)
		if err != nil {
			return nil, o.fail("readdir", err)
		}
		o.entries, o.listed = entries, true
	}
	if n > 0 && len(o.entries) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(o.entries) {
		n = len(o.entries)
	}
	some := o.entries[:n:n]
	o.entries = o.entries[n:]
	return some, nil
}

// dirEntry is a name in a directory. Its inode is read when somebody asks for it.
type dirEntry struct {
	fs    *FS
	text  string
	inode uint32
	kind  uint16
}

func (d dirEntry) Name() string   { return d.text }
func (d dirEntry) IsDir() bool    { return d.kind == typeDir }
func (d dirEntry) String() string { return fs.FormatDirEntry(d) }

func (d dirEntry) Type() fs.FileMode { return typeMode(d.kind) }

func (d dirEntry) Info() (fs.FileInfo, error) {
	in, err := d.fs.inode(d.inode)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: d.text, Err: err}
	}
	return info{d.text, in}, nil
}
