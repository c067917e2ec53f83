package grubdefault

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"holdfast/flash/blockmap"
	"holdfast/flash/grub"
	"holdfast/flash/store"
	"holdfast/flash/volume"
	"holdfast/ops"
)

// spot is where the bytes of a saved default lie.
type spot struct {
	volume *volume.Volume
	path   string // of the file; "" of Stage2
	blocks blockmap.Place
	device store.Device // holds blocks, and bounds what is written
	way    way
}

// way is how a spot is written.
type way int

const (
	throughFile    way = iota // its file system is mounted for writing
	throughMounted            // the device, below a file system that is mounted read-only
	throughDevice             // the device or image file, which nobody has
)

func (w way) String() string { return [...]string{"file", "device", "device"}[w] }

// newSpot finds the place, and refuses a file that is not one plain extent within its volume.
func newSpot(v *volume.Volume, place grub.Place) (spot, error) {
	s := spot{volume: v, path: place.Path}
	if v.Disk == "" {
		return s, fail(ops.Refused, v.Name, errors.New("which disk this is on is not known: what GRUB reads cannot be compared"), "")
	}
	if place.Form == grub.Stage2 {
		s.blocks = blockmap.Place{Sector: grub.Stage2At, Count: 1}
		s.device = store.Device{Name: v.Disk, Size: stage2Room, Mounted: true}
		return s, nil
	}
	s.device = store.Device{Name: v.Disk, Start: v.Start, Size: v.Size}
	if v.Device != "" {
		s.device = store.Device{Name: v.Device, Size: v.Size}
	}
	m, err := v.Map(s.path)
	if err != nil {
		return s, fail(kindOf(err, ops.Refused), "", err, "")
	}
	if s.blocks, err = m.Plain(); err != nil {
		return s, fail(ops.Refused, s.path, err, "")
	}
	if end := (s.blocks.Sector + s.blocks.Count) * blockmap.Sector; s.blocks.Sector < 0 || end > v.Size {
		return s, fail(ops.Invalid, "map "+s.path, fmt.Errorf("sector %d is outside of the partition", s.blocks.Sector), "")
	}
	s.forget()
	return s, nil
}

// forget makes the kernel read the disk again wherever it shows the spot: by the file, the partition
// and the disk, which have a cache each. Where that cannot be had, the comparisons that follow fail.
func (s spot) forget() {
	for _, name := range []string{s.volume.Device, s.volume.Disk} {
		if name != "" {
			_ = store.DropCache(name)
		}
	}
	if s.volume.Dir != "" && s.path != "" {
		_ = store.DropFile(s.volume.Dir, s.path)
	}
}

// file names what is written.
func (s spot) file() string {
	if s.path == "" {
		return "behind the MBR"
	}
	return s.path
}

var (
	// errDiffers says that GRUB, which reads the device, sees something else than the file.
	errDiffers = errors.New("the device holds other bytes than the file shows")

	// errElsewhere says that GRUB does not find the file where the kernel has it.
	errElsewhere = errors.New("GRUB does not see this file")
)

// prove compares what the file system says with what is on the device.
func (s spot) prove(text []byte) error {
	if s.path == "" {
		return nil // it was read from the device
	}
	if why := s.volume.Unclean(); why != "" {
		return fail(ops.Refused, s.volume.Name, errors.New(why), "mount it for writing once, or run e2fsck -p or fsck.fat -a on it")
	}
	on := make([]byte, len(text))
	if _, err := s.device.ReadAt(on, s.blocks.Sector*blockmap.Sector); err != nil {
		return fail(kindOf(err, ops.Invalid), "compare "+s.path+" with the disk", err, "")
	}
	if !bytes.Equal(on, text) {
		return fail(ops.Refused, s.path, errDiffers, "sync, and try again")
	}
	return s.proveFound()
}

// proveFound compares where a mount has the file with where GRUB will find it. A file that was made
// anew can be in the journal alone, until a sync; and over one that GRUB reads, another can be mounted.
func (s spot) proveFound() error {
	v := s.volume
	if v.Dir == "" {
		return nil // it was found as GRUB finds it
	}
	err := s.found()
	if _, written := v.Mounted(); err != nil && written {
		if err := store.SyncFileSystem(v.Dir); err != nil {
			return fail(kindOf(err, ops.Internal), "", err, "")
		}
		err = s.found()
	}
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, errElsewhere):
		return fail(kindOf(err, ops.Refused), s.path, err, "")
	}
	return fail(ops.Refused, s.path, err, "see that nothing is mounted over it, or unmount all of it and name the device")
}

// found looks the file up on the device. That the device cannot be read says nothing about where GRUB has the file.
func (s spot) found() error {
	m, err := s.volume.MapOn(s.device, s.path)
	switch {
	case errors.Is(err, syscall.EIO):
		return fmt.Errorf("look for it as GRUB does: %w", err)
	case err != nil:
		return fmt.Errorf("%w: %w", errElsewhere, err)
	}
	blocks, err := m.Plain()
	if err != nil {
		return fmt.Errorf("%w: %w", errElsewhere, err)
	}
	if blocks != s.blocks {
		return fmt.Errorf("%w: on the disk it is in sector %d, not in sector %d", errElsewhere, blocks.Sector, s.blocks.Sector)
	}
	return nil
}

// findWay chooses how to write, and refuses what somebody else may be writing to.
func (s spot) findWay() (way, error) {
	v := s.volume
	dir, written := v.Mounted()
	by := v.InUse()
	switch {
	case s.path != "" && v.Dir != "" && !written:
		return throughMounted, nil
	case s.path != "" && v.Dir != "" && !v.ReadOnly:
		return throughFile, nil
	case s.path != "" && v.Dir != "" && dir != v.Dir:
		return 0, fail(ops.Refused, v.Name, errors.New("this is a read-only view of a file system that is mounted for writing"),
			"name the directory where it can be written: "+dir)
	case s.path != "" && dir != "" && v.Dir == "":
		return 0, fail(ops.Refused, v.Name, fmt.Errorf("it is mounted on %s", dir), "name that directory")
	case v.ReadOnly && (v.Dir == "" || s.path != ""):
		return 0, fail(ops.NotWritable, v.Name, fs.ErrPermission, "")
	case by != "":
		return 0, fail(ops.Refused, v.Name, errors.New(by), "name what has it instead, or end that: a loop device, the directory where it is mounted")
	}
	return throughDevice, nil
}

// kindOf is what sort of failure an error of the system is, and otherwise fallback.
func kindOf(err error, fallback ops.Kind) ops.Kind {
	for _, cause := range []error{fs.ErrPermission, syscall.EROFS, syscall.EBUSY} {
		if errors.Is(err, cause) {
			return ops.NotWritable
		}
	}
	if errors.Is(err, syscall.EIO) {
		return ops.NoFlash
	}
	return fallback
}
