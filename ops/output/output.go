// Package output writes files that are there whole or not at all: beside their place first, synced,
// then renamed. A cancelled or failed operation leaves nothing behind.
package output

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"holdfast/ops"
)

// File is a file on its way to path. Commit puts it there; Cleanup removes it and does nothing
// after Commit, so that it can be deferred.
type File struct {
	*os.File
	path string
	done bool
}

// Check says whether path may be written: its folder must exist, and the file only with force.
func Check(path string, force bool) error {
	if path == "" {
		return &ops.Error{Kind: ops.Usage, Step: "output file", Err: errors.New("no name given"), Hint: "name it with -o FILE"}
	}
	if dir, err := os.Stat(filepath.Dir(path)); err != nil || !dir.IsDir() {
		return &ops.Error{Kind: ops.Usage, Step: path, Err: errors.New("its folder does not exist")}
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return &ops.Error{Kind: ops.Internal, Step: "look for the output file", Err: err}
	case !info.Mode().IsRegular():
		// A rename over /dev/sda would put a file in the place of the device node.
		return &ops.Error{Kind: ops.Refused, Step: path, Err: errors.New("is not a regular file")}
	case !force:
		return &ops.Error{Kind: ops.Refused, Step: path, Err: errors.New("exists already"), Hint: "--force replaces it"}
	}
	return nil
}

// Create begins a file that will be at path once committed, under the conditions of Check.
func Create(path string, force bool) (*File, error) {
	if err := Check(path, force); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", path, err)
	}
	return &File{File: f, path: path}, nil
}

// Commit makes the file durable and gives it its name.
func (f *File) Commit() error {
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("finish %s: %w", f.path, err)
	}
	if err := os.Rename(f.Name(), f.path); err != nil {
		return fmt.Errorf("finish: %w", err)
	}
	f.done = true
	dir, err := os.Open(filepath.Dir(f.path))
	if err != nil {
		return fmt.Errorf("finish %s: %w", f.path, err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Cleanup removes the unfinished file.
func (f *File) Cleanup() {
	if f.done {
		return
	}
	f.Close()
	os.Remove(f.Name())
}

// Copy copies src to dst until it ends or ctx does, and tells rep how far it is. total is the
// length of src in bytes, 0 when unknown.
func Copy(ctx context.Context, dst io.Writer, src io.Reader, rep ops.Reporter, step string, total int64) error {
	start := time.Now()
	for done := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
		n, err := io.CopyN(dst, src, 1<<20)
		done += n
		rep.Progress(ops.Progress{Step: step, Done: done, Total: total, Since: time.Since(start)})
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
	}
}
