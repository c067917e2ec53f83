package volume

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"holdfast/flash/disk"
)

// image is an image file of a disk, or a disk whose partitions the kernel does not show.
type image struct {
	name  string
	size  int64
	table disk.Table
}

// readImage reads the partition table; without one the table is empty.
func readImage(name string, sector int64) (image, error) {
	f, err := os.Open(name)
	if err != nil {
		return image{}, err
	}
	defer f.Close()
	i := image{name: name}
	if i.size, err = f.Seek(0, io.SeekEnd); err != nil {
		return image{}, err
	}
	i.table, err = disk.ReadTable(f, i.size, sector)
	if err != nil && !errors.Is(err, disk.ErrNoTable) {
		return image{}, err
	}
	return i, nil
}

func (i image) names() []string {
	var names []string
	for _, p := range i.table.Partitions {
		names = append(names, fmt.Sprintf("%s:%d", i.name, p.Number))
	}
	return names
}

func (m machine) openImage(name string, want content) (*Volume, error) {
	i, err := readImage(name, 0)
	if err != nil {
		return nil, err
	}
	if len(i.table.Partitions) == 0 {
		return m.openWindow(name, i, disk.Partition{Size: i.size})
	}
	return m.choose(name, i.names(), want, func(n int) (*Volume, error) { return m.openPart(i, n) })
}

// openNumbered opens FILE:N.
func (m machine) openNumbered(file string, n int) (*Volume, error) {
	i, err := readImage(file, m.sectorOf(file))
	if err != nil {
		return nil, err
	}
	for at, p := range i.table.Partitions {
		if p.Number == n {
			return m.openPart(i, at)
		}
	}
	if len(i.table.Partitions) == 0 {
		return nil, disk.ErrNoTable
	}
	return nil, &Ambiguous{Target: fmt.Sprintf("%s:%d", file, n), Reason: "no such partition; there is " + strings.Join(i.names(), ", ")}
}

// sectorOf is the size of a disk's logical sectors, 0 for an image file.
func (m machine) sectorOf(file string) int64 {
	if info, err := os.Stat(file); err != nil || info.Mode()&fs.ModeDevice == 0 {
		return 0
	}
	number, err := deviceNumber(file)
	if err != nil {
		return 0
	}
	b, _ := m.byNumber(number)
	return b.sector
}

func (m machine) openPart(i image, at int) (*Volume, error) {
	return m.openWindow(i.names()[at], i, i.table.Partitions[at])
}

// openWindow opens the file system in a part of an image.
func (m machine) openWindow(name string, i image, p disk.Partition) (*Volume, error) {
	f, err := os.Open(i.name)
	if err != nil {
		return nil, err
	}
	v := &Volume{
		Name: name, Disk: i.name, Partition: p.Number, Start: p.Start, Size: p.Size, Sector: i.table.Sector,
		ReadOnly: !writable(i.name), Notice: i.table.Notice, machine: m, disk: f, open: []io.Closer{f},
	}
	w, err := disk.NewWindow(f, p.Start, p.Size)
	if err == nil {
		v.FileSystem, v.blocks, err = readBlocks(w, p.Size)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	v.fsys = v.blocks
	return v, nil
}
