// Package ext reads an ext2, ext3 or ext4 file system without mounting it, as its blocks are: a journal
// that waits for its replay is not looked at, and Unclean tells of it. The on-disk format is that of
// the kernel's fs/ext4 (Documentation/filesystems/ext4).
//
// Nothing on the device is trusted. Where there are checksums they are checked, a loop ends with an
// error, and memory is bounded whatever the sizes are that a file system tells.
package ext

import (
	"fmt"
	"io"
	"io/fs"
	"strings"

	"holdfast/flash/blockmap"
)

// FS is an ext file system as an fs.FS, with fs.StatFS, fs.ReadDirFS and fs.ReadLinkFS. Names follow
// symbolic links, which never lead out of the file system: it is the root of an absolute one. Its
// files are io.ReaderAt and io.Seeker. It may be used from several goroutines.
//
// Data that is encrypted or compressed cannot be read, and encrypted directories cannot be listed; both
// are errors. A device, a pipe or a socket can be opened but not read.
type FS struct {
	r     io.ReaderAt
	size  int64
	super superblock
	cache cache
}

// Open reads the superblock of the file system that r holds, of size bytes. Nothing outside of them
// is ever read. It is an error when the file system is larger than that, or has features that are not
// known here and that change how it is read; the error names them.
func Open(r io.ReaderAt, size int64) (*FS, error) {
	f := &FS{r: r, size: size}
	b := make([]byte, superSize)
	if err := f.readAt(b, superOffset); err != nil {
		return nil, fmt.Errorf("read ext superblock: %w", err)
	}
	f.super = decodeSuperblock(b)
	if err := f.super.check(size); err != nil {
		return nil, fmt.Errorf("read ext file system: %w", err)
	}
	return f, nil
}

// Open opens a file or a directory.
func (f *FS) Open(name string) (fs.File, error) {
	in, err := f.find("open", name, true)
	if err != nil {
		return nil, err
	}
	o := file{fs: f, path: name, in: in}
	if in.isDir() {
		return &openDir{file: o}, nil
	}
	return &o, nil
}

// Stat tells of a file, or of what a link leads to.
func (f *FS) Stat(name string) (fs.FileInfo, error) { return f.stat("stat", name, true) }

// Lstat tells of a file, or of a link itself.
func (f *FS) Lstat(name string) (fs.FileInfo, error) { return f.stat("lstat", name, false) }

func (f *FS) stat(op, name string, follow bool) (fs.FileInfo, error) {
	in, err := f.find(op, name, follow)
	if err != nil {
		return nil, err
	}
	return info{name[strings.LastIndexByte(name, '/')+1:], in}, nil
}

// ReadLink is the target of a symbolic link as it stands there.
func (f *FS) ReadLink(name string) (string, error) {
	in, err := f.find("readlink", name, false)
	if err != nil {
		return "", err
	}
	if in.kind() != typeLink {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	target, err := f.target(in)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return target, nil
}

// ReadDir lists a directory by name. More than 131072 names are an error; a name among as many is
// still found.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	in, err := f.find("readdir", name, true)
	if err != nil {
		return nil, err
	}
	entries, err := f.entries(in)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return entries, nil
}

// Map says where the bytes of a file lie, of a link of what it leads to. Blocks behind the file's end
// are listed as well, unwritten as a rule. A file or directory within its inode is one extent with
// blockmap.Inline, and no place. It is an error when a block is outside of the file system. It is read
// from the device each time: sectors are written by it.
func (f *FS) Map(name string) (blockmap.Map, error) {
	f.Forget()
	in, err := f.find("map", name, true)
	if err != nil {
		return blockmap.Map{}, err
	}
	m, err := f.mapInode(in)
	if err != nil {
		return blockmap.Map{}, &fs.PathError{Op: "map", Path: name, Err: err}
	}
	return m, nil
}

// Free is the number of bytes that are free, those that are kept for root as well: the sum over all
// groups, as the kernel counts when it mounts.
func (f *FS) Free() (int64, error) {
	var clusters uint64
	for group := range f.super.groups() {
		d, err := f.descriptor(group)
		if err != nil {
			return 0, err
		}
		clusters += d.free
	}
	free := clusters * f.super.clusterBlocks()
	if clusters > f.super.blocks || free > f.super.blocks {
		return 0, fmt.Errorf("%d of %d blocks are free", free, f.super.blocks)
	}
	return int64(free) * f.super.blockSize(), nil
}

// Unclean says why what the blocks hold may not be what a mount would show, "" when it is. An ext2 that
// was not unmounted, and a list of deleted files that are still to be freed, change nothing of what
// is read.
func (f *FS) Unclean() string {
	if f.super.incompat&incompatRecover != 0 {
		return "its journal waits for a replay"
	}
	return ""
}

// Damage says that the kernel has found errors, "" when it has not. It goes on to mount and to read
// such a file system, as GRUB does.
func (f *FS) Damage() string {
	if f.super.state&stateErrors != 0 {
		return "the kernel found errors on it: e2fsck is due"
	}
	return ""
}

// find resolves a name.
func (f *FS) find(op, name string, follow bool) (*inode, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	in, err := f.resolve(name, follow)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return in, nil
}
