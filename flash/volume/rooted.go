package volume

import (
	"io/fs"
	"os"
	"syscall"
)

// Directory shows a directory as a file system that may be read without fear: see rooted.
func Directory(dir string) fs.FS { return rooted(dir) }

// rooted is a directory as a file system whose links lead nowhere else: what lies on a flash must
// not make this program read its own files, or a device. It holds nothing open between two calls, or
// the flash could not be unmounted before a boot.
type rooted string

// Open implements fs.FS. It does not wait for the writer of a FIFO; a regular file is read as ever.
func (r rooted) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) { // the root alone would take "a/../b" and "a/"
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return in(r, func(root *os.Root) (fs.File, error) {
		f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return nil, err // no nil *os.File in an interface
		}
		return f, nil
	})
}

// Stat implements fs.StatFS: a look at a FIFO must not wait for its writer.
func (r rooted) Stat(name string) (fs.FileInfo, error) {
	return in(r, func(root *os.Root) (fs.FileInfo, error) { return fs.Stat(root.FS(), name) })
}

func in[T any](r rooted, look func(*os.Root) (T, error)) (T, error) {
	root, err := os.OpenRoot(string(r))
	if err != nil {
		var none T
		return none, err
	}
	defer root.Close()
	return look(root)
}
