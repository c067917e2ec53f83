package disk

import (
	"errors"
	"fmt"
	"io"
)

// Partition is one partition of a disk.
type Partition struct {
	Number int   // from 1, as in sda1; of a logical one from 5
	Start  int64 // bytes from the start of the disk
	Size   int64 // bytes
}

// Table is what a disk says of its partitions.
type Table struct {
	Partitions []Partition // in the table's order: primary ones, then logical ones
	Sector     int64       // bytes of a logical sector, in which the table counts
	Notice     string      // what is wrong with a table that can be used all the same; "" when nothing is
}

// ErrNoTable says that a disk has no partition table: it may hold a file system as a whole.
var ErrNoTable = errors.New("no partition table")

// sectors are the sizes of logical sectors that disks have, in bytes.
var sectors = []int64{512, 4096}

// ReadTable reads the partition table of a disk of size bytes: a GPT, or else an MBR with its logical
// partitions. sector is the size of the disk's logical sectors, in which the table counts; 0 when it
// is not known, as of an image file: then the table's own place, and the file systems that should be
// where it says, have to tell.
//
// A partition that reaches over the end of the disk is an error, as half of it would be missing.
func ReadTable(disk io.ReaderAt, size, sector int64) (Table, error) {
	var t Table
	var err error
	if sector == 0 {
		t, err = guessTable(disk, size)
	} else {
		t, err = readTable(disk, size, sector)
	}
	if err != nil && !errors.Is(err, ErrNoTable) {
		err = fmt.Errorf("read partition table: %w", err)
	}
	return t, err
}

func readTable(disk io.ReaderAt, size, sector int64) (Table, error) {
	d := device{r: disk, sector: sector, count: size / sector}
	boot, err := d.bootRecord(0)
	if errors.Is(err, errNoRecord) {
		return Table{}, d.withoutRecord()
	}
	if err != nil {
		return Table{}, err
	}
	var t Table
	if boot.protective() {
		t, err = d.readGPT()
	} else {
		t, err = d.readMBR(boot)
	}
	if fs, ferr := Identify(disk); err == nil && len(t.Partitions) == 0 && ferr == nil && fs.Type != "" {
		return Table{}, ErrNoTable // a file system behind a loader's boot sector
	}
	t.Sector = sector
	return t, err
}

// withoutRecord tells a disk that has lost the first sector of its GPT from one without a table. As
// the kernel does not use such a GPT (block/partitions/efi.c), nobody else should.
func (d device) withoutRecord() error {
	if b, err := d.read(1); err == nil && isGPT(b) {
		return errors.New("there is a GPT, but sector 0 does not say so")
	}
	return ErrNoTable
}

// guessTable finds out the size of the sectors too. A GPT is in sector 1, its copy in the last one.
// An MBR counts in sectors and does not say how large they are; so it is read both ways, and that
// with more file systems in its partitions is the right one.
func guessTable(disk io.ReaderAt, size int64) (Table, error) {
	var best Table
	var first error
	most := -1
	for i, sector := range sectors {
		t, err := readTable(disk, size, sector)
		if i == 0 {
			first = err
		}
		if err != nil {
			continue
		}
		if known := fileSystems(disk, t); known > most {
			best, most = t, known
		}
	}
	if most < 0 {
		return Table{}, first
	}
	return best, nil
}

// fileSystems counts the partitions that begin with a file system known here.
func fileSystems(disk io.ReaderAt, t Table) int {
	n := 0
	for _, p := range t.Partitions {
		w, err := NewWindow(disk, p.Start, p.Size)
		if err != nil {
			continue
		}
		if fs, err := Identify(w); err == nil && fs.Type != "" {
			n++
		}
	}
	return n
}

// device is a disk in logical sectors.
type device struct {
	r      io.ReaderAt
	sector int64 // bytes
	count  int64 // sectors
}

// read gives one sector.
func (d device) read(n int64) ([]byte, error) {
	if n < 0 || n >= d.count {
		return nil, fmt.Errorf("sector %d: %w", n, ErrBeyond)
	}
	b := make([]byte, d.sector)
	if _, err := d.r.ReadAt(b, n*d.sector); err != nil && err != io.EOF {
		return nil, fmt.Errorf("sector %d: %w", n, err)
	}
	return b, nil
}

// ErrBeyond is wrapped by the error for a table that names what the disk has no room for.
var ErrBeyond = errors.New("outside of the disk")

// partition gives a partition of length sectors from start on.
func (d device) partition(number int, start, length uint64) (Partition, error) {
	if end := start + length; start == 0 || length == 0 || end < start || end > uint64(d.count) {
		return Partition{}, fmt.Errorf("partition %d is %w: %d sectors from %d on, of %d", number, ErrBeyond, length, start, d.count)
	}
	return Partition{Number: number, Start: int64(start) * d.sector, Size: int64(length) * d.sector}, nil
}
