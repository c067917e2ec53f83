package volume

import (
	"fmt"
	"os"

	"holdfast/flash/disk"
)

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
