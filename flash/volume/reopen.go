package volume

import (
	"cmp"
	"os"
)

// Reopen looks at the volume again: it may be mounted elsewhere by now, or not at all, or writable.
func (v *Volume) Reopen() (*Volume, error) {
	if v.image != nil {
		return v.image.OnLoop(v.Dir)
	}
	return v.machine.open(v.Name, aFlash)
}

// OnLoop is a volume in an image file, now that dir is where a loop device over it is mounted. It
// keeps its place on the disk, by which GRUB's menu names it.
func (v *Volume) OnLoop(dir string) (*Volume, error) {
	w, err := v.machine.openDir(dir)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(v.Disk)
	if err != nil {
		w.Close()
		return nil, err
	}
	w.image = cmp.Or(v.image, v)
	w.disk, w.open = f, append(w.open, f)
	w.Name, w.Disk, w.Partition, w.Start, w.Sector, w.Notice = v.Name, v.Disk, v.Partition, v.Start, v.Sector, v.Notice
	return w, nil
}
