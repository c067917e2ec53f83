package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/diskfs/go-diskfs/partition/mbr"
)

// Partition is one partition of a disk.
type Partition struct {
	Number int   // from 1, as in sda1
	Start  int64 // bytes from the start of the disk
	Size   int64 // bytes
}

// ErrNoTable says that a disk has no partition table: it may hold a file system as a whole.
var ErrNoTable = errors.New("no partition table")

const sectorSize = 512

// ReadTable reads the partition table of a disk of size bytes and sectors of 512 bytes: a GPT (UEFI
// specification, chapter 5), or else an MBR, of which it gives the primary partitions. A partition
// that reaches over the end of the disk is an error, as half of it would be missing.
func ReadTable(disk io.ReaderAt, size int64) ([]Partition, error) {
	f := file{io.NewSectionReader(disk, 0, size)}
	if size < 2*sectorSize {
		return nil, ErrNoTable
	}
	if err := checkGPT(disk, size); err != nil {
		return nil, fmt.Errorf("read partition table: %w", err)
	}
	if table, err := gpt.Read(f, sectorSize, sectorSize); err == nil {
		return gptPartitions(table, size)
	}
	table, err := mbr.Read(f, sectorSize, sectorSize)
	if err != nil {
		return nil, ErrNoTable
	}
	return mbrPartitions(table, size)
}

// checkGPT refuses headers that the library would follow to where they lead: any amount of memory,
// or entries of no length, without end. It uses the one in sector 1 and the one in the last sector.
func checkGPT(disk io.ReaderAt, size int64) error {
	for _, at := range []int64{sectorSize, size/sectorSize*sectorSize - sectorSize} {
		var header [92]byte
		if _, err := disk.ReadAt(header[:], at); err != nil && err != io.EOF {
			return err
		}
		count, length := binary.LittleEndian.Uint32(header[80:]), binary.LittleEndian.Uint32(header[84:])
		if string(header[:8]) == "EFI PART" && (count > 1024 || length != gpt.PartitionEntrySize) {
			return fmt.Errorf("GPT with %d entries of %d bytes", count, length)
		}
	}
	return nil
}

func gptPartitions(table *gpt.Table, size int64) ([]Partition, error) {
	var list []Partition
	for _, p := range table.Partitions {
		if p.Start > p.End || p.End >= uint64(size/sectorSize) {
			return nil, fmt.Errorf("read partition table: partition %d lies outside of the disk", p.Index)
		}
		list = append(list, Partition{Number: p.Index, Start: int64(p.Start) * sectorSize, Size: int64(p.End-p.Start+1) * sectorSize})
	}
	return list, nil
}

func mbrPartitions(table *mbr.Table, size int64) ([]Partition, error) {
	var list []Partition
	for _, p := range table.Partitions {
		switch p.Type {
		case mbr.Empty:
			continue
		case mbr.ExtendedCHS, mbr.ExtendedLBA, mbr.LinuxExtended:
			continue // a box for other partitions, nothing to mount
		case mbr.GPTProtective:
			return nil, errors.New("read partition table: the disk had a GPT, which is damaged")
		}
		end := int64(p.Start) + int64(p.Size)
		if p.Size == 0 || p.Start == 0 || end > size/sectorSize {
			return nil, fmt.Errorf("read partition table: partition %d lies outside of the disk", p.Index)
		}
		list = append(list, Partition{Number: p.Index, Start: int64(p.Start) * sectorSize, Size: int64(p.Size) * sectorSize})
	}
	return list, nil
}

// file shows a disk to go-diskfs as the file it wants, of which it uses the reading and seeking.
type file struct{ *io.SectionReader }

func (file) Close() error               { return nil }
func (file) Stat() (fs.FileInfo, error) { return nil, errors.ErrUnsupported }
