package grubdefault

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"holdfast/flash"
	"holdfast/flash/blockmap"
	"holdfast/flash/grub"
	"holdfast/flash/volume"
	"holdfast/ops"
	"holdfast/ops/status"
)

// loader is the saved default as it is on the disk now, and the menu that gives it a meaning.
type loader struct {
	place   grub.Place
	text    []byte // the whole file, of Stage2 the sector
	saved   grub.Saved
	menu    grub.Menu
	menuErr error // why there is no menu
}

// maxSaved bounds the file of a saved default, in bytes. GRUB writes files of one sector and of two.
const maxSaved = 64 << 10

// stage2Room is what is written with a saved default of that form at most, in bytes: the first block
// of a disk that has blocks of 4096.
const stage2Room = 4096

// open looks at the volume of GRUB's files again: what was mounted, or unmounted, since the report was
// made decides how it is written. The caller closes it.
func open(g status.Place) (*volume.Volume, error) {
	if g.FS == nil {
		return nil, fail(ops.Invalid, "find GRUB's saved default", errors.New(problem(g)), "")
	}
	old := g.Volume
	if old == nil {
		return nil, fail(ops.Refused, "", errors.New("this is a demonstration: nothing can be written"), "")
	}
	v, err := old.Reopen()
	if err != nil {
		return nil, fail(kindOf(err, ops.Invalid), "look again", err, "")
	}
	if v.Disk != old.Disk || v.Start != old.Start || v.Device != old.Device || v.UUID != old.UUID {
		v.Close()
		if v.Disk == "" { // a disk was pulled, and what it had is mounted still
			return nil, fail(ops.Refused, old.Name, fmt.Errorf("%s is gone", old.Disk), "connect it and start again")
		}
		return nil, fail(ops.Refused, old.Name, errors.New("it is another volume now"), "look again")
	}
	return v, nil
}

// find reads the saved default, and where its bytes are.
func (r Request) find(v *volume.Volume) (l loader, s spot, err error) {
	if l.place, err = grub.Find(v.FS(), v.DiskReader()); err != nil {
		return l, s, fail(ops.Invalid, "", err, "")
	}
	if s, err = newSpot(v, l.place); err != nil {
		return l, s, err
	}
	if l.text, err = read(v.FS(), s); err != nil {
		return l, s, fail(kindOf(err, ops.Invalid), "read the saved default", err, "")
	}
	if l.saved, err = l.place.Form.Decode(l.text); err != nil {
		return l, s, fail(ops.Invalid, "read "+s.file(), err, "")
	}
	l.menu, l.menuErr = r.Report.Target.Menu(l.place, v.FS())
	return l, s, nil
}

func problem(g status.Place) string {
	if g.Problem == "" {
		return "GRUB's files were not found"
	}
	return g.Problem
}

// read reads what is saved, of a file through its file system.
func read(fsys fs.FS, s spot) ([]byte, error) {
	if s.path == "" {
		sector := make([]byte, blockmap.Sector)
		_, err := s.device.ReadAt(sector, s.blocks.Sector*blockmap.Sector)
		return sector, err
	}
	f, err := flash.OpenRegular(fsys, s.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSaved+1))
	if err == nil && len(text) > maxSaved {
		err = fmt.Errorf("%s is larger than %d bytes", s.path, maxSaved)
	}
	return text, err
}

// label names a volume by its disk: "partition 1 of disk.img".
func label(v *volume.Volume) string {
	switch {
	case v.Disk == "":
		return v.Name
	case v.Partition == 0:
		return v.Disk
	}
	return fmt.Sprintf("partition %d of %s", v.Partition, v.Disk)
}
