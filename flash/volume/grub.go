package volume

import (
	"fmt"
	"path/filepath"
	"strings"
)

// GRUB finds where GRUB's files are for the flash: on itself, else on its disk, else on the only other
// volume that has them. The error says why there is no single one. What it gives may be flash itself.
//
// Only a whole volume of a machine's disk is taken for what the machine boots from. The files for an
// image, for a loop device's disk or for a directory of another file system are nowhere else: what
// GRUB has on the machine that somebody looks at them with must be left alone.
func GRUB(flash *Volume) (*Volume, error) { return flash.machine.grub(flash) }

func (m machine) grub(flash *Volume) (*Volume, error) {
	switch {
	case holdsGRUB(flash.fsys):
		return flash, nil
	case flash.Disk == "" || flash.part:
		return nil, &Ambiguous{Target: "GRUB's files", Reason: "neither boot/grub nor grub is in " + flash.Name}
	case flash.Device == "":
		return m.grubInImage(flash)
	}
	return m.grubOnDisks(flash)
}

func (m machine) grubInImage(flash *Volume) (*Volume, error) {
	i, err := readImage(flash.Disk, m.sectorOf(flash.Disk))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flash.Disk, cause(err))
	}
	if len(i.table.Partitions) == 0 {
		return nil, none("GRUB's files", []Seen{flash.seen()}, grubFiles)
	}
	return m.choose("GRUB's files", i.names(), grubFiles, func(n int) (*Volume, error) { return m.openPart(i, n) })
}

func (m machine) grubOnDisks(flash *Volume) (*Volume, error) {
	f := Finder{machine: m, also: m.name(flash.Disk)}
	list, err := f.once()
	if err != nil {
		return nil, err
	}
	own := Seen{Disk: f.also}
	if isNoDisk(f.also) {
		var same []Seen
		for _, s := range list {
			if s.Disk == own.Disk {
				same = append(same, s)
			}
		}
		list = same
	}
	boot, problem := chooseBoot(list, own)
	if problem != nil {
		return nil, problem
	}
	return m.openName(boot.Name)
}

// name is the kernel's name of a device by its path.
func (m machine) name(node string) string {
	rel, err := filepath.Rel(m.dev, node)
	if err != nil {
		return filepath.Base(node)
	}
	return strings.ReplaceAll(rel, "/", "!")
}
