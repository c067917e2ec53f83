package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// FileSystem is what a partition's superblock says. The zero value is a file system that is not
// known here, or none.
type FileSystem struct {
	Type  string // as mount has it: ext2, ext3, ext4, vfat
	UUID  string // as blkid prints it: lower case with dashes, of FAT "1A2B-3C4D"; "" when it has none
	Label string // "" when it has none
}

// Identify looks for the magic numbers of the file systems that a flash may be on. Its error is the
// disk's: what cannot be recognised is the zero FileSystem.
func Identify(partition io.ReaderAt) (FileSystem, error) {
	for _, probe := range []func(io.ReaderAt) (FileSystem, error){probeExt, probeFAT} {
		fs, err := probe(partition)
		if err != nil {
			return FileSystem{}, fmt.Errorf("identify file system: %w", err)
		}
		if fs.Type != "" {
			return fs, nil
		}
	}
	return FileSystem{}, nil
}

// readPart reads len(b) bytes; ok is false where the partition is too short for them.
func readPart(r io.ReaderAt, b []byte, off int64) (ok bool, err error) {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return true, nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, ErrOutside) {
		return false, nil
	}
	return false, err
}

// Features of ext file systems (fs/ext4/ext4.h of the kernel). What is not among those that the old
// ext3 driver knew makes an ext4.
const (
	extCompatJournal     = 0x4
	extIncompatExt3      = 0x2 | 0x4 | 0x10 // filetype, needs recovery, meta_bg
	extIncompatIsJournal = 0x8              // the journal of another file system
	extROCompatExt3      = 0x1 | 0x2 | 0x4  // sparse_super, large_file, btree_dir
)

func probeExt(r io.ReaderAt) (FileSystem, error) {
	sb := make([]byte, 1024)
	if ok, err := readPart(r, sb, 1024); !ok {
		return FileSystem{}, err
	}
	le := binary.LittleEndian
	compat, incompat, roCompat := le.Uint32(sb[0x5c:]), le.Uint32(sb[0x60:]), le.Uint32(sb[0x64:])
	if le.Uint16(sb[0x38:]) != 0xef53 || le.Uint32(sb[0x18:]) > 6 || incompat&extIncompatIsJournal != 0 {
		return FileSystem{}, nil
	}
	fs := FileSystem{Type: "ext2", UUID: formatUUID(sb[0x68:0x78]), Label: text(sb[0x78:0x88])}
	switch {
	case incompat&^extIncompatExt3 != 0 || roCompat&^extROCompatExt3 != 0:
		fs.Type = "ext4"
	case compat&extCompatJournal != 0:
		fs.Type = "ext3"
	}
	return fs, nil
}

func formatUUID(b []byte) string {
	if bytes.Equal(b, make([]byte, 16)) {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// text is a field of fixed size up to its first zero. Bytes that are not UTF-8 are replaced.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return strings.ToValidUTF8(string(b), "?")
}

// fat is what a FAT boot sector says of the file system (Microsoft, "FAT32 File System
// Specification", 2000).
type fat struct {
	sector      int64 // bytes
	cluster     int64 // sectors
	reserved    int64 // sectors
	tables      int64
	tableSize   int64 // sectors
	rootEntries int64 // 0 in FAT32
	rootCluster int64 // of FAT32
	serial      []byte
}

func probeFAT(r io.ReaderAt) (FileSystem, error) {
	boot := make([]byte, 512)
	if ok, err := readPart(r, boot, 0); !ok {
		return FileSystem{}, err
	}
	f, ok := decodeFAT(boot)
	if !ok {
		return FileSystem{}, nil
	}
	fs := FileSystem{Type: "vfat"}
	if f.serial != nil {
		s := binary.LittleEndian.Uint32(f.serial)
		fs.UUID = fmt.Sprintf("%04X-%04X", s>>16, s&0xffff)
	}
	var err error
	fs.Label, err = f.label(r)
	return fs, err
}

func decodeFAT(b []byte) (f fat, ok bool) {
	le := binary.LittleEndian
	f = fat{
		sector: int64(le.Uint16(b[11:])), cluster: int64(b[13]), reserved: int64(le.Uint16(b[14:])), tables: int64(b[16]),
		rootEntries: int64(le.Uint16(b[17:])), tableSize: int64(le.Uint16(b[22:])),
	}
	extended := b[0x26:] // the fields of newer DOS begin with 0x28 or 0x29
	if f.tableSize == 0 {
		f.tableSize, f.rootCluster = int64(le.Uint32(b[36:])), int64(le.Uint32(b[44:]))
		extended = b[0x42:]
	}
	if extended[0] == 0x28 || extended[0] == 0x29 {
		f.serial = extended[1:5]
	}
	ok = b[510] == 0x55 && b[511] == 0xaa && b[21] >= 0xf0 && (f.tables == 1 || f.tables == 2) && f.reserved > 0 && f.tableSize > 0 &&
		f.sector >= 512 && f.sector <= 4096 && f.sector&(f.sector-1) == 0 && f.cluster > 0 && f.cluster&(f.cluster-1) == 0 &&
		(f.rootEntries > 0 || f.rootCluster >= 2)
	return f, ok
}

// label is the name of the volume's entry in the root directory, which is the one that counts; the
// one in the boot sector is forgotten by many programs. Of FAT32 only the first cluster is searched.
func (f fat) label(r io.ReaderAt) (string, error) {
	start := f.reserved + f.tables*f.tableSize // in sectors
	length := f.rootEntries * 32               // in bytes
	if f.rootEntries == 0 {
		start += (f.rootCluster - 2) * f.cluster
		length = f.cluster * f.sector
	}
	root := make([]byte, length)
	if ok, err := readPart(r, root, start*f.sector); !ok {
		return "", err
	}
	for ; len(root) >= 32 && root[0] != 0; root = root[32:] {
		// 0xe5: removed. 0x08: the volume; together with the three bits below it, a piece of a long name.
		if root[0] != 0xe5 && root[11]&0x0f != 0x0f && root[11]&0x18 == 0x08 {
			return strings.TrimRight(text(root[:11]), " "), nil
		}
	}
	return "", nil
}
