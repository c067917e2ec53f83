package ext

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// maxNames bounds the memory of a listing.
const maxNames = 1 << 17

// name is an entry of a directory (struct ext4_dir_entry_2 in fs/ext4/ext4.h).
type name struct {
	text  []byte // in a block that nobody may change
	inode uint32
	kind  uint16 // as in an inode's mode; 0 when the directory does not say
}

// kinds are the types that a directory tells of, by number.
var kinds = [...]uint16{0, typeRegular, typeDir, typeChar, typeBlock, typeFIFO, typeSocket, typeLink}

const (
	entryHead   = 8
	tailSize    = 12   // of the pretended entry at a block's end that holds its checksum
	tailKind    = 0xde // its type
	maxNameSize = 255
)

// names calls yield for the names in a directory, . and .. left out, until it is false. It goes through
// the blocks one by one: the index that large directories have is in blocks, or parts of blocks, that
// look as if they held no names.
func (f *FS) names(in *inode, yield func(name) bool) error {
	switch {
	case !in.isDir():
		return errors.New("not a directory")
	case in.encoded() != 0:
		return fmt.Errorf("inode %d: its names are %v", in.number, in.encoded())
	case f.isInline(in):
		return f.inlineNames(in, yield)
	}
	size := f.super.blockSize()
	blocks := uint64(in.size / size)
	var failed error
	err := f.runs(in, blocks, func(r run) bool {
		if r.physical == 0 {
			return true // the kernel skips it as well
		}
		for i := range min(r.count, blocks-r.logical) {
			b, err := f.block(r.physical+i, in.number, func(b []byte) error { return f.checkDirBlock(in, r.logical+i, b) })
			if err != nil {
				failed = fmt.Errorf("directory, inode %d, block %d: %w", in.number, r.logical+i, err)
				return false
			}
			more, err := f.blockNames(b, yield)
			if err != nil {
				failed = fmt.Errorf("directory, inode %d, block %d: %w", in.number, r.logical+i, err)
			}
			if !more {
				return false
			}
		}
		return true
	})
	if failed != nil {
		return failed
	}
	return err
}

// inlineNames goes through the names of a directory that is in its inode: the number of the parent's
// inode, entries where the block pointers would be, and entries in the attribute.
func (f *FS) inlineNames(in *inode, yield func(name) bool) error {
	b, err := f.inline(in)
	if err != nil {
		return err
	}
	b = b[:min(int64(len(b)), max(in.size, 0))]
	const parent, first = 4, 60
	for _, part := range [][]byte{b[min(parent, len(b)):min(first, len(b))], b[min(first, len(b)):]} {
		more, err := f.blockNames(part, yield)
		if err != nil {
			return fmt.Errorf("directory, inode %d: %w", in.number, err)
		}
		if !more {
			break
		}
	}
	return nil
}

// blockNames goes through the names in a block. It says whether yield wants more.
func (f *FS) blockNames(b []byte, yield func(name) bool) (bool, error) {
	for len(b) > 0 {
		n, length, err := f.decodeName(b)
		if err != nil {
			return false, err
		}
		if n.inode != 0 && string(n.text) != "." && string(n.text) != ".." {
			if err := f.checkName(n); err != nil {
				return false, err
			}
			if !yield(n) {
				return false, nil
			}
		}
		b = b[length:]
	}
	return true, nil
}

// decodeName reads the entry at the begin of b, and its length.
func (f *FS) decodeName(b []byte) (name, int, error) {
	if len(b) < entryHead {
		return name{}, 0, fmt.Errorf("an entry of %d bytes", len(b))
	}
	length := int(le.Uint16(b[4:]))
	if f.super.blockSize() == 1<<16 && (length == 0 || length == 1<<16-1) {
		length = 1 << 16 // ext4_rec_len_from_disk
	}
	size := int(b[6])
	if f.super.incompat&incompatFileType == 0 {
		size = int(le.Uint16(b[6:]))
	}
	n := name{inode: le.Uint32(b)}
	if length < entryHead || length%4 != 0 || length > len(b) || n.inode != 0 && entryHead+size > length {
		return name{}, 0, fmt.Errorf("an entry of %d bytes with a name of %d", length, size)
	}
	if n.inode != 0 {
		n.text = b[entryHead : entryHead+size]
	}
	if f.super.incompat&incompatFileType != 0 && int(b[7]) < len(kinds) {
		n.kind = kinds[b[7]]
	}
	return n, length, nil
}

// checkName says why an entry cannot be that of a file.
func (f *FS) checkName(n name) error {
	switch {
	case len(n.text) == 0 || len(n.text) > maxNameSize || bytes.IndexByte(n.text, '/') >= 0 || bytes.IndexByte(n.text, 0) >= 0:
		return fmt.Errorf("%q is no name", n.text)
	case n.inode < f.super.firstInode || n.inode > f.super.inodes:
		return fmt.Errorf("%q has inode %d, which is no file's", n.text, n.inode)
	}
	return nil
}

// checkDirBlock checks the checksum that a block of names ends with (ext4_dirblock_csum in
// fs/ext4/namei.c). The blocks of an index hold no names that we use, and a stale end where the kernel
// made one of a block of names: they have another checksum, which is not looked at.
func (f *FS) checkDirBlock(in *inode, logical uint64, b []byte) error {
	isRoot := in.flags&flagIndex != 0 && logical == 0
	isNode := le.Uint32(b) == 0 && int(le.Uint16(b[4:])) == len(b)&(1<<16-1)
	if f.super.roCompat&roMetadataCsum == 0 || isRoot || isNode {
		return nil
	}
	head, tail := b[:len(b)-tailSize], b[len(b)-tailSize:]
	if le.Uint32(tail) != 0 || le.Uint16(tail[4:]) != tailSize || tail[6] != 0 || tail[7] != tailKind {
		return errors.New("it has no checksum")
	}
	if crc32c(in.checksums, head) != le.Uint32(tail[8:]) {
		return errors.New("its checksum is wrong")
	}
	return nil
}

// lookup finds a name in a directory.
func (f *FS) lookup(dir *inode, text string) (*inode, error) {
	var found name
	err := f.names(dir, func(n name) bool {
		if string(n.text) == text {
			found = n
		}
		return found.inode == 0
	})
	if err != nil {
		return nil, err
	}
	if found.inode == 0 {
		return nil, fs.ErrNotExist
	}
	return f.inode(found.inode)
}

// entries lists a directory by name.
func (f *FS) entries(in *inode) ([]fs.DirEntry, error) {
	var all []fs.DirEntry
	err := f.names(in, func(n name) bool {
		all = append(all, dirEntry{f, string(n.text), n.inode, n.kind})
		return len(all) <= maxNames
	})
	if err == nil && len(all) > maxNames {
		err = fmt.Errorf("directory, inode %d: more than %d names", in.number, maxNames)
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return all, f.addKinds(all)
}

// addKinds adds the types that the directory does not tell.
func (f *FS) addKinds(entries []fs.DirEntry) error {
	for i, e := range entries {
		d := e.(dirEntry)
		if d.kind != 0 {
			continue
		}
		in, err := f.inode(d.inode)
		if err != nil {
			return err
		}
		d.kind = in.kind()
		entries[i] = d
	}
	return nil
}
