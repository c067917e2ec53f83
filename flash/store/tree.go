package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"holdfast/flash"
)

// Freezer makes a file system put everything in its final place: FIFREEZE and at once FITHAW, with
// somebody else who thaws should this process die in between.
type Freezer interface{ Freeze() error }

// Options says what is below a Tree.
type Options struct {
	Type   string  // "ext2", "ext3", "ext4", "vfat", by what is mounted; "" for any other
	Freeze Freezer // nil where freezing is not allowed: see access.Access
	Omit   Point   // for the crash lab: this one write barrier is left out
	Rename bool    // for the crash lab: never exchange, always rename
}

// Tree is a flash that is mounted for writing. Whoever has one holds the flash's lock.
type Tree struct {
	options  Options
	root     *os.Root
	layout   flash.Layout
	images   *os.File     // the directory of the slots
	exchange bool         // no exchange was refused yet
	staging  *Incoming    // what was staged last; nil for nothing
	taken    string       // staged version that Arrange takes; "" for none
	step     func() error // for tests: asked before every change of a name, and fails in its place; may be nil
}

// Open opens the flash mounted on dir. No link on the flash leads out of it. Where there is no flash, the
// error wraps flash.ErrNoFlash.
func Open(dir string, o Options) (*Tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	t := &Tree{options: o, root: root, exchange: !o.Rename}
	if t.layout, err = flash.Detect(root.FS()); err == nil {
		t.images, err = root.Open(t.layout.Images())
	}
	if err == nil {
		if err = t.checkSlots(); err != nil {
			t.images.Close()
		}
	}
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("open the flash on %s: %w", dir, err)
	}
	return t, nil
}

// ErrLink says that a slot is a link. What it leads to is then an image under two names: to delete it as
// the one would empty the other, and no rule would notice.
var ErrLink = errors.New("is a link, where an image should be: nothing is changed here")

func (t *Tree) checkSlots() error {
	for _, slot := range flash.Slots {
		if info, err := t.root.Lstat(t.path(slot)); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return fmt.Errorf("%s %w", t.path(slot), ErrLink)
		}
	}
	return nil
}

// Close closes what is open. It undoes nothing and syncs nothing.
func (t *Tree) Close() error { return errors.Join(t.images.Close(), t.root.Close()) }

// path is the path of an image's directory, or of a file in it, from the root of the flash.
func (t *Tree) path(elements ...string) string {
	return path.Join(t.layout.Images(), path.Join(elements...))
}

// read looks at the flash as it is now.
func (t *Tree) read() (*flash.Flash, error) { return flash.Read(t.root.FS()) }

// exists reports whether there is anything of that name beside the slots: an empty directory too, and
// one that a damaged file system does not let us look at.
func (t *Tree) exists(name string) (bool, error) {
	_, err := t.root.Lstat(t.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if Damaged(err) {
		return true, nil
	}
	return err == nil, err
}

// change is asked before every change of a name.
func (t *Tree) change() error {
	if t.step == nil {
		return nil
	}
	return t.step()
}

// rename gives a directory beside the slots another name, which is free or an empty directory.
func (t *Tree) rename(from, to string) error {
	if err := t.change(); err != nil {
		return err
	}
	if err := t.root.Rename(t.path(from), t.path(to)); err != nil {
		return fmt.Errorf("rename %s to %s: %w", t.path(from), to, cause(err))
	}
	return nil
}

// Remove takes an image out of sight, durably; Clear deletes it. name is a slot, but not factory, or a
// staged version.
func (t *Tree) Remove(name string) error {
	if strings.EqualFold(name, flash.Factory) || !isElement(name) {
		return fmt.Errorf("remove %s: not an image that may go", name)
	}
	if err := t.Clear(); err != nil {
		return err
	}
	if err := t.rename(name, flash.Trash); err != nil {
		return err
	}
	return t.barrier(AfterRemove)
}

// isElement reports whether a name is that of something beside the slots, not a path to elsewhere.
func isElement(name string) bool { return fs.ValidPath(name) && name != "." && path.Base(name) == name }

// cause strips the operation and the path of what the os package says: our errors name both.
func cause(err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}
