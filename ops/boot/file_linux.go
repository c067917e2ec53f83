package boot

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// openFile opens a file as the kernel's loader wants it: as a descriptor. A file that is none (of
// an image file, of a demonstration) is copied into memory first.
func openFile(ctx context.Context, fsys fs.FS, name string) (*os.File, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	if file, ok := f.(*os.File); ok {
		return file, nil
	}
	defer f.Close()
	mem, err := memoryFile(name)
	if err != nil {
		return nil, fmt.Errorf("make room in memory for %s: %w", name, err)
	}
	if _, err := io.Copy(mem, reader{ctx, f}); err != nil {
		mem.Close()
		return nil, fmt.Errorf("copy %s into memory: %w", name, err)
	}
	if _, err := mem.Seek(0, io.SeekStart); err != nil {
		mem.Close()
		return nil, err
	}
	return mem, nil
}

// reader stops a long copy when nobody waits for it any more.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
