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
	"syscall"
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

// Check says whether path may be written: its folder must be there and writable, and the file be
// there only with force, and be none of inputs, which would be gone before they are read again.
func Check(path string, force bool, inputs ...string) error {
	if path == "" {
		return &ops.Error{Kind: ops.Usage, Step: "output file", Err: errors.New("no name given"), Hint: "name it with -o FILE"}
	}
	if err := checkFolder(filepath.Dir(path)); err != nil {
		return &ops.Error{Kind: Kind(err), Step: path, Err: fmt.Errorf("its folder: %w", err)}
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return &ops.Error{Kind: Kind(err), Step: "look for the output file", Err: err}
	case !info.Mode().IsRegular():
		// A rename over /dev/sda would put a file in the place of the device node.
		return &ops.Error{Kind: ops.Refused, Step: path, Err: errors.New("is not a regular file")}
	case !force:
		return &ops.Error{Kind: ops.Refused, Step: path, Err: errors.New("exists already"), Hint: "--force replaces it"}
	}
	for _, input := range inputs {
		if in, err := os.Stat(input); err == nil && os.SameFile(info, in) {
			return &ops.Error{Kind: ops.Refused, Step: path, Err: errors.New("is also what it would be made of")}
		}
	}
	return nil
}

func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return reason(err)
	}
	return writable(dir)
}

// reason is an error without the path, which is said already.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// Kind is what sort of failure an error of writing is: no space, a place that is not there or not
// writable, or else a defect.
func Kind(err error) ops.Kind {
	for _, c := range []struct {
		cause error
		kind  ops.Kind
	}{
		{syscall.ENOSPC, ops.NoSpace},
		{syscall.EDQUOT, ops.NoSpace},
		{syscall.EROFS, ops.NotWritable},
		{syscall.ENOTDIR, ops.NotWritable},
		{fs.ErrPermission, ops.NotWritable},
		{fs.ErrNotExist, ops.NotWritable},
	} {
		if errors.Is(err, c.cause) {
			return c.kind
		}
	}
	return ops.Internal
}

// Error is err as the failure of an operation that reads files and writes others; nil for nil, and
// one that has its kind already as it is. Only a full disk is told from a defect: what cannot be
// opened may as well be a file to read.
func Error(op string, err error) error {
	var e *ops.Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	kind := Kind(err)
	if kind != ops.NoSpace {
		kind = ops.Internal
	}
	return &ops.Error{Kind: kind, Op: op, Err: err}
}

// Create begins a file that will be at path once committed, under the conditions of Check.
func Create(path string, force bool) (*File, error) {
	if err := Check(path, force); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, &ops.Error{Kind: Kind(err), Step: "begin " + path, Err: err}
	}
	return &File{File: f, path: path}, nil
}

// Commit makes the file durable and gives it its name.
func (f *File) Commit() error {
	if err := f.commit(); err != nil {
		return &ops.Error{Kind: Kind(err), Step: "finish " + f.path, Err: err}
	}
	return nil
}

func (f *File) commit() error {
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), f.path); err != nil {
		return err
	}
	f.done = true
	dir, err := os.Open(filepath.Dir(f.path))
	if err != nil {
		return err
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
