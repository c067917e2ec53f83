package compress

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
)

// maxMemory bounds the window of a stream, in bytes: 128 MiB is the kernel's own limit for zstd
// (lib/decompress_unzstd.c), and more than any sensible xz stream asks for.
const maxMemory = 128 << 20

// ErrWindow is what Read says of a stream that was made with a larger window than may be held.
var ErrWindow = errors.New("made with too large a window")

// Reader reads one compressed stream.
type Reader struct {
	io.Reader
	Method Method

	// Objection says why the kernel would refuse the stream although it can be read here; "" mostly.
	Objection string

	close func()
}

// Close frees what the decompressor holds.
func (r *Reader) Close() {
	if r.close != nil {
		r.close()
	}
}

// NewReader makes a Reader of the stream that starts at r, whose method is found by Detect. Reading to
// io.EOF takes from r that stream and not a byte more. It holds at most about 128 MiB.
func NewReader(r *bufio.Reader) (*Reader, error) { return NewReaderWithin(r, maxMemory) }

// NewReaderWithin is NewReader for a machine with little memory: it holds little more than window
// bytes, and Read says ErrWindow of a zstd or xz stream that wants more.
func NewReaderWithin(r *bufio.Reader, window uint32) (*Reader, error) {
	head, err := r.Peek(PeekLen)
	if err != nil && err != io.EOF {
		return nil, err
	}
	method, err := Detect(head)
	if err != nil {
		return nil, err
	}
	z := &Reader{Method: method}
	switch method {
	case None:
		z.Reader = r
	case Gzip:
		err = z.openGzip(r)
	case Zstd:
		err = z.openZstd(r, window)
	case XZ:
		if check := head[min(7, len(head)-1)]; check > 1 {
			z.Objection = "the xz stream's check is not CRC32 (xz --check=crc32)"
		}
		err = z.openXZ(r, window)
	case LZ4:
		z.Reader = &lz4Reader{r: r}
	}
	if err != nil {
		return nil, fmt.Errorf("%v: %w", method, err)
	}
	return z, nil
}

func (z *Reader) openGzip(r *bufio.Reader) error {
	g, err := gzip.NewReader(r) // takes single bytes from a bufio.Reader: never too many
	if err != nil {
		return err
	}
	g.Multistream(false)
	z.Reader = g
	return nil
}

func (z *Reader) openZstd(r *bufio.Reader, window uint32) error {
	d, err := zstd.NewReader(&pieces{r: r, next: (&zstdFrame{}).next}, zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(uint64(window)))
	if err != nil {
		return err
	}
	z.Reader, z.close = windowed{d, zstd.ErrWindowSizeExceeded}, d.Close
	return nil
}

func (z *Reader) openXZ(r *bufio.Reader, window uint32) error {
	x, err := xz.NewReader(&pieces{r: r, next: (&xzStream{}).next}, window)
	if err != nil {
		return err
	}
	z.Reader = windowed{x, xz.ErrMemlimit}
	return nil
}

// windowed says ErrWindow for what a decompressor says of too large a window.
type windowed struct {
	io.Reader
	exceeded error
}

func (w windowed) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if errors.Is(err, w.exceeded) {
		err = ErrWindow
	}
	return n, err
}

// IsCut reports whether err says that a stream ends too early.
func IsCut(err error) bool { return errors.Is(err, errCut) || errors.Is(err, io.ErrUnexpectedEOF) }
