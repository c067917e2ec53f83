package ext

import (
	"fmt"
)

// descriptor is what we use of struct ext4_group_desc (fs/ext4/ext4.h).
type descriptor struct {
	inodeTable uint64 // its first block
	free       uint64 // clusters
}

// descriptor reads the descriptor of a group.
func (f *FS) descriptor(group uint64) (descriptor, error) {
	number, offset := f.descriptorPlace(group)
	block, err := f.block(number, 0, nil)
	if err != nil {
		return descriptor{}, fmt.Errorf("read the descriptor of group %d: %w", group, err)
	}
	b := block[offset : offset+int64(f.super.descSize)]
	if sum, wanted := f.descriptorSums(group, b); sum != wanted {
		return descriptor{}, fmt.Errorf("the checksum of the descriptor of group %d is wrong", group)
	}
	d := descriptor{inodeTable: uint64(le.Uint32(b[0x8:])), free: uint64(le.Uint16(b[0xc:]))}
	if len(b) >= 64 {
		d.inodeTable |= uint64(le.Uint32(b[0x28:])) << 32
		d.free |= uint64(le.Uint16(b[0x2c:])) << 16
	}
	return d, nil
}

// descriptorPlace is the block of a group's descriptor and where it is in there. With meta_bg, the
// descriptors of as many groups as fit into a block are in the first of these groups
// (descriptor_loc in fs/ext4/super.c).
func (f *FS) descriptorPlace(group uint64) (block uint64, offset int64) {
	s := &f.super
	perBlock := uint64(s.blockSize() / int64(s.descSize))
	super := uint64(superOffset / s.blockSize()) // the block of the superblock
	block = super + 1 + group/perBlock
	if s.incompat&incompatMetaBG != 0 && group/perBlock >= uint64(s.firstMetaBG) {
		first := group - group%perBlock
		block = uint64(s.firstBlock) + first*uint64(s.blocksPer)
		if s.hasSuper(first) {
			block++
		}
		if first == 0 {
			block = super + 1 // of 1 KiB blocks the first may be 0, without the superblock
		}
	}
	return block, int64(group%perBlock) * int64(s.descSize)
}

// descriptorSums is the checksum that a descriptor has and the one that it should have
// (ext4_group_desc_csum in fs/ext4/super.c).
func (f *FS) descriptorSums(group uint64, b []byte) (sum, wanted uint16) {
	const at = 0x1e
	switch s := &f.super; {
	case s.roCompat&roMetadataCsum != 0:
		crc := crc32cNumber(s.checksumSeed, uint32(group))
		crc = crc32c(crc, b[:at])
		crc = crc32c(crc, []byte{0, 0})
		return le.Uint16(b[at:]), uint16(crc32c(crc, b[at+2:]))
	case s.roCompat&roGDTChecksum != 0:
		crc := crc16(^uint16(0), s.uuid[:])
		crc = crc16(crc, le.AppendUint32(nil, uint32(group)))
		crc = crc16(crc, b[:at])
		return le.Uint16(b[at:]), crc16(crc, b[at+2:])
	}
	return 0, 0
}

// crc16 is the one of the kernel's lib/crc16.c: polynomial 0x8005, bits reflected.
func crc16(sum uint16, b []byte) uint16 {
	for _, c := range b {
		sum ^= uint16(c)
		for range 8 {
			low := sum & 1
			sum >>= 1
			if low != 0 {
				sum ^= 0xa001
			}
		}
	}
	return sum
}
