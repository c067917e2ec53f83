package status

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"holdfast/flash"
	"holdfast/initramfs/compress"
	"holdfast/initramfs/newc"
	"holdfast/ops"
)

// Config is a configuration archive with what its contents say.
type Config struct {
	flash.Config
	Files     int             // members, directories too; 0 when they could not all be read
	Integrity flash.Integrity // Unknown until verified, then Intact or Damaged
	Problem   string          // why it is Damaged; "" when it is not
}

// maxConfig bounds what is unpacked of one archive, in bytes. An /etc has a few MiB.
const maxConfig = 256 << 20

// Verify reads the archive whole, so that every checksum in it is looked at. The error is ctx's, and
// only that.
func (c Config) Verify(ctx context.Context, fsys fs.FS, rep ops.Reporter) (Config, error) {
	if !c.Present {
		return c, nil
	}
	name := path.Join("cfg", "config."+c.Name)
	files, err := readConfig(fsys, name, &meter{ctx: ctx, rep: rep, step: "check config." + c.Name, size: c.Size})
	if ctx.Err() != nil {
		return c, ctx.Err()
	}
	c.Files, c.Integrity, c.Problem = files, flash.Intact, ""
	if err != nil {
		c.Files, c.Integrity, c.Problem = 0, flash.Damaged, fmt.Sprintf("%s: %v", name, err)
	}
	return c, nil
}

// meter counts what is read of a file, and ends the reading with ctx.
type meter struct {
	io.Reader
	ctx  context.Context
	rep  ops.Reporter
	step string
	done int64
	size int64
}

func (m *meter) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.Reader.Read(p)
	m.done += int64(n)
	m.rep.Progress(ops.Progress{Step: m.step, Done: m.done, Total: m.size})
	return n, err
}

func readConfig(fsys fs.FS, name string, m *meter) (int, error) {
	f, err := flash.OpenRegular(fsys, name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	m.Reader = f
	packed := bufio.NewReader(m)
	if _, err := packed.Peek(1); err == io.EOF {
		return 0, errEmpty
	}
	if isTar(packed) { // and not compressed
		return countMembers(packed)
	}
	z, err := compress.NewReader(packed)
	if errors.Is(err, compress.ErrUnknown) {
		return 0, errNoArchive
	}
	if err != nil {
		return 0, err
	}
	defer z.Close()
	return countMembers(z)
}

var (
	errEmpty     = errors.New("empty")
	errNoArchive = errors.New("neither a tar nor a cpio archive")
	errCutOff    = errors.New("cut off")
)

// countMembers reads an archive to the end of its stream: a compression has its checksum there.
func countMembers(r io.Reader) (files int, err error) {
	limited := &io.LimitedReader{R: r, N: maxConfig + 1}
	unpacked := bufio.NewReader(limited)
	switch {
	case isTar(unpacked):
		files, err = countTar(unpacked)
	case isCpio(unpacked):
		files, err = countCpio(unpacked)
	default:
		_, err = unpacked.Peek(1)
		switch err {
		case nil:
			err = errNoArchive
		case io.EOF:
			err = errEmpty
		}
	}
	if err == nil {
		_, err = io.Copy(io.Discard, unpacked)
	}
	switch {
	case limited.N == 0:
		err = fmt.Errorf("holds more than %d MiB", maxConfig>>20)
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errCutOff
	}
	return files, err
}

// isTar looks for the magic of POSIX's tar, which GNU's begins with too (pax, "ustar Interchange
// Format").
func isTar(r *bufio.Reader) bool { return holds(r, 257, "ustar") }

// isCpio looks for the magic of both forms that newc reads.
func isCpio(r *bufio.Reader) bool { return holds(r, 0, "070701") || holds(r, 0, "070702") }

func holds(r *bufio.Reader, offset int, magic string) bool {
	head, _ := r.Peek(offset + len(magic))
	return len(head) == offset+len(magic) && string(head[offset:]) == magic
}

func countTar(r io.Reader) (int, error) {
	w := &watched{Reader: r}
	archive := tar.NewReader(w)
	for files := 0; ; files++ {
		_, err := archive.Next()
		if err == io.EOF && w.ended {
			return 0, errCutOff // before the end mark, which archive/tar can do without
		}
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// watched knows whether all of it was read and more was wanted.
type watched struct {
	io.Reader
	ended bool
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.ended = w.ended || err == io.EOF
	return n, err
}

func countCpio(r io.Reader) (int, error) {
	archive := newc.NewReader(r)
	for files := 0; ; files++ {
		_, err := archive.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
