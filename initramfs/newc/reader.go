package newc

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
)

// Reader reads one archive as a stream, holding no more of it than one header.
type Reader struct {
	r      io.Reader
	pos    int64 // bytes taken from r
	start  int64 // where the current record starts
	left   int64 // content of the current record not read yet
	pad    int64 // zeros after it
	header Header
	sum    uint32 // of the content read so far
}

// NewReader makes a Reader of the archive that starts at r. It takes from r what belongs to the
// archive and not a byte more.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Offset is how many bytes of the archive have been taken so far.
func (r *Reader) Offset() int64 { return r.pos }

// Next skips what is left of the current record and gives the next one; io.EOF at the trailer. An
// archive that ends without a trailer is cut short: that, too, is a *SyntaxError.
func (r *Reader) Next() (Header, error) {
	if _, err := io.Copy(io.Discard, readerOnly{r}); err != nil {
		return Header{}, err
	}
	if err := r.skip(r.pad); err != nil {
		return Header{}, err
	}
	r.start, r.left, r.pad = r.pos, 0, 0

	h, nameLen, err := r.readHeader()
	if err != nil {
		return Header{}, err
	}
	if h.Name, err = r.readName(nameLen); err != nil {
		return Header{}, err
	}
	if h.Name == trailer {
		return Header{}, r.skipOr(io.EOF, padding(int64(h.Size))+int64(h.Size))
	}
	if h.Type() == TypeSymlink && h.Size > MaxTarget {
		return Header{}, r.fail("%s: target of %d bytes, at most %d are possible", h.Name, h.Size, MaxTarget)
	}
	r.header, r.sum = h, 0
	r.left, r.pad = int64(h.Size), padding(int64(h.Size))
	return h, nil
}

// Read reads content of the current record; io.EOF at its end.
func (r *Reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.r.Read(p)
	r.pos += int64(n)
	r.left -= int64(n)
	if r.header.Summed {
		for _, b := range p[:n] {
			r.sum += uint32(b)
		}
	}
	switch {
	case err == io.EOF && r.left > 0:
		return n, r.fail("%s: the archive ends %d bytes before the end of this file", r.header.Name, r.left)
	case err != nil && err != io.EOF:
		return n, err
	case r.left == 0 && r.header.Summed && r.sum != r.header.Sum:
		return n, r.fail("%s: the content's bytes sum up to %08x, the header says %08x", r.header.Name, r.sum, r.header.Sum)
	}
	return n, nil
}

func (r *Reader) readHeader() (Header, uint32, error) {
	var h Header
	var nameLen uint32
	var raw [headerLen]byte
	if err := r.full(raw[:]); err != nil {
		return h, 0, err
	}
	switch magic := string(raw[:6]); magic {
	case magicPlain:
	case magicSum:
		h.Summed = true
	default:
		return h, 0, r.fail("%q where a record should start with %s", magic, magicPlain)
	}
	var numbers [(headerLen - 6) / 2]byte
	if _, err := hex.Decode(numbers[:], raw[6:]); err != nil {
		return h, 0, r.fail("header fields are not hexadecimal digits")
	}
	for i, f := range h.fields(&nameLen) {
		*f = binary.BigEndian.Uint32(numbers[i*4:])
	}
	return h, nameLen, nil
}

func (r *Reader) readName(n uint32) (string, error) {
	if n < 2 || n > MaxName {
		return "", r.fail("name of %d bytes, 2 to %d are possible", n, MaxName)
	}
	raw := make([]byte, n)
	if err := r.full(raw); err != nil {
		return "", err
	}
	if raw[n-1] != 0 {
		return "", r.fail("name without its terminating zero")
	}
	// The kernel, too, reads a name up to its first zero: some tools pad names to keep content aligned.
	name, _, _ := bytes.Cut(raw, []byte{0})
	if len(name) == 0 {
		return "", r.fail("empty name")
	}
	return string(name), r.skip(padding(headerLen + int64(n)))
}

func (r *Reader) full(p []byte) error {
	n, err := io.ReadFull(r.r, p)
	r.pos += int64(n)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return r.fail("the archive ends without its trailer")
	}
	return err
}

func (r *Reader) skip(n int64) error {
	var zeros [3]byte
	return r.full(zeros[:n])
}

// skipOr skips n bytes of the trailer and gives err when that went well.
func (r *Reader) skipOr(err error, n int64) error {
	k, e := io.CopyN(io.Discard, r.r, n)
	r.pos += k
	if e == io.EOF {
		return r.fail("the archive ends inside its trailer")
	}
	if e != nil {
		return e
	}
	return err
}

func (r *Reader) fail(format string, args ...any) error {
	return &SyntaxError{Offset: r.start, Text: fmt.Sprintf(format, args...)}
}

// readerOnly hides every method but Read from io.Copy.
type readerOnly struct{ io.Reader }
