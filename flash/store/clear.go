package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"holdfast/flash"
)

// Clear deletes what operations leave: incoming, hold and trash. Whoever moved it there has waited for the
// device already, so that GRUB finds nothing of it under another name. Clear waits for the device too: on ext2
// the next new file could get an inode that an old name still leads to after a cut.
//
// On vfat an empty incoming stays, for the next image. An error for which Damaged holds says that the
// file system needs a check; whatever else could be deleted is deleted.
func (t *Tree) Clear() error {
	left, err := t.left()
	if err != nil || len(left) == 0 {
		return err
	}
	return t.purge(left)
}

// purge deletes directories beside the slots, durably.
//
// vfat frees a file's clusters in the table at once with its name. A cut between these two leaves a name
// whose clusters are free: Linux cannot look at such a directory any more (fat_calc_dir_size in
// fs/fat/inode.c), or two files share them. But clusters are freed only when nobody has the file open.
func (t *Tree) purge(names []string) error {
	var failed []error
	var open files
	for _, name := range names {
		if t.vfat() {
			open.below(t, name)
		}
		failed = append(failed, t.delete(name))
	}
	if t.vfat() {
		failed = append(failed, t.barrier(Unlinked))
		open.close()
	}
	return errors.Join(append(failed, t.barrier(AfterDelete))...)
}

func (t *Tree) vfat() bool { return t.options.Type == "vfat" }

// files are open so that their blocks are not freed yet.
type files []*os.File

func (o *files) add(t *Tree, path string) {
	if f, err := openIn(t.root, path, os.O_RDONLY); err == nil {
		*o = append(*o, f)
	}
}

func (o *files) below(t *Tree, name string) {
	_ = fs.WalkDir(t.root.FS(), t.path(name), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return nil // it can be kept from nothing
		}
		if f, err := t.root.Open(path); err == nil {
			*o = append(*o, f)
		}
		return nil
	})
}

func (o files) close() {
	for _, f := range o {
		f.Close()
	}
}

// delete deletes a directory beside the slots. The kernel goes first: an image that is deleted in part
// must not look whole. A link is deleted, and not what it leads to.
func (t *Tree) delete(name string) error {
	info, err := t.root.Lstat(t.path(name))
	if err == nil && info.IsDir() {
		if err := t.deleteFiles(name); err != nil {
			return err
		}
	}
	if err := t.change(); err != nil {
		return err
	}
	if t.vfat() && err == nil && info.IsDir() {
		return t.reuse(name)
	}
	return t.removeAll(t.path(name))
}

func (t *Tree) deleteFiles(name string) error {
	entries, err := fs.ReadDir(t.root.FS(), t.path(name))
	if err != nil {
		return fmt.Errorf("delete %s: %w", t.path(name), cause(err))
	}
	victims := []string{"kernel.img"}
	for _, e := range entries {
		victims = append(victims, e.Name())
	}
	for i, victim := range victims {
		if i < 2 { // behind the kernel, one is as good as the other
			if err := t.change(); err != nil {
				return err
			}
		}
		if err := t.removeAll(t.path(name, victim)); err != nil {
			return err
		}
	}
	return nil
}

// removeAll deletes a file, or a directory with all that is in it. The kernel lists a directory whose block never
// reached the disk as if it were empty, and does not delete it.
func (t *Tree) removeAll(name string) error {
	err := cause(t.root.RemoveAll(name))
	if errors.Is(err, syscall.ENOTEMPTY) {
		err = fmt.Errorf("it has more in it than can be listed: %w", syscall.EUCLEAN)
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}

// reuse makes an empty directory the incoming one, if there is none. On vfat a new directory may reach
// the disk before the table knows of its cluster, and then only fsck.fat can delete it: so there is one
// new directory in the life of a flash.
func (t *Tree) reuse(name string) error {
	if name == flash.Incoming {
		return nil
	}
	if there, err := t.exists(flash.Incoming); there || err != nil {
		return errors.Join(err, t.removeAll(t.path(name)))
	}
	if err := t.root.Rename(t.path(name), t.path(flash.Incoming)); err != nil {
		return fmt.Errorf("rename %s to %s: %w", t.path(name), flash.Incoming, cause(err))
	}
	return nil
}

// left names what operations have left.
func (t *Tree) left() (names []string, err error) {
	for _, name := range flash.Working {
		there, err := t.exists(name)
		if err != nil {
			return nil, err
		}
		if there && t.vfat() && name == flash.Incoming {
			entries, err := fs.ReadDir(t.root.FS(), t.path(name))
			there = err != nil || len(entries) > 0
		}
		if there {
			names = append(names, name)
		}
	}
	return names, nil
}
