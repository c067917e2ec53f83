package sign

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/initramfs/newc"
	"holdfast/ops"
	"holdfast/ops/archive"
)

// window is how far back the compressions look, in bytes: what zstd -19 and xz -6 make do with, and what a
// machine that installs the archive will have to hold.
const window = 8 << 20

// compressors makes what compresses, by the end of an archive.Image's Format.
var compressors = []struct {
	suffix string
	open   func(io.Writer) (io.WriteCloser, error)
}{
	{".gz", func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }},
	{".zst", func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w, zstd.WithWindowSize(window)) }},
	{".xz", func(w io.Writer) (io.WriteCloser, error) { return xz.WriterConfig{DictCap: window}.NewWriter(w) }},
	{"", func(w io.Writer) (io.WriteCloser, error) { return nowhere{w}, nil }},
}

// rewrite copies an archive with the signature directly behind SHA256SUMS, in place of any other, in the
// same format. Owners and times of its files are not kept: they are not content.
func rewrite(ctx context.Context, dst io.Writer, src archive.Source, old image, sig []byte, rep ops.Reporter) error {
	for _, c := range compressors {
		if !strings.HasSuffix(old.format, c.suffix) {
			continue
		}
		packed, err := c.open(dst)
		if err != nil {
			return err
		}
		w := writer{folder: old.folder, sig: sig, members: tarMembers{tar.NewWriter(packed)}}
		if strings.HasPrefix(old.format, "cpio") {
			w.members = &cpioMembers{Writer: newc.NewWriter(packed)}
		}
		if err := w.begin(); err != nil {
			return err
		}
		got, err := archive.Copy(ctx, src, signature.Trust{}, 0, w.put, rep)
		if err == nil && got.ID != flash.ID(sha256.Sum256(old.sums)) {
			err = errors.New("it is another archive than before")
		}
		if err != nil {
			return err
		}
		return errors.Join(w.members.Close(), packed.Close())
	}
	return fmt.Errorf("%s is no format to write", old.format)
}

// members writes the members of an archive: to begin is to finish the one before.
type members interface {
	io.WriteCloser
	folder(name string) error
	file(name string, size int64) error
}

// writer puts members into an archive, and the signature among them.
type writer struct {
	members members
	folder  string // "" for none
	sig     []byte
}

func (w *writer) begin() error {
	if w.folder == "" {
		return nil
	}
	return w.members.folder(w.folder)
}

func (w *writer) put(name string, size int64) (io.WriteCloser, error) {
	if name == flash.SignatureFile {
		return nowhere{io.Discard}, nil
	}
	if err := w.members.file(path.Join(w.folder, name), size); err != nil {
		return nil, err
	}
	if name == sumsName {
		return signed{w}, nil
	}
	return nowhere{w.members}, nil
}

// signed is the SHA256SUMS on its way: the signature follows it.
type signed struct{ *writer }

func (s signed) Write(p []byte) (int, error) { return s.members.Write(p) }

func (s signed) Close() error {
	if err := s.members.file(path.Join(s.folder, flash.SignatureFile), int64(len(s.sig))); err != nil {
		return err
	}
	_, err := s.members.Write(s.sig)
	return err
}

type tarMembers struct{ *tar.Writer }

func (t tarMembers) folder(name string) error {
	return t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755})
}

func (t tarMembers) file(name string, size int64) error {
	return t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size})
}

type cpioMembers struct {
	*newc.Writer
	inode uint32
}

func (c *cpioMembers) folder(name string) error { return c.begin(name, newc.TypeDir|0o755, 0) }

func (c *cpioMembers) file(name string, size int64) error {
	if size > math.MaxUint32 {
		return fmt.Errorf("%s: cpio holds no file of %d bytes", name, size)
	}
	return c.begin(name, newc.TypeRegular|0o644, uint32(size))
}

func (c *cpioMembers) begin(name string, mode, size uint32) error {
	c.inode++
	return c.WriteHeader(newc.Header{Name: name, Mode: mode, Size: size, Ino: c.inode, NLink: 1})
}
