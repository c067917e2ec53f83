package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"holdfast/flash"
	"holdfast/ops"
)

// Source is where an archive comes from.
type Source struct {
	Name string // for people: "image.tgz", "standard input", "sdb1:/images/1.3.125.tgz"
	Size int64  // bytes, compressed; 0 when not known
	Open func(context.Context) (io.ReadCloser, error)
	Once bool // it can be read only once; a Peek before it does not count

	once   *once
	length func(io.Reader) int64 // of one that Open gave, where Size is not known before
}

// size is how long in is, which Open gave, in bytes; 0 when not known.
func (s Source) size(in io.Reader) int64 {
	if s.length != nil {
		return s.length(in)
	}
	return s.Size
}

// File is the archive in a file. One that is no regular file, such as a pipe, can be read only once.
func File(path string) (Source, error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		err = errors.New("is a folder")
	}
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return Source{}, &ops.Error{Kind: ops.Invalid, Step: path, Err: err, Hint: schemeHint(path)}
	}
	open := func(context.Context) (io.ReadCloser, error) { return os.Open(path) }
	if !info.Mode().IsRegular() {
		return onceOnly(path, open), nil
	}
	return Source{Name: path, Size: info.Size(), Open: open}, nil
}

// schemeHint is for a name that was meant as a URL.
func schemeHint(path string) string {
	if strings.Contains(path, "://") {
		return "of URLs, http:// and https:// are read"
	}
	return ""
}

// Reader is the archive that comes out of r. r is not closed.
func Reader(name string, r io.Reader) Source {
	return onceOnly(name, func(context.Context) (io.ReadCloser, error) { return io.NopCloser(r), nil })
}

// FS is the archive in a file of fsys. volume is what people call fsys: "sdb1".
func FS(volume string, fsys fs.FS, path string) (Source, error) {
	info, err := fs.Stat(fsys, path)
	if err != nil {
		return Source{}, &ops.Error{Kind: ops.Invalid, Err: err}
	}
	return fromFS(volume, fsys, path, info.Size()), nil
}

func fromFS(volume string, fsys fs.FS, path string, size int64) Source {
	open := func(context.Context) (io.ReadCloser, error) { return flash.OpenRegular(fsys, path) }
	return Source{Name: volume + ":/" + shown(path), Size: size, Open: open}
}

func onceOnly(name string, open func(context.Context) (io.ReadCloser, error)) Source {
	o := &once{open: open}
	return Source{Name: name, Open: o.take, Once: true, once: o}
}

// peek opens the source so that it can be opened again.
func (s Source) peek(ctx context.Context) (io.ReadCloser, error) {
	if s.once != nil {
		return s.once.peek(ctx)
	}
	return s.Open(ctx)
}

// maxHead is how much of a source that can be read only once is kept for after a Peek, in bytes.
const maxHead = 4 << 20

// once is a source that gives its bytes only once. What a Peek takes is kept for what follows. A read
// that is waited for no more, as nothing interrupts one of standard input, goes on by itself, and what
// it brings is the next reader's.
type once struct {
	mu      sync.Mutex
	open    func(context.Context) (io.ReadCloser, error)
	from    io.ReadCloser // nil before the first use
	head    []byte
	gone    bool
	block   []byte     // what a read fills
	buffer  []byte     // of block, not given away yet
	brought chan chunk // of a read under way; nil while there is none
}

func (o *once) begin(ctx context.Context) (err error) {
	if o.gone {
		return errors.New("was read already, and can be read only once")
	}
	if o.from == nil {
		o.from, err = o.open(ctx)
	}
	return err
}

func (o *once) take(ctx context.Context) (io.ReadCloser, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.begin(ctx); err != nil {
		return nil, err
	}
	head := bytes.NewReader(o.head)
	o.gone, o.head = true, nil
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(head, &onceReader{o, ctx}), o.from}, nil
}

func (o *once) peek(ctx context.Context) (io.ReadCloser, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.begin(ctx); err != nil {
		return nil, err
	}
	return io.NopCloser(io.MultiReader(bytes.NewReader(o.head), &recorder{onceReader{o, ctx}})), nil
}

// onceReader reads on, and waits only as long as ctx.
type onceReader struct {
	*once
	ctx context.Context
}

func (r *onceReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.buffer) == 0 {
		if err := r.wait(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.buffer)
	r.buffer = r.buffer[n:]
	return n, nil
}

func (r *onceReader) wait() error {
	if r.brought == nil {
		if r.block == nil {
			r.block = make([]byte, 64<<10)
		}
		brought, from, b := make(chan chunk, 1), r.from, r.block
		go func() {
			n, err := from.Read(b)
			brought <- chunk{b[:n], err}
		}()
		r.brought = brought
	}
	select {
	case c := <-r.brought:
		r.brought, r.buffer = nil, c.b
		if len(c.b) > 0 {
			return nil // an error comes again
		}
		return c.err
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// recorder reads on where the head ends, and makes it longer.
type recorder struct{ onceReader }

func (r *recorder) Read(p []byte) (int, error) {
	if len(r.head) >= maxHead {
		return 0, errEnough
	}
	n, err := r.onceReader.Read(p[:min(len(p), maxHead-len(r.head))])
	r.head = append(r.head, p[:n]...)
	return n, err
}
