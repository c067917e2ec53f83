package store

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
)

// The steps of Seal, as its progress names them.
const (
	WriteOut = "write to the device"
	ReadBack = "read back"
)

// piece is how much of a file is waited for at once, in bytes: a flash of 10 MB/s takes most of a second for it.
const piece = 8 << 20

// Seal makes all of it durable, reads every file back past the page cache and compares; that they differ is
// ErrReadBack. progress, when not nil, is told the bytes of each step so far, WriteOut and then ReadBack.
func (i *Incoming) Seal(ctx context.Context, progress func(step string, done int64)) error {
	if progress == nil {
		progress = func(string, int64) {}
	}
	for _, s := range []struct {
		name string
		do   func(*file, context.Context, func(int64)) error
	}{{WriteOut, (*file).writeOut}, {ReadBack, (*file).compare}} {
		done := int64(0)
		progress(s.name, 0)
		for _, w := range i.files {
			err := s.do(w, ctx, func(n int64) { done += n; progress(s.name, done) })
			if err != nil {
				return fmt.Errorf("%s: %s: %w", s.name, w.path(), cause(err))
			}
		}
	}
	return i.tree.barrier(AfterStage)
}

// writeOut is an fsync that says how far it is, and that can be cancelled: what lies in memory of a large
// file takes a slow flash most of the time of an installation. The kernel has the next piece to write while
// one is waited for.
func (w *file) writeOut(ctx context.Context, count func(int64)) error {
	if w.f != nil || w.err != nil {
		return errors.Join(errors.New("it was not written to its end"), w.err)
	}
	f, err := openIn(w.tree.root, w.path(), os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	done := int64(0)
	for ; w.size-done > piece; done += piece {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := writeRange(f, done, piece); err != nil {
			return err
		}
		count(piece)
	}
	if err := f.Sync(); err != nil {
		return err
	}
	count(w.size - done)
	return nil
}

// compare reads the file from the device and compares it with what was written.
func (w *file) compare(ctx context.Context, count func(int64)) error {
	f, err := openIn(w.tree.root, w.path(), os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := newFreshReader(f, chunk)
	if err != nil {
		return err
	}
	defer r.release()
	for n, sum := range w.sums {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := r.read(int64(n) * chunk)
		if err != nil {
			return err
		}
		if int64(len(b)) != min(chunk, w.size-int64(n)*chunk) || crc32.Checksum(b, castagnoli) != sum {
			return ErrReadBack
		}
		count(int64(len(b)))
	}
	if info, err := f.Stat(); err != nil || info.Size() != w.size {
		return errors.Join(ErrReadBack, err)
	}
	return nil
}
