package initramfs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"holdfast/initramfs/elfdeps"
	"holdfast/initramfs/newc"
)

// builder gathers the entries of a plan by path.
type builder struct {
	entries  map[string]Entry
	notes    []string
	resolver *elfdeps.Resolver
}

// put adds an entry. Two may meet at a path only where nothing is lost by it: directories, the same
// file twice, a library that was also added, an added file in the place of a link to busybox.
func (b *builder) put(e Entry) error {
	old, exists := b.entries[e.Path]
	switch {
	case !exists:
	case isDir(old) && isDir(e):
		return nil // the first one's mode: the layout's /tmp stays as it is
	case old.Source != "" && old.Source == e.Source && old.Mode == e.Mode:
		return nil
	case e.Origin == FromLibrary && (old.Origin == FromLibrary || old.Origin == FromAdd) && !isDir(old):
		return nil
	case old.Origin == FromLibrary && e.Origin == FromAdd && !isDir(e):
	case old.Origin == FromBusybox && old.Target != "" && e.Origin == FromAdd:
	default:
		return fmt.Errorf("/%s is in the archive already: %s", e.Path, describe(old))
	}
	b.entries[e.Path] = e
	return nil
}

func isDir(e Entry) bool { return e.Mode&newc.TypeMask == newc.TypeDir }

func describe(e Entry) string {
	switch {
	case e.Source != "":
		return fmt.Sprintf("%s (%v)", e.Source, e.Origin)
	case e.Target != "":
		return fmt.Sprintf("a link to %s (%v)", e.Target, e.Origin)
	case isDir(e):
		return fmt.Sprintf("a directory (%v)", e.Origin)
	}
	return fmt.Sprintf("made here (%v)", e.Origin)
}

// add puts a file or a whole directory in.
func (b *builder) add(a Add) error {
	dest, err := archivePath(a.Dest)
	if err != nil {
		return err
	}
	source, err := filepath.EvalSymlinks(a.Source)
	if err != nil {
		return err
	}
	return filepath.WalkDir(source, func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(source, file)
		if err != nil {
			return err
		}
		return b.addOne(file, path.Join(dest, filepath.ToSlash(below)))
	})
}

func (b *builder) addOne(file, dest string) error {
	info, err := os.Lstat(file)
	if err != nil {
		return err
	}
	perm := unixPerm(info.Mode())
	switch {
	case dest == "" || dest == ".":
		if !info.IsDir() {
			return errors.New("only a directory can be spread over the root")
		}
		return nil
	case info.IsDir():
		return b.put(dirEntry(dest, perm, FromAdd))
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(file)
		if err != nil {
			return err
		}
		e := linkEntry(dest, target, FromAdd)
		e.Source = file
		return b.put(e)
	case info.Mode().IsRegular():
		e, err := fileEntry(file, dest, perm, FromAdd)
		if err != nil {
			return err
		}
		e.file = identify(info)
		if err := b.put(e); err != nil {
			return err
		}
		return b.putLibraries(file, dest)
	}
	return fmt.Errorf("%s: neither a file nor a directory nor a symbolic link", file)
}

// unixPerm is the permission bits of a mode as in stat(2).
func unixPerm(m fs.FileMode) uint32 {
	perm := uint32(m.Perm())
	for _, bit := range []struct {
		flag fs.FileMode
		unix uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if m&bit.flag != 0 {
			perm |= bit.unix
		}
	}
	return perm
}

// putLibraries puts in what the file at source needs to run at dest, if it is an ELF program.
func (b *builder) putLibraries(source, dest string) error {
	libraries, err := b.resolver.Resolve(source, "/"+dest)
	if errors.Is(err, elfdeps.ErrNotELF) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find libraries: %w", err)
	}
	for _, lib := range libraries {
		at, err := archivePath(lib.Path)
		if err != nil {
			return err
		}
		e, err := fileEntry(lib.Source, at, 0o755, FromLibrary)
		if err != nil {
			return err
		}
		if err := b.put(e); err != nil {
			return err
		}
		if lib.Link == "" {
			continue
		}
		if err := b.put(linkEntry(lib.Link[1:], lib.Path, FromLibrary)); err != nil {
			return err
		}
	}
	return nil
}

// finish adds the directories that are missing above the entries, and gives all of them by path, which
// puts every directory before what is in it.
func (b *builder) finish() ([]Entry, error) {
	for _, p := range sortedPaths(b.entries) {
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			if parent, ok := b.entries[dir]; !ok {
				b.entries[dir] = dirEntry(dir, layoutPerm(dir), b.entries[p].Origin)
			} else if !isDir(parent) {
				return nil, fmt.Errorf("/%s lies below /%s, which is no directory: %s", p, dir, describe(parent))
			}
		}
	}
	entries := make([]Entry, 0, len(b.entries))
	for _, p := range sortedPaths(b.entries) {
		entries = append(entries, b.entries[p])
	}
	slices.SortFunc(entries, func(x, y Entry) int { return cmp.Compare(x.Path, y.Path) })
	return entries, nil
}

func sortedPaths(entries map[string]Entry) []string {
	paths := make([]string, 0, len(entries))
	for p := range entries {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}
