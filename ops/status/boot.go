package status

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"holdfast/flash/blockmap"
	"holdfast/flash/grub"
	"holdfast/flash/volume"
)

// Boot is GRUB's saved default with what gives it a meaning.
type Boot struct {
	Place  grub.Place
	Saved  grub.Saved
	Menu   grub.Menu
	NoMenu string         // why Menu is empty
	Blocks blockmap.Place // of the saved default on its partition, or of Stage2 on its disk; zero when not known
	Entry  grub.Entry     // that GRUB takes at the next start; zero when that is not known
	Next   []grub.Entry   // the next boot, then, then
}

// Default is the slot that GRUB takes at the next start, although it may not be able to load it: active,
// backup, factory or maintenance, and "" when that is not known.
func (r *Report) Default() string {
	if r.Boot == nil {
		return ""
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
		r.NoBoot = cmp.Or(g.Problem, "GRUB's files were not found")
		return
	}
	b, err := g.readSaved()
	if err != nil {
		r.NoBoot = err.Error()
		r.problem("boot default: %v", err)
		return
	}
	r.Boot = b
	if b.Blocks, err = g.blocks(b.Place); err != nil {
		r.problem("boot default: %s: %v", b.Place.Path, err)
	}
	b.Menu, err = r.Target.Menu(b.Place, g.FS)
	if err != nil {
		b.NoMenu = err.Error()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && b.Place.Form == grub.Stage2:
		// Formilux: the menu may be within the loader.
	case err != nil:
		r.problem("boot default: %v", err)
	default:
		r.followBoot()
	}
}

// Menu reads the menu that belongs to a saved default, with no slots but those of this flash.
func (t Target) Menu(saved grub.Place, files fs.FS) (grub.Menu, error) {
	m, err := saved.Menu(files)
	if f, g := t.Volume, t.GRUB.Volume; f != nil && g != nil && f.Partition != 0 && f.Disk == g.Disk {
		m = m.OnPartition(f.Partition)
	}
	return m, err
}

// followBoot finds what the saved default means in the menu.
func (r *Report) followBoot() {
	b := r.Boot
	name := grub.Boots(b.Saved)
	_, named := b.Menu.Find(name)
	var known bool
	b.Entry, known = b.Menu.Boots(b.Saved)
	switch {
	case !b.Menu.Saved:
		r.problem("boot default: %s does not heed what is saved", b.Menu.Path)
	case retry(b.Saved):
		r.problem("boot default: %s is saved, a state that GRUB keeps between retries: which entry boots is not known", name)
	case name != "" && !named:
		r.problem("boot default: %s has no entry %q", b.Menu.Path, name)
	case !known:
		r.problem("boot default: which entry of %s boots is not known", b.Menu.Path)
	}
	if known && b.Entry.Elsewhere != "" {
		r.problem("boot default: entry %s, %q: boots %s of partition %d, which is not this flash", b.Entry.Key, b.Entry.Title, b.Entry.Elsewhere, b.Entry.Partition)
	}
	if lacks := r.lacks(b.Entry); known && lacks != "" {
		r.problem("boot default: entry %s, %q: its %s cannot be loaded", b.Entry.Key, b.Entry.Title, lacks)
	}
	b.Next = b.Menu.Chain(b.Saved, r.loads)
}

// retry reports that what is saved is no entry but a state of Formilux's GRUB.
func retry(s grub.Saved) bool {
	sector, ok := s.(grub.Stage2Sector)
	return ok && sector.Retry()
}

// loads reports whether GRUB can load an entry, as far as one can tell.
func (r *Report) loads(e grub.Entry) bool { return r.lacks(e) == "" }

// lacks says which of an entry's files GRUB cannot load, "kernel" or "initrd", and "" for none that is
// known. Nothing is hashed for this, nor does GRUB, which asks for no signature either.
func (r *Report) lacks(e grub.Entry) string {
	if img, ok := r.Image(e.Slot); ok && !img.Staged && img.Broken != "" && img.Broken != Unsigned {
		return "kernel"
	}
	if e.Slot == "" {
		return "" // another system's kernel, or none: GRUB's devices are not known here
	}
	switch r.Absent(e) {
	case "":
		return ""
	case e.Kernel:
		return "kernel"
	}
	return "initrd"
}

// Absent is the first file that an entry names and GRUB is known not to find, as the entry has it; ""
// when there is none. A slot's files are those of its image: a menu may be older than its images. The
// maintenance kernel and its initrd are on the partition of GRUB or on the flash.
func (r *Report) Absent(e grub.Entry) string {
	img, inSlot := r.Image(e.Slot)
	inSlot = inSlot && !img.Staged
	for _, file := range append([]string{e.Kernel}, e.Initrds...) {
		t, name := r.Target, e.InSlot(file)
		switch {
		case file == "" || inSlot && name == "":
		case inSlot && absent(t.FS, path.Join(img.Dir, name)):
			return file
		case !inSlot && lacks(t.GRUB.FS, t.GRUB.Volume, file) && lacks(t.FS, t.Volume, file):
			return file
		}
	}
	return ""
}

// lacks reports that GRUB is known to find no such file on a volume, which is nil when it is made up.
// What is not found below a directory that is not all of a file system may be there all the same.
func lacks(fsys fs.FS, v *volume.Volume, file string) bool {
	info, err := fs.Stat(fsys, inRoot(file))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return v == nil || v.Whole()
	case errors.Is(err, fs.ErrPermission):
		return false
	}
	return err != nil || !info.Mode().IsRegular() || info.Size() == 0
}

func inRoot(file string) string { return strings.TrimPrefix(path.Clean("/"+file), "/") }

// absent reports that a file is known not to be there.
func absent(fsys fs.FS, name string) bool {
	_, err := fs.Stat(fsys, name)
	return errors.Is(err, fs.ErrNotExist)
}

// readSaved finds and reads the saved default.
func (p Place) readSaved() (*Boot, error) {
	var disk io.ReaderAt
	if p.Volume != nil {
		disk = p.Volume.DiskReader()
	}
	place, err := grub.Find(p.FS, disk)
	if err != nil {
		return nil, err
	}
	saved, err := place.Read(p.FS, disk)
	if err != nil {
		return nil, err
	}
	return &Boot{Place: place, Saved: saved}, nil
}

// blocks says where a saved default lies, zero where there is no disk below the files.
func (p Place) blocks(place grub.Place) (blockmap.Place, error) {
	switch {
	case place.Form == grub.Stage2:
		return blockmap.Place{Sector: grub.Stage2At, Count: 1}, nil
	case p.Volume == nil || p.Volume.Disk == "":
		return blockmap.Place{}, nil
	}
	m, err := p.Volume.Map(place.Path)
	if err != nil {
		return blockmap.Place{}, err
	}
	return m.Plain()
}
