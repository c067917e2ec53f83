package pack

import (
	"compress/gzip"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// window is how far back zstd and xz look, in bytes: what their programs do, and what a machine that
// installs the archive can hold.
const window = 8 << 20

// open makes a compressor of size bytes. Equal bytes must become equal bytes.
type open func(w io.Writer, size int64) (io.WriteCloser, error)

// compressors are the ends of names, each with the compression that people expect there.
var compressors = []struct {
	ends []string
	open open
}{
	{[]string{".tar"}, func(w io.Writer, _ int64) (io.WriteCloser, error) { return plain{w}, nil }},
	{[]string{".tar.zst", ".tzst"}, openZstd},
	{[]string{".tar.xz", ".txz"}, func(w io.Writer, _ int64) (io.WriteCloser, error) {
		return xz.WriterConfig{DictCap: window}.NewWriter(w)
	}},
}

// compressor gives the compression for a file name: gzip, unless the name says another.
func compressor(name string) open {
	for _, c := range compressors {
		for _, end := range c.ends {
			if strings.HasSuffix(name, end) {
				return c.open
			}
		}
	}
	return func(w io.Writer, _ int64) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }
}

// openZstd notes the size in the frame, so that it is known before all is unpacked. One goroutine: the
// cut into blocks must not depend on timing.
func openZstd(w io.Writer, size int64) (io.WriteCloser, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err != nil {
		return nil, err
	}
	z.ResetContentSize(w, size)
	return z, nil
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }
