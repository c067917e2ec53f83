package volume

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"holdfast/flash/disk"
)

// Open opens what T of the command line names: a directory, a block device, an image file, or one of
// its partitions as FILE:N. A file whose name ends so goes before a partition.
//
// A disk or an image file with a partition table holds several volumes: the one with a flash on it is
// taken. Several of those, or none, are an *Ambiguous error.
func Open(t string) (*Volume, error) { return thisMachine().open(t, aFlash) }

// OpenGRUB is Open for the volume with GRUB's files: of several it takes the one that has them.
func OpenGRUB(t string) (*Volume, error) { return thisMachine().open(t, grubFiles) }

func (m machine) open(t string, want content) (*Volume, error) {
	v, err := m.openAny(t, want)
	if a := (*Ambiguous)(nil); err != nil && !errors.As(err, &a) {
		return nil, fmt.Errorf("%s: %w", t, cause(err))
	}
	return v, err
}

func (m machine) openAny(t string, want content) (*Volume, error) {
	info, err := os.Stat(t)
	if errors.Is(err, fs.ErrNotExist) {
		if file, n, ok := cutPartition(t); ok {
			return m.openNumbered(file, n)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return m.openDir(t)
	case info.Mode()&fs.ModeDevice != 0 && info.Mode()&fs.ModeCharDevice == 0:
		return m.openNode(t, want)
	case info.Mode().IsRegular():
		return m.openImage(t, want)
	}
	return nil, errors.New("neither a directory nor a disk nor an image file")
}

// cutPartition takes "disk.img:2" apart.
func cutPartition(t string) (file string, n int, ok bool) {
	i := strings.LastIndexByte(t, ':')
	if i <= 0 {
		return "", 0, false
	}
	n, err := strconv.Atoi(t[i+1:])
	return t[:i], n, err == nil && n > 0
}

// openDir opens a directory, of the file system that is mounted there or above it.
func (m machine) openDir(dir string) (*Volume, error) {
	path, err := filepath.Abs(dir)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return nil, err
	}
	v := &Volume{Name: dir, Dir: path, ReadOnly: !writable(path), machine: m, fsys: Directory(path), part: true}
	number, err := deviceNumber(path)
	if err != nil {
		return nil, err
	}
	mounts, err := readMounts(m.mounts)
	if err != nil {
		return v, nil // a system without /proc: the directory can be read all the same
	}
	at, ok := mountOf(mounts, path, number)
	if !ok {
		return v, nil
	}
	v.mounts = mountsOf(mounts, number)
	v.ReadOnly = v.ReadOnly || at.ro || at.superRO
	v.part = at.root != "/" || at.dir != path
	v.Type = at.fstype
	if b, err := m.byNumber(number); err == nil {
		_ = v.on(b) // what cannot be read of the device can be of the mount
	}
	return v, nil
}

// openNode opens a block device by any path of it.
func (m machine) openNode(path string, want content) (*Volume, error) {
	number, err := deviceNumber(path)
	if err != nil {
		return nil, err
	}
	b, err := m.byNumber(number)
	if err != nil {
		return nil, fmt.Errorf("the kernel knows no such disk: %w", cause(err))
	}
	return m.openDisk(path, b, want)
}

// openDisk opens a volume, or one of those on a disk that the kernel shows as partitions. A loop
// device need not have its partitions shown.
func (m machine) openDisk(path string, b block, want content) (*Volume, error) {
	parts, err := m.partitions(b.name)
	if err != nil {
		return nil, err
	}
	if len(parts) > 0 {
		var names []string
		for _, p := range parts {
			names = append(names, m.node(p.name))
		}
		return m.choose(path, names, want, func(n int) (*Volume, error) { return m.openBlock(parts[n]) })
	}
	if b.partition == 0 {
		if i, err := readImage(path, b.sector); err == nil && len(i.table.Partitions) > 0 {
			return m.choose(path, i.names(), want, func(n int) (*Volume, error) { return m.openPart(i, n) })
		}
	}
	v, err := m.openBlock(b)
	if err == nil {
		v.Name = path
	}
	return v, err
}

// openBlock opens the volume that a block device is: through its mount where all of it can be seen,
// else by its blocks.
func (m machine) openBlock(b block) (*Volume, error) {
	mounts, _ := readMounts(m.mounts)
	v := &Volume{Name: m.node(b.name), machine: m, mounts: mountsOf(mounts, b.number)}
	err := v.on(b)
	for _, at := range v.mounts {
		if number, err := deviceNumber(at.dir); err != nil || number != b.number || at.root != "/" {
			continue // hidden by another mount, or but a part
		}
		if dir, _ := v.Mounted(); v.Dir == "" || at.dir == dir {
			v.Dir, v.fsys = at.dir, Directory(at.dir)
			v.ReadOnly = at.ro || at.superRO || !writable(at.dir)
		}
	}
	if v.Dir != "" {
		if v.Type == "" {
			v.Type = v.mounts[0].fstype
		}
		return v, nil
	}
	if err != nil {
		v.Close()
		return nil, err
	}
	v.fsys = v.blocks
	v.ReadOnly = b.readOnly || !writable(v.Device)
	return v, nil
}

// on fills in what is known of the volume by its block device, and opens that and its disk. The
// error is for a volume that is not mounted: its blocks cannot be read.
func (v *Volume) on(b block) error {
	m := v.machine
	v.Disk, v.Device, v.Partition = m.node(b.disk), m.node(b.name), b.partition
	v.Start, v.Size, v.Sector = b.start, b.size, b.sector
	if f, err := os.Open(v.Disk); err == nil {
		v.disk, v.open = f, append(v.open, f)
	}
	f, err := os.Open(v.Device)
	if err != nil {
		return err
	}
	v.open = append(v.open, f)
	w, err := disk.NewWindow(f, 0, b.size)
	if err != nil {
		return err
	}
	found, blocks, err := readBlocks(w, b.size)
	if found.Type != "" {
		v.FileSystem = found
	}
	if err == nil {
		v.blocks = blocks
	}
	return err
}

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
	return nil, fmt.Errorf("no such partition; there is %s", strings.Join(i.names(), ", "))
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

// choose opens the only one of several volumes that has what is wanted.
func (m machine) choose(target string, names []string, want content, open func(int) (*Volume, error)) (*Volume, error) {
	var list []Seen
	var have []*Volume
	for n, name := range names {
		s := Seen{Name: name}
		v, err := open(n)
		if err == nil {
			s = v.seen()
		} else if !errors.Is(err, errUnknown) {
			s.Err = cause(err)
		}
		list = append(list, s)
		if s.has(want) {
			have = append(have, v)
		} else if v != nil {
			v.Close()
		}
	}
	if len(have) == 1 {
		return have[0], nil
	}
	for _, v := range have {
		v.Close()
	}
	return nil, none(target, list, want)
}

// cause is an error without the path, for a sentence that names the device already.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
