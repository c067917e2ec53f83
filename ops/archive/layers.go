package archive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"holdfast/initramfs/compress"
)

// window bounds how far back an archive's compression may look, in bytes: what zstd -19 and xz -6 make
// is read within it, and the whole program was measured at 25 MiB; with a window of 16 MiB it had 32.
const window = 8 << 20

// feed is the source: it stops with ctx, counts, and bounds what a stream without content may cost.
type feed struct {
	ctx  context.Context
	r    io.Reader
	n    atomic.Int64
	most int64
}

func (f *feed) Read(p []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	if f.n.Load() > f.most {
		return 0, fmt.Errorf("no end after %d bytes", f.most)
	}
	n, err := f.r.Read(p)
	f.n.Add(int64(n))
	if err != nil && err != io.EOF && !errors.Is(err, errEnough) {
		err = &sourceError{err}
	}
	return n, err
}

// decompress finds the compression by the first bytes. What it gives ends with the stream: after that
// any bytes may follow, as XMODEM adds some.
func decompress(f *feed) (io.Reader, compress.Method, error) {
	r := bufio.NewReaderSize(f, 128<<10)
	head, err := r.Peek(compress.PeekLen)
	if len(head) == 0 && err == io.EOF {
		return nil, 0, errors.New("the archive is empty")
	}
	if err != nil && err != io.EOF {
		return nil, 0, err
	}
	method, err := compress.Detect(head)
	switch {
	case errors.Is(err, compress.ErrUnknown), err == nil && method == compress.None:
		return r, compress.None, nil
	case err != nil:
		return nil, 0, err
	case method == compress.LZ4:
		return nil, 0, errors.New("lz4: an image archive is compressed by gzip, zstd or xz")
	}
	return &streams{r: r, method: method}, method, nil
}

// streams reads one compressed stream, and those of the same kind that follow it at once: pigz, pzstd
// and xz -T may make several.
type streams struct {
	r      *bufio.Reader
	method compress.Method
	z      *compress.Reader
}

func (s *streams) Read(p []byte) (int, error) {
	for {
		if s.z == nil {
			z, err := compress.NewReaderWithin(s.r, window)
			if err != nil {
				return 0, err
			}
			s.z = z
		}
		n, err := s.z.Read(p)
		if n > 0 || err != io.EOF {
			if err == io.EOF {
				err = nil // it will say so again
			}
			return n, err
		}
		s.z.Close()
		s.z = nil
		head, _ := s.r.Peek(compress.PeekLen)
		if method, err := compress.Detect(head); err != nil || method != s.method {
			return 0, io.EOF
		}
	}
}

const (
	chunkSize = 256 << 10
	chunks    = 4
)

// ahead decompresses on a goroutine of its own, a few chunks ahead of who reads.
type ahead struct {
	ctx        context.Context
	full       chan chunk
	free       chan []byte
	stop, done chan struct{}
	now        chunk
	rest       []byte // of now, not read yet
}

type chunk struct {
	b   []byte
	err error
}

func readAhead(ctx context.Context, r io.Reader) *ahead {
	a := &ahead{ctx: ctx, full: make(chan chunk, chunks), free: make(chan []byte, chunks),
		stop: make(chan struct{}), done: make(chan struct{})}
	for range chunks {
		a.free <- make([]byte, chunkSize)
	}
	go a.run(r)
	return a
}

func (a *ahead) run(r io.Reader) {
	defer close(a.done)
	for {
		select {
		case <-a.stop:
			return
		case b := <-a.free:
			c := fill(r, b[:cap(b)])
			a.full <- c // has room for all the chunks there are
			if c.err != nil {
				return
			}
		}
	}
}

// fill reads until b is full or an error comes: a decompressor gives its bytes in small pieces.
func fill(r io.Reader, b []byte) chunk {
	n := 0
	for n < len(b) {
		k, err := r.Read(b[n:])
		n += k
		if err != nil {
			return chunk{b[:n], err}
		}
	}
	return chunk{b, nil}
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.now.b != nil {
			a.free <- a.now.b
			a.now.b = nil
		}
		select {
		case a.now = <-a.full:
			a.rest = a.now.b
		case <-a.ctx.Done():
			return 0, a.ctx.Err()
		}
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// close ends the goroutine, for which the source's context must have ended.
func (a *ahead) close() {
	close(a.stop)
	<-a.done
}
