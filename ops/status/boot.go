package status

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"holdfast/flash"
	"holdfast/flash/blockmap"
	"holdfast/flash/grub"
)

// Boot is GRUB's saved default with what gives it a meaning.
type Boot struct {
	Place  grub.Place
	Saved  grub.Saved
	Menu   grub.Menu
	Blocks blockmap.Place // of the saved default on its partition, or of Stage2 on its disk; zero when not known
	Entry  grub.Entry     // that GRUB takes at the next start; its Key is "" when the menu has no such entry
	Next   []grub.Entry   // the next boot, then, then
}

// stage2 is where the disk holds that form of the saved default.
var stage2 = blockmap.Place{Sector: 2, Count: 1}

// maxSaved bounds what is read of a saved default, in bytes: grubenv, the largest, has 1024.
const maxSaved = 64 << 10

// Default is the slot that boots next: active, backup, factory or maintenance, and "" when that is
// not known.
func (r *Report) Default() string {
	if r.Boot == nil {
		return r.Target.Default
	}
	return r.Boot.Entry.Slot
}

// readBoot fills Boot. What cannot be read of it is a problem in words: the images can be looked at,
// and booted, all the same.
func (r *Report) readBoot() {
	g := r.Target.GRUB
	if g.Problem != "" {
		r.problem("boot default: %s", g.Problem)
	}
	if g.FS == nil {
		return
	}
	b, err := g.readSaved()
	if err != nil {
		r.problem("boot default: %v", err)
		return
	}
	r.Boot = b
	if b.Blocks, err = g.blocks(b.Place); err != nil {
		r.problem("boot default: %s: %v", b.Place.Path, err)
	}
	b.Menu, err = grub.ReadMenu(g.FS)
	switch {
	case errors.Is(err, fs.ErrNotExist) && b.Place.Form == grub.Stage2:
		return // Formilux: the menu may be within the loader
	case err != nil:
		r.problem("boot default: %v", err)
		return
	}
	r.followBoot()
}

// followBoot finds what the saved default means in the menu.
func (r *Report) followBoot() {
	b := r.Boot
	name := grub.Boots(b.Saved)
	if !b.Menu.Saved {
		r.problem("boot default: %s does not heed what is saved", b.Menu.Path)
		name = b.Menu.Default
	} else if name == "" {
		name = b.Menu.Default
	}
	b.Next = b.Menu.Chain(b.Saved, r.loads)
	var ok bool
	if b.Entry, ok = b.Menu.Find(name); !ok {
		r.problem("boot default: %s has no entry %q", b.Menu.Path, name)
	} else if !r.loads(b.Entry) {
		r.problem("boot default: entry %s, %s: its kernel cannot be loaded", b.Entry.Key, b.Entry.Title)
	}
}

// loads reports whether GRUB can load an entry, as far as one can tell: a slot by its image, another
// kernel by its file on the partition of GRUB. Nothing is hashed for this, nor does GRUB.
func (r *Report) loads(e grub.Entry) bool {
	if img, ok := r.Image(e.Slot); ok && !img.Staged {
		return img.Broken == ""
	}
	if e.Slot != "maintenance" {
		return true // another system's kernel, or none: GRUB's devices are not known here
	}
	info, err := fs.Stat(r.Target.GRUB.FS, strings.TrimPrefix(path.Clean(e.Kernel), "/"))
	return err == nil && info.Mode().IsRegular() && info.Size() > 0
}

// readSaved finds, reads and decodes the saved default.
func (p Place) readSaved() (*Boot, error) {
	var disk io.ReaderAt
	if p.Volume != nil {
		disk = p.Volume.DiskReader()
	}
	place, err := grub.Find(p.FS, disk)
	if err != nil {
		return nil, err
	}
	data, err := p.read(place, disk)
	if err != nil {
		return nil, fmt.Errorf("read %v: %w", place.Form, err)
	}
	saved, err := place.Form.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place.Path, err)
	}
	return &Boot{Place: place, Saved: saved}, nil
}

// read gives the bytes of a saved default.
func (p Place) read(place grub.Place, disk io.ReaderAt) ([]byte, error) {
	if place.Form == grub.Stage2 {
		b := make([]byte, blockmap.Sector)
		_, err := disk.ReadAt(b, stage2.Sector*blockmap.Sector)
		return b, err
	}
	f, err := flash.OpenRegular(p.FS, place.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSaved))
}

// blocks says where a saved default lies, zero where there is no disk below the files.
func (p Place) blocks(place grub.Place) (blockmap.Place, error) {
	switch {
	case place.Form == grub.Stage2:
		return stage2, nil
	case p.Volume == nil:
		return blockmap.Place{}, nil
	}
	m, err := p.Volume.Map(place.Path)
	if err != nil {
		return blockmap.Place{}, err
	}
	return m.Plain()
}
