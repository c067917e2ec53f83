package ext

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"holdfast/flash/blockmap"
)

const rootInode = 2

// Flags of an inode (fs/ext4/ext4.h).
const (
	flagCompressed = 0x4
	flagEncrypted  = 0x800
	flagIndex      = 0x1000
	flagExtents    = 0x80000
	flagEAInode    = 0x200000
	flagInline     = 0x10000000
)

// Types of files, the upper bits of an inode's mode.
const (
	typeMask    = 0xf000
	typeFIFO    = 0x1000
	typeChar    = 0x2000
	typeDir     = 0x4000
	typeBlock   = 0x6000
	typeRegular = 0x8000
	typeLink    = 0xa000
	typeSocket  = 0xc000
)

// inode is what we use of struct ext4_inode (fs/ext4/ext4.h).
type inode struct {
	number    uint32
	mode      uint16
	size      int64
	links     uint16
	flags     uint32
	mtime     time.Time
	pointers  [60]byte // i_block: block pointers, the root of the extents, a link's target, or data
	body      []byte   // what follows the fields: attributes, and among them the rest of inline data
	checksums uint32   // where the checksums of what belongs to it start from
}

func (in *inode) kind() uint16 { return in.mode & typeMask }
func (in *inode) isDir() bool  { return in.kind() == typeDir }

// inode reads an inode that is in use.
func (f *FS) inode(number uint32) (*inode, error) {
	b, err := f.rawInode(number)
	if err != nil {
		return nil, fmt.Errorf("read inode %d: %w", number, err)
	}
	in, err := f.decodeInode(number, b)
	if err != nil {
		return nil, fmt.Errorf("inode %d: %w", number, err)
	}
	return in, nil
}

// rawInode reads the bytes of an inode.
func (f *FS) rawInode(number uint32) ([]byte, error) {
	s := &f.super
	if number == 0 || number > s.inodes {
		return nil, fmt.Errorf("the file system has inodes 1 to %d", s.inodes)
	}
	group, index := uint64((number-1)/s.inodesPer), int64((number-1)%s.inodesPer)
	d, err := f.descriptor(group)
	if err != nil {
		return nil, err
	}
	offset := index * int64(s.inodeSize)
	table := d.inodeTable
	if table <= uint64(s.firstBlock) || table >= s.blocks {
		return nil, fmt.Errorf("group %d: the inode table at block %d is outside of the file system", group, table)
	}
	block, err := f.block(table+uint64(offset/s.blockSize()), 0, nil)
	if err != nil {
		return nil, err
	}
	offset %= s.blockSize()
	return block[offset : offset+int64(s.inodeSize)], nil
}

func (f *FS) decodeInode(number uint32, b []byte) (*inode, error) {
	in := &inode{
		number:   number,
		mode:     le.Uint16(b),
		size:     int64(le.Uint32(b[0x4:])),
		links:    le.Uint16(b[0x1a:]),
		flags:    le.Uint32(b[0x20:]),
		mtime:    time.Unix(int64(int32(le.Uint32(b[0x10:]))), 0),
		pointers: [60]byte(b[0x28:]),
	}
	if in.mode == 0 || in.links == 0 {
		return nil, errors.New("it is not in use")
	}
	extra := 0
	if len(b) > 128 {
		extra = int(le.Uint16(b[0x80:]))
		if extra%4 != 0 || extra > len(b)-128 {
			return nil, fmt.Errorf("its fields end %d bytes after the first 128", extra)
		}
		in.body = b[128+extra:]
	}
	in.checksums = crc32cNumber(crc32cNumber(f.super.checksumSeed, number), le.Uint32(b[0x64:]))
	if f.super.roCompat&roMetadataCsum != 0 && !rightInodeSum(in.checksums, b, extra) {
		return nil, errors.New("its checksum is wrong")
	}
	if in.kind() == typeRegular || f.super.incompat&incompatLargeDir != 0 {
		in.size |= int64(le.Uint32(b[0x6c:])) << 32
	}
	if in.size < 0 {
		return nil, errors.New("its size is negative")
	}
	if extra >= 12 {
		in.mtime = extraTime(in.mtime, le.Uint32(b[0x88:]))
	}
	return in, nil
}

// extraTime adds what the extra field of a time holds: two more bits of seconds, and nanoseconds.
func extraTime(t time.Time, extra uint32) time.Time {
	return time.Unix(t.Unix()+int64(extra&3)<<32, int64(extra>>2))
}

// rightInodeSum compares an inode's checksum, whose upper half is there only with enough extra bytes
// (ext4_inode_csum in fs/ext4/inode.c).
func rightInodeSum(seed uint32, b []byte, extra int) bool {
	const low, high = 0x7c, 0x82
	sum := crc32c(seed, b[:low])
	sum = crc32c(sum, []byte{0, 0})
	if extra < 4 {
		sum = crc32c(sum, b[low+2:])
		return uint16(sum) == le.Uint16(b[low:])
	}
	sum = crc32c(sum, b[low+2:high])
	sum = crc32c(sum, []byte{0, 0})
	sum = crc32c(sum, b[high+2:])
	return uint16(sum) == le.Uint16(b[low:]) && uint16(sum>>16) == le.Uint16(b[high:])
}

// encoded is how the file's bytes on the device differ from those that a program reads.
func (in *inode) encoded() blockmap.Flags {
	var flags blockmap.Flags
	if in.flags&flagEncrypted != 0 {
		flags |= blockmap.Encrypted
	}
	if in.flags&flagCompressed != 0 && in.kind() == typeRegular { // directories hand it down
		flags |= blockmap.Compressed
	}
	return flags
}

// fileMode is the mode as package fs has it.
func (in *inode) fileMode() fs.FileMode {
	mode := fs.FileMode(in.mode&0o777) | typeMode(in.kind())
	for bit, m := range map[uint16]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if in.mode&bit != 0 {
			mode |= m
		}
	}
	return mode
}

func typeMode(kind uint16) fs.FileMode {
	switch kind {
	case typeRegular:
		return 0
	case typeDir:
		return fs.ModeDir
	case typeLink:
		return fs.ModeSymlink
	case typeFIFO:
		return fs.ModeNamedPipe
	case typeSocket:
		return fs.ModeSocket
	case typeChar:
		return fs.ModeDevice | fs.ModeCharDevice
	case typeBlock:
		return fs.ModeDevice
	}
	return fs.ModeIrregular
}
