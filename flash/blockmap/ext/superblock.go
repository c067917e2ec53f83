package ext

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"holdfast/flash/blockmap"
)

var le = binary.LittleEndian

// Where the superblock is and how much of it there is, in bytes, whatever the size of a block.
const (
	superOffset = 1024
	superSize   = 1024
)

// Features that change how the file system is read, of the kernel's fs/ext4/ext4.h.
const (
	compatJournal      = 0x4
	compatSparseSuper2 = 0x200

	incompatCompression = 0x1
	incompatFileType    = 0x2
	incompatRecover     = 0x4
	incompatJournalDev  = 0x8
	incompatMetaBG      = 0x10
	incompatExtents     = 0x40
	incompat64Bit       = 0x80
	incompatMMP         = 0x100
	incompatFlexBG      = 0x200
	incompatEAInode     = 0x400
	incompatCsumSeed    = 0x2000
	incompatLargeDir    = 0x4000
	incompatInlineData  = 0x8000
	incompatEncrypt     = 0x10000
	incompatCasefold    = 0x20000

	incompatRead = incompatCompression | incompatFileType | incompatRecover | incompatMetaBG | incompatExtents |
		incompat64Bit | incompatMMP | incompatFlexBG | incompatEAInode | incompatCsumSeed | incompatLargeDir |
		incompatInlineData | incompatEncrypt | incompatCasefold

	roSparseSuper  = 0x1
	roHugeFile     = 0x8
	roGDTChecksum  = 0x10
	roBigalloc     = 0x200
	roMetadataCsum = 0x400
	roSharedBlocks = 0x4000
)

// Bits of the superblock's state.
const stateErrors = 0x2

// superblock is what we use of struct ext4_super_block (fs/ext4/ext4.h).
type superblock struct {
	inodes         uint32
	blocks         uint64
	firstBlock     uint32 // s_first_data_block
	logBlock       uint32 // of 1024 bytes
	logCluster     uint32
	blocksPer      uint32 // blocks per group
	clustersPer    uint32
	inodesPer      uint32
	magic          uint16
	state          uint16
	revision       uint32
	firstInode     uint32
	inodeSize      uint16
	compat         uint32
	incompat       uint32
	roCompat       uint32
	uuid           [16]byte
	descSize       uint16
	firstMetaBG    uint32
	checksumType   uint8
	backups        [2]uint32 // groups with a copy of the superblock, with sparse_super2
	checksumSeed   uint32
	checksum       uint32
	checksumWanted uint32 // what checksum should be
}

func decodeSuperblock(b []byte) superblock {
	s := superblock{
		inodes:       le.Uint32(b),
		blocks:       uint64(le.Uint32(b[0x4:])),
		firstBlock:   le.Uint32(b[0x14:]),
		logBlock:     le.Uint32(b[0x18:]),
		logCluster:   le.Uint32(b[0x1c:]),
		blocksPer:    le.Uint32(b[0x20:]),
		clustersPer:  le.Uint32(b[0x24:]),
		inodesPer:    le.Uint32(b[0x28:]),
		magic:        le.Uint16(b[0x38:]),
		state:        le.Uint16(b[0x3a:]),
		revision:     le.Uint32(b[0x4c:]),
		firstInode:   le.Uint32(b[0x54:]),
		inodeSize:    le.Uint16(b[0x58:]),
		compat:       le.Uint32(b[0x5c:]),
		incompat:     le.Uint32(b[0x60:]),
		roCompat:     le.Uint32(b[0x64:]),
		uuid:         [16]byte(b[0x68:]),
		descSize:     32,
		firstMetaBG:  le.Uint32(b[0x104:]),
		checksumType: b[0x175],
		backups:      [2]uint32{le.Uint32(b[0x24c:]), le.Uint32(b[0x250:])},
		checksum:     le.Uint32(b[0x3fc:]),
	}
	if s.revision == 0 { // has no such fields
		s.firstInode, s.inodeSize = 11, 128
	}
	if s.incompat&incompat64Bit != 0 {
		s.blocks |= uint64(le.Uint32(b[0x150:])) << 32
		s.descSize = le.Uint16(b[0xfe:])
	}
	s.checksumWanted = crc32c(^uint32(0), b[:0x3fc])
	s.checksumSeed = crc32c(^uint32(0), s.uuid[:])
	if s.incompat&incompatCsumSeed != 0 {
		s.checksumSeed = le.Uint32(b[0x270:])
	}
	return s
}

func (s *superblock) blockSize() int64 { return 1024 << s.logBlock }

// groups is the number of block groups; check must have passed.
func (s *superblock) groups() uint64 {
	return (s.blocks - uint64(s.firstBlock) + uint64(s.blocksPer) - 1) / uint64(s.blocksPer)
}

// clusterBlocks is the number of blocks that are allocated together.
func (s *superblock) clusterBlocks() uint64 {
	if s.roCompat&roBigalloc == 0 {
		return 1
	}
	return 1 << (s.logCluster - s.logBlock)
}

