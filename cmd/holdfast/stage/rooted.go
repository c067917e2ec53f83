package stage

import (
	"io/fs"
	"os"
)

// rooted is a directory as a file system whose links lead nowhere else: what lies on a flash must
// not make the console read its own files, or a device. It holds nothing open between two calls, or
// the flash could not be unmounted before a boot.
type rooted string

// Open implements fs.FS.
func (r rooted) Open(name string) (fs.File, error) {
	return in(r, func(root *os.Root) (fs.File, error) { return root.FS().Open(name) })
}

// Stat implements fs.StatFS: a look at a FIFO must not wait for its writer.
func (r rooted) Stat(name string) (fs.FileInfo, error) {
	return in(r, func(root *os.Root) (fs.FileInfo, error) { return fs.Stat(root.FS(), name) })
}

// ReadDir implements fs.ReadDirFS.
func (r rooted) ReadDir(name string) ([]fs.DirEntry, error) {
	return in(r, func(root *os.Root) ([]fs.DirEntry, error) { return fs.ReadDir(root.FS(), name) })
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
