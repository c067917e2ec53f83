// Package fat reads a FAT12, FAT16 or FAT32 file system without mounting it.
package fat

import (
	"errors"
	"io"
	"io/fs"

	"holdfast/flash/blockmap"
)

// files are io.ReaderAt and io.Seeker.
// files are io.ReaderAt and io.Seeker.
type FS struct{}

// Open reads the boot sector of the file system that r holds, of size bytes. Nothing outside of them
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
