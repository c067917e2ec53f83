package initramfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"

	"holdfast/initramfs/newc"
)

// Skipped is a record that Extract did not make a file of.
type Skipped struct {
	Path   string // in the archive
	Reason string
}

// Extract unpacks the initramfs r into dir, which is made if it is not there, for looking at it: no root
// is needed, owners and times are not restored, device nodes, pipes and sockets are skipped. A later
// layer's file replaces an earlier one's. Nothing outside of dir is touched whatever the archive says:
// a record whose path leads out of dir, by a symbolic link made before, is skipped. An error ends it:
// the archive is damaged or dir cannot be written.
func Extract(r io.Reader, dir string) ([]Skipped, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("extract initramfs: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("extract initramfs: %w", err)
	}
	defer root.Close()
	archive := NewReader(r)
	defer archive.Close()
	x := extractor{root: root, archive: archive}
	if err := x.all(); err != nil {
		return x.skipped, err
	}
	return x.skipped, x.setDirModes()
}

type extractor struct {
	root    *os.Root
	archive *Reader
	skipped []Skipped
	links   map[linkKey]string // where the first name of a hard-linked file is
	layer   int
	dirs    map[string]fs.FileMode // modes to be set when nothing is written into them any more
}

// linkKey is what the names of one file have in common. It holds within one archive only.
type linkKey struct{ inode, major, minor uint32 }

func (x *extractor) all() error {
	x.dirs = map[string]fs.FileMode{}
	for {
		f, err := x.archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if x.links == nil || f.Layer != x.layer {
			x.links, x.layer = map[linkKey]string{}, f.Layer
		}
		if err := x.one(f); err != nil {
			if x.archive.err != nil {
				return x.archive.err
			}
			if isFatal(err) {
				return fmt.Errorf("extract initramfs: %w", err)
			}
			x.skipped = append(x.skipped, Skipped{f.Path, reason(err)})
		}
	}
}

func (x *extractor) one(f File) error {
	switch f.Type() {
	case newc.TypeDir:
		return x.directory(f)
	case newc.TypeSymlink:
		if err := x.clear(f.Path); err != nil {
			return err
		}
		return x.root.Symlink(f.Target, f.Path)
	case newc.TypeRegular:
		return x.regular(f)
	case newc.TypeChar, newc.TypeBlock:
		return errors.New("device nodes are not made")
	}
	return errors.New("neither file, directory nor symbolic link")
}

func (x *extractor) directory(f File) error {
	info, err := x.root.Lstat(f.Path)
	if err == nil && !info.IsDir() {
		err = x.root.Remove(f.Path)
		if err == nil {
			err = fs.ErrNotExist
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = x.makeDir(f.Path)
	}
	if err == nil {
		x.dirs[f.Path] = f.FileMode()
	}
	return err
}

// makeDir makes a directory that can be written into for now.
func (x *extractor) makeDir(name string) error { return x.root.MkdirAll(name, 0o755) }

func (x *extractor) regular(f File) error {
	key := linkKey{f.Ino, f.DevMajor, f.DevMinor}
	if first, ok := x.links[key]; ok && f.NLink > 1 && first != f.Path {
		return x.hardLink(f, first)
	}
	if err := x.clear(f.Path); err != nil {
		return err
	}
	out, err := x.root.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if f.NLink > 1 {
		x.links[key] = f.Path
	}
	return x.fill(out, f)
}

// hardLink makes another name of a file. The content comes with any one of the names.
func (x *extractor) hardLink(f File, first string) error {
	if err := x.clear(f.Path); err != nil {
		return err
	}
	if err := x.root.Link(first, f.Path); err != nil {
		return err
	}
	if f.Size == 0 {
		return nil
	}
	if err := x.root.Chmod(f.Path, 0o600); err != nil {
		return err
	}
	out, err := x.root.OpenFile(f.Path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	return x.fill(out, f)
}

func (x *extractor) fill(out *os.File, f File) error {
	_, err := io.Copy(out, x.archive)
	if err == nil {
		err = out.Chmod(f.FileMode())
	}
	return errors.Join(err, out.Close())
}

// clear makes name free for a new file, and its directory there.
func (x *extractor) clear(name string) error {
	if dir := path.Dir(name); dir != "." {
		if err := x.makeDir(dir); err != nil {
			return err
		}
	}
	if err := x.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// setDirModes sets the modes of directories, innermost first: one may lock us out.
func (x *extractor) setDirModes() error {
	paths := make([]string, 0, len(x.dirs))
	for p := range x.dirs {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	for _, p := range slices.Backward(paths) {
		info, err := x.root.Lstat(p)
		if err != nil || !info.IsDir() || p == "." {
			continue // replaced by something else since; and dir itself is the caller's
		}
		if err := x.root.Chmod(p, x.dirs[p]); err != nil {
			return fmt.Errorf("extract initramfs: %w", err)
		}
	}
	return nil
}

// isFatal tells errors that every further file would meet, too.
func isFatal(err error) bool {
	for _, fatal := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
		if errors.Is(err, fatal) {
			return true
		}
	}
	return false
}

// reason is an error without the repeated path and system call.
func reason(err error) string {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err.Error()
	}
	var linkError *os.LinkError
	if errors.As(err, &linkError) {
		return linkError.Err.Error()
	}
	return err.Error()
}
