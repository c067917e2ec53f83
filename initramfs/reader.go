package initramfs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"

	"holdfast/initramfs/compress"
	"holdfast/initramfs/newc"
)

// Layer is one cpio archive out of the row of archives that an initramfs file may be. Later layers are
// unpacked over earlier ones.
type Layer struct {
	Index    int   // counts from 0
	Offset   int64 // where its archive, or the compressed stream that it is in, starts in the file
	Compress compress.Method

	// Objection says why the kernel would refuse the layer although it can be read here; "" mostly.
	Objection string
}

// File is one record of an initramfs.
type File struct {
	newc.Header        // Name is as it stands in the archive
	Path        string // cleaned, without a leading slash; "." is the root
	Target      string // of a symbolic link
	Layer       int
}

// Reader reads all layers of an initramfs file as one stream of records, the way the kernel does
// (unpack_to_rootfs in init/initramfs.c): archives one behind the other, plain or compressed each in
// its own way, with zeros between. It holds no file content, only what decompressors need.
type Reader struct {
	file   *position     // bytes taken from the input
	plain  *bufio.Reader // the input
	unpack *compress.Reader
	packed *bufio.Reader // content of the compressed stream, while in one
	record *newc.Reader  // the archive, while in one
	link   bool          // the content has been given as Target
	layers []Layer
	err    error // what ended the reading
}

// NewReader makes a Reader of the initramfs r.
func NewReader(r io.Reader) *Reader {
	p := &position{r: r}
	return &Reader{file: p, plain: bufio.NewReaderSize(p, 64<<10)}
}

// Layers are those met so far; after io.EOF, all.
func (r *Reader) Layers() []Layer { return r.layers }

// Close frees what is held for an unfinished reading.
func (r *Reader) Close() {
	if r.unpack != nil {
		r.unpack.Close()
		r.unpack = nil
	}
}

// Next gives the next record; io.EOF at the end of the last archive. An error says in which archive and
// where; nothing can be read after one.
func (r *Reader) Next() (File, error) {
	if r.err != nil {
		return File{}, r.err
	}
	f, err := r.next()
	if err != nil {
		r.err = err
		r.Close()
	}
	return f, err
}

// Read reads the content of the current record; io.EOF at its end. A symbolic link has none: its
// content is Target.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.record == nil || r.link {
		return 0, io.EOF
	}
	n, err := r.record.Read(p)
	if err != nil && err != io.EOF {
		err = r.locate(err)
		r.err = err
	}
	return n, err
}

func (r *Reader) next() (File, error) {
	for {
		if r.record == nil {
			if err := r.open(); err != nil {
				return File{}, err
			}
			continue
		}
		h, err := r.record.Next()
		if err == io.EOF {
			r.record = nil
			continue
		}
		if err != nil {
			return File{}, r.locate(err)
		}
		return r.describe(h)
	}
}

func (r *Reader) describe(h newc.Header) (File, error) {
	f := File{Header: h, Path: path.Clean("/" + h.Name)[1:], Layer: len(r.layers) - 1}
	if f.Path == "" {
		f.Path = "."
	}
	r.link = h.Type() == newc.TypeSymlink
	if r.link {
		target, err := io.ReadAll(r.record) // at most newc.MaxTarget
		if err != nil {
			return File{}, r.locate(err)
		}
		f.Target = string(target)
	}
	return f, nil
}

// open goes to the start of the next archive: inside the current compressed stream, or behind it. It
// leaves record nil where a stream turns out to have nothing (more) in it.
func (r *Reader) open() error {
	if r.unpack != nil {
		more, err := skipZeros(r.packed)
		if err != nil {
			return r.locate(err)
		}
		if more {
			r.start(r.packed, r.layers[len(r.layers)-1])
			return nil
		}
		r.Close()
	}
	more, err := skipZeros(r.plain)
	if err != nil {
		return fmt.Errorf("read initramfs: %w", err)
	}
	if !more && len(r.layers) == 0 {
		return errors.New("read initramfs: there is no archive in it")
	}
	if !more {
		return io.EOF
	}
	return r.openStream(Layer{Offset: r.file.n - int64(r.plain.Buffered())})
}

// openStream starts on what lies at layer.Offset: a plain archive or a compressed stream of them.
func (r *Reader) openStream(layer Layer) error {
	z, err := compress.NewReader(r.plain)
	if err != nil {
		return fmt.Errorf("read initramfs: at offset %d: %w", layer.Offset, err)
	}
	layer.Compress, layer.Objection = z.Method, z.Objection
	if z.Method == compress.None {
		if layer.Offset%4 != 0 {
			layer.Objection = "a plain archive must start at a multiple of four bytes"
		}
		r.start(r.plain, layer)
		return nil
	}
	r.unpack, r.packed = z, bufio.NewReader(z)
	more, err := skipZeros(r.packed)
	if err != nil {
		return fmt.Errorf("read initramfs: %v at offset %d: %w", layer.Compress, layer.Offset, err)
	}
	if more {
		r.start(r.packed, layer)
	} else {
		r.Close()
	}
	return nil
}

func (r *Reader) start(from *bufio.Reader, layer Layer) {
	layer.Index = len(r.layers)
	r.layers = append(r.layers, layer)
	r.record = newc.NewReader(from)
}

// locate says in which archive err happened.
func (r *Reader) locate(err error) error {
	l := r.layers[len(r.layers)-1]
	if l.Compress == compress.None {
		return fmt.Errorf("read initramfs: archive at offset %d: %w", l.Offset, err)
	}
	return fmt.Errorf("read initramfs: %v archive at offset %d: %w", l.Compress, l.Offset, err)
}

// skipZeros skips padding and tells whether anything follows it.
func skipZeros(r *bufio.Reader) (bool, error) {
	for {
		b, err := r.ReadByte()
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if b != 0 {
			return true, r.UnreadByte()
		}
	}
}

// position counts what is read through it.
type position struct {
	r io.Reader
	n int64
}

func (p *position) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.n += int64(n)
	return n, err
}

// List gives every record of the initramfs r in file order, all layers, and with an error what came
// before it.
func List(r io.Reader) ([]File, error) {
	archive := NewReader(r)
	defer archive.Close()
	var files []File
	for {
		f, err := archive.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return files, err
		}
		files = append(files, f)
	}
}
