package flash

import (
	"errors"
	"io/fs"
)

var (
	errNotRegular   = errors.New("not a regular file")
	errNotDirectory = errors.New("not a directory")
)

// OpenRegular opens a file of the flash, and nothing but a file: to open a FIFO waits for its
// writer, and a device may be without end. So it looks before it opens, for which fsys must be an
// fs.StatFS. It looks again at what it got, which may be something else by then; that this does not
// wait either is for an Open with O_NONBLOCK.
func OpenRegular(fsys fs.FS, name string) (fs.File, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errNotRegular}
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: errNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// readDir lists a directory, and opens nothing else: see OpenRegular.
func readDir(fsys fs.FS, name string) ([]fs.DirEntry, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, errNotDirectory
	}
	return fs.ReadDir(fsys, name)
}
