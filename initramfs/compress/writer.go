package compress

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// window is how far back, in bytes, zstd and xz look for repetition. A stage of 20 MB is to be covered
// whole: busybox near its start and libc near its end share code, worth 6 %. The kernel allocates as much
// while it unpacks.
const window = 32 << 20

// NewWriter makes a writer that compresses onto w. Its Close ends the stream, not w. What was written
// is then a multiple of four bytes long and ends so that the kernel takes whatever follows as the next
// archive: `cat` is enough to put one behind it. Equal input gives equal bytes, however it is cut.
func NewWriter(w io.Writer, m Method) (io.WriteCloser, error) {
	out := &counter{w: w}
	switch m {
	case None:
		return &stream{WriteCloser: nopCloser{out}, out: out, end: zeros}, nil
	case Gzip:
		// The best level takes four times as long and gains a thousandth.
		return &stream{gzip.NewWriter(out), out, zeros}, nil
	case Zstd:
		// One goroutine: the cut into blocks must not depend on timing.
		z, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window),
			zstd.WithEncoderLevel(zstd.SpeedBestCompression))
		return &stream{z, out, zstdFiller}, err
	case XZ:
		// The kernel checks CRC32 and knows no other sum.
		z, err := xz.WriterConfig{CheckSum: xz.CRC32, DictCap: window}.NewWriter(out)
		return &stream{z, out, zeros}, err
	case LZ4:
		return &stream{newLZ4Writer(out), out, lz4End}, nil
	}
	return nil, fmt.Errorf("compress with %v: no such method", m)
}

// stream is a compressor and what must follow its end.
type stream struct {
	io.WriteCloser
	out *counter
	end func(written int64) []byte
}

func (s *stream) Close() error {
	if err := s.WriteCloser.Close(); err != nil {
		return err
	}
	_, err := s.out.Write(s.end(s.out.n))
	return err
}

// zeros fill up to a multiple of four. The kernel skips them, and so do gzip (xz needs none).
func zeros(written int64) []byte { return make([]byte, -written&3) }

// zstdFiller is up to three empty frames of nine bytes, because the zstd program, and with it
// lsinitramfs, refuses zeros after a frame, and the kernel refuses skippable frames. Layout in RFC 8878,
// 3.1.1: single segment, content size 0, one last block that is raw and empty.
func zstdFiller(written int64) []byte {
	return bytes.Repeat([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x00, 0x01, 0x00, 0x00}, int(-written&3))
}

// lz4End are four to seven zeros: legacy LZ4 has no end mark, the kernel takes a block length of zero
// for one (since Linux 5.14; older ones find nothing behind an LZ4 archive). The lz4 program calls
// the mark corrupt, after it has given all the content.
func lz4End(written int64) []byte { return make([]byte, 4+(-written&3)) }

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
