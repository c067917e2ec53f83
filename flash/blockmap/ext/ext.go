// Package ext reads an ext2, ext3 or ext4 file system without mounting it.
package ext

import (
	"errors"
	"io"
	"io/fs"

	"holdfast/flash/blockmap"
)

// FS is an ext file system as an fs.FS, with fs.StatFS, fs.ReadDirFS and fs.ReadLinkFS. Names follow
// symbolic links, which never lead out of the file system: it is the root of an absolute one. Its
// files are io.ReaderAt and io.Seeker.
type FS struct{}

// Open reads the superblock of the file system that r holds, of size bytes. Nothing outside of them
// is ever read.
func Open(r io.ReaderAt, size int64) (*FS, error) { return nil, errors.ErrUnsupported }

// Open opens a file or a directory.
func (*FS) Open(name string) (fs.File, error) { return nil, errors.ErrUnsupported }

// Map says where the file's bytes lie.
func (*FS) Map(name string) (blockmap.Map, error) { return blockmap.Map{}, errors.ErrUnsupported }

// Free is the number of bytes that are free.
func (*FS) Free() (int64, error) { return 0, errors.ErrUnsupported }

// Unclean says why what the blocks hold may not be what a mount would show, "" when it is.
func (*FS) Unclean() string { return "" }