// check says why a file system of size bytes cannot be read by this superblock. What it lets pass,
// nothing that is computed from it overflows.
func (s *superblock) check(size int64) error {
	switch {
	case s.magic != 0xef53:
		return errors.New("not an ext file system")
	case s.incompat&incompatJournalDev != 0:
		return errors.New("it is the journal of another file system")
	case s.incompat&^incompatRead != 0:
		return fmt.Errorf("it has features that are not known here: %s", featureNames(s.incompat&^incompatRead))
	case s.revision > 1:
		return fmt.Errorf("revision %d is not known", s.revision)
	}
	// Before anything that it covers is believed.
	if s.roCompat&roMetadataCsum != 0 {
		switch {
		case s.checksumType != 1:
			return fmt.Errorf("checksum type %d is not known", s.checksumType)
		case s.checksum != s.checksumWanted:
			return errors.New("the superblock's checksum is wrong")
		}
	}
	return s.checkGeometry(size)
}

// checkGeometry follows what the kernel asks for in ext4_fill_super (fs/ext4/super.c).
func (s *superblock) checkGeometry(size int64) error {
	if s.logBlock > 6 {
		return fmt.Errorf("superblock: blocks of 2^%d bytes", uint64(s.logBlock)+10)
	}
	block := s.blockSize()
	bits := uint64(block) * 8 // what one block of a bitmap tells of
	switch {
	case s.blocks > uint64(size/block):
		return fmt.Errorf("%w: it has %d blocks of %d bytes, and there are %d bytes", blockmap.ErrCutOff, s.blocks, block, size)
	case uint64(s.firstBlock) >= s.blocks || s.firstBlock > 1 || s.firstBlock == 1 && block != 1024:
		return fmt.Errorf("superblock: the first block is %d of %d", s.firstBlock, s.blocks)
	case s.blocksPer == 0 || uint64(s.blocksPer) > bits*s.maxCluster():
		return fmt.Errorf("superblock: %d blocks in a group", s.blocksPer)
	case s.inodeSize < 128 || int64(s.inodeSize) > block || s.inodeSize&(s.inodeSize-1) != 0:
		return fmt.Errorf("superblock: inodes of %d bytes", s.inodeSize)
	case int64(s.inodesPer) < block/int64(s.inodeSize) || uint64(s.inodesPer) > bits:
		return fmt.Errorf("superblock: %d inodes in a group", s.inodesPer)
	case s.groups() > 1<<32 || s.groups()*uint64(s.inodesPer) != uint64(s.inodes):
		return fmt.Errorf("superblock: %d inodes in %d groups of %d", s.inodes, s.groups(), s.inodesPer)
	case s.firstInode < 11 || s.firstInode > s.inodes:
		return fmt.Errorf("superblock: the first inode for files is %d", s.firstInode)
	case s.incompat&incompat64Bit != 0 && (s.descSize < 64 || s.descSize > 1024 || s.descSize&(s.descSize-1) != 0):
		return fmt.Errorf("superblock: group descriptors of %d bytes", s.descSize)
	}
	return s.checkClusters()
}

// checkClusters looks at what only bigalloc has.
func (s *superblock) checkClusters() error {
	switch {
	case s.roCompat&roBigalloc == 0:
		return nil
	case s.logCluster < s.logBlock || s.logCluster > 20: // 1 GiB, EXT4_MAX_CLUSTER_LOG_SIZE
		return fmt.Errorf("superblock: clusters of 2^%d bytes", uint64(s.logCluster)+10)
	case uint64(s.blocksPer) != uint64(s.clustersPer)*s.clusterBlocks():
		return fmt.Errorf("superblock: %d blocks in a group of %d clusters", s.blocksPer, s.clustersPer)
	}
	return nil
}

// maxCluster is the largest number of blocks that one bit of a bitmap may stand for.
func (s *superblock) maxCluster() uint64 {
	if s.roCompat&roBigalloc == 0 {
		return 1
	}
	return 1 << 20
}

// hasSuper says whether a group begins with a copy of the superblock.
func (s *superblock) hasSuper(group uint64) bool {
	switch {
	case group == 0:
		return true
	case s.compat&compatSparseSuper2 != 0:
		return group == uint64(s.backups[0]) || group == uint64(s.backups[1])
	case s.roCompat&roSparseSuper == 0 || group == 1:
		return true
	}
	return isPower(group, 3) || isPower(group, 5) || isPower(group, 7)
}

func isPower(n, base uint64) bool {
	for n > 1 && n%base == 0 {
		n /= base
	}
	return n == 1
}

// featureNames names the bits of a set of incompatible features.
func featureNames(set uint32) string {
	var names []string
	for bit := uint32(1); bit != 0; bit <<= 1 {
		switch {
		case set&bit == 0:
		case bit == 0x1000:
			names = append(names, "dirdata")
		default:
			names = append(names, fmt.Sprintf("incompat bit %#x", bit))
		}
	}
	return strings.Join(names, ", ")
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crc32c goes on with a checksum as the kernel keeps it: hash/crc32 inverts before and after.
func crc32c(sum uint32, b []byte) uint32 { return ^crc32.Update(^sum, castagnoli, b) }

// crc32cNumber goes on with the four bytes of a number.
func crc32cNumber(sum, n uint32) uint32 { return crc32c(sum, le.AppendUint32(nil, n)) }
