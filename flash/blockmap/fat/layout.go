package fat

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	bootSize     = 512 // of the boot sector, what has a meaning
	firstCluster = 2   // clusters are counted from here
)

// layout says where things are, all in bytes from the start of the file system but clusters.
type layout struct {
	size        int64 // of the file system
	bits        uint  // of an entry of the table: 12, 16, 32
	tableStart  int64 // of the first table; the others are copies that nobody reads
	tableSize   int64
	rootStart   int64 // of the root directory of FAT12 and FAT16
	rootSize    int64 // 0 in FAT32
	rootCluster uint32
	dataStart   int64  // where the first cluster lies
	cluster     int64  // size of one
	clusters    uint32 // how many there are
}

// bootSector has the fields of the boot sector that say where things are.
type bootSector struct {
	sector      int64 // bytes
	perCluster  int64 // sectors
	reserved    int64 // sectors before the first table
	tables      int64
	rootEntries int64 // 0 in FAT32
	sectors     int64 // of the file system
	tableSize   int64 // sectors
	fat32       bool
	active      int64 // the only table that is kept up to date, of FAT32
	rootCluster uint32
	version     uint16
	valid       bool // signature and media descriptor
}

func decodeBoot(b []byte) bootSector {
	le := binary.LittleEndian
	s := bootSector{
		sector:      int64(le.Uint16(b[11:])),
		perCluster:  int64(b[13]),
		reserved:    int64(le.Uint16(b[14:])),
		tables:      int64(b[16]),
		rootEntries: int64(le.Uint16(b[17:])),
		sectors:     int64(le.Uint16(b[19:])),
		tableSize:   int64(le.Uint16(b[22:])),
		valid:       b[510] == 0x55 && b[511] == 0xaa && (b[21] == 0xf0 || b[21] >= 0xf8),
	}
	if s.sectors == 0 {
		s.sectors = int64(le.Uint32(b[32:]))
	}
	if s.tableSize == 0 {
		s.fat32 = true
		s.tableSize = int64(le.Uint32(b[36:]))
		s.rootCluster = le.Uint32(b[44:])
		s.version = le.Uint16(b[42:])
		if flags := le.Uint16(b[40:]); flags&0x80 != 0 {
			s.active = int64(flags & 0xf)
		}
	}
	return s
}

func (s bootSector) check() error {
	power := func(n int64) bool { return n > 0 && n&(n-1) == 0 }
	switch {
	case !s.valid:
		return errors.New("not that of a FAT file system")
	case !power(s.sector) || s.sector < 512 || s.sector > 4096:
		return fmt.Errorf("sectors of %d bytes", s.sector)
	case !power(s.perCluster):
		return fmt.Errorf("clusters of %d sectors", s.perCluster)
	case s.reserved == 0 || s.tables == 0 || s.tableSize == 0:
		return errors.New("it has no table")
	case s.fat32 == (s.rootEntries != 0):
		return errors.New("it has no root directory, or two")
	case s.version != 0:
		return fmt.Errorf("unknown version %#x of FAT32", s.version)
	case s.active != 0:
		// GRUB would read this table, Linux the first one.
		return fmt.Errorf("only copy %d of the table is up to date", s.active)
	}
	return nil
}

// decodeLayout tells FAT32 by its table, whose size is in another place, and FAT12 from FAT16 by the
// number of clusters. By the specification the number alone decides, but mkfs.fat makes smaller FAT32
// file systems on request, and Linux and GRUB go by the table; mtools refuses them.
func decodeLayout(boot []byte) (layout, error) {
	s := decodeBoot(boot)
	if err := s.check(); err != nil {
		return layout{}, err
	}
	l := layout{
		size:        s.sectors * s.sector,
		tableStart:  s.reserved * s.sector,
		tableSize:   s.tableSize * s.sector,
		rootSize:    s.rootEntries * entrySize,
		rootCluster: s.rootCluster,
		cluster:     s.perCluster * s.sector,
	}
	l.rootStart = l.tableStart + s.tables*l.tableSize
	l.dataStart = l.rootStart + (l.rootSize+s.sector-1)/s.sector*s.sector
	clusters := (l.size - l.dataStart) / l.cluster
	limit := int64(0xfff4) // larger numbers have another meaning
	switch {
	case s.fat32:
		l.bits, limit = 32, 0xffffff4
	case clusters < 4085:
		l.bits = 12
	default:
		l.bits = 16
	}
	clusters = min(clusters, l.tableSize*8/int64(l.bits)-firstCluster)
	if clusters <= 0 || clusters > limit {
		return layout{}, fmt.Errorf("%d clusters of FAT%d", clusters, l.bits)
	}
	l.clusters = uint32(clusters)
	if s.fat32 && !l.has(l.rootCluster) {
		return layout{}, fmt.Errorf("the root directory is in cluster %d of %d", l.rootCluster, l.clusters)
	}
	return l, nil
}

// has says whether a number is that of a cluster.
func (l layout) has(cluster uint32) bool {
	return cluster >= firstCluster && cluster-firstCluster < l.clusters
}

// place is where a cluster begins.
func (l layout) place(cluster uint32) int64 {
	return l.dataStart + int64(cluster-firstCluster)*l.cluster
}
