package compress

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// pieces gives one compressed stream to a decompressor that would otherwise read past its end. A
// stream is a row of pieces: headers, blocks, sums. next looks at what is ahead and says how long the
// piece is; io.EOF after the last one. What is wrong inside a piece is left to the decompressor.
type pieces struct {
	r    *bufio.Reader
	next func(*bufio.Reader) (int64, error)
	left int64 // of the current piece
}

func (p *pieces) Read(b []byte) (int, error) {
	for p.left == 0 {
		n, err := p.next(p.r)
		if err != nil {
			return 0, err
		}
		p.left = n
	}
	n, err := p.r.Read(b[:min(int64(len(b)), p.left)])
	p.left -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// peek gives the next n bytes; fewer is an unexpected end.
func peek(r *bufio.Reader, n int) ([]byte, error) {
	b, err := r.Peek(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// zstdFrame walks a frame: header, blocks, perhaps a sum (RFC 8878, 3.1.1).
type zstdFrame struct {
	begun, last, sum bool
}

func (f *zstdFrame) next(r *bufio.Reader) (int64, error) {
	switch {
	case !f.begun:
		f.begun = true
		b, err := peek(r, 5)
		if err != nil {
			return 0, err
		}
		flags := b[4]
		f.sum = flags&4 != 0
		single := flags&0x20 != 0
		n := 5 + [4]int64{0, 1, 2, 4}[flags&3] + [4]int64{0, 2, 4, 8}[flags>>6]
		if !single || flags>>6 == 0 {
			n++ // a window; in a single segment of under 256 bytes the content's size instead
		}
		return n, nil
	case f.last && f.sum:
		f.sum = false
		return 4, nil
	case f.last:
		return 0, io.EOF
	}
	b, err := peek(r, 3)
	if err != nil {
		return 0, err
	}
	block := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	f.last = block&1 != 0
	if block>>1&3 == 1 {
		return 3 + 1, nil // one byte, repeated
	}
	return 3 + int64(block>>3), nil
}

// xzStream walks a stream: header, blocks of LZMA2 chunks, index, footer (xz-file-format.txt of XZ
// Utils; the chunks are described in the kernel's lib/xz/xz_dec_lzma2.c).
type xzStream struct {
	state   func(*bufio.Reader) (int64, error)
	sum     int64 // bytes of the check after each block
	packed  int64 // bytes of the current block's chunks, or of the index, so far
	records uint64
}

func (x *xzStream) next(r *bufio.Reader) (int64, error) {
	if x.state == nil {
		x.state = x.header
	}
	return x.state(r)
}

func (x *xzStream) header(r *bufio.Reader) (int64, error) {
	b, err := peek(r, 12)
	if err != nil {
		return 0, err
	}
	// Sizes of the sixteen check types, section 2.1.1.2.
	x.sum = [16]int64{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}[b[7]&15]
	x.state = x.block
	return 12, nil
}

func (x *xzStream) block(r *bufio.Reader) (int64, error) {
	b, err := peek(r, 1)
	if err != nil {
		return 0, err
	}
	x.packed = 0
	if b[0] == 0 {
		return x.index(r)
	}
	x.state = x.chunk
	return (int64(b[0]) + 1) * 4, nil
}

func (x *xzStream) chunk(r *bufio.Reader) (int64, error) {
	b, err := peek(r, 1)
	if err != nil {
		return 0, err
	}
	control, n := b[0], int64(0)
	switch {
	case control == 0:
		x.packed++
		x.state = x.block
		return 1 + padding4(x.packed) + x.sum, nil
	case control >= 0x80:
		if b, err = peek(r, 5); err != nil {
			return 0, err
		}
		n = 5 + int64(binary.BigEndian.Uint16(b[3:])) + 1
		if control >= 0xc0 {
			n++ // new properties
		}
	case control <= 2:
		if b, err = peek(r, 3); err != nil {
			return 0, err
		}
		n = 3 + int64(binary.BigEndian.Uint16(b[1:])) + 1
	default:
		return 0, errors.New("not an LZMA2 chunk")
	}
	x.packed += n
	return n, nil
}

func (x *xzStream) index(r *bufio.Reader) (int64, error) {
	b, err := r.Peek(10)
	if len(b) < 2 {
		return 0, errors.Join(io.ErrUnexpectedEOF, err)
	}
	count, n := binary.Uvarint(b[1:])
	if n <= 0 || count > 1<<32 {
		return 0, errors.New("index is corrupt")
	}
	x.records = 2 * count // each has two numbers
	x.packed = 1 + int64(n)
	x.state = x.record
	return x.packed, nil
}

func (x *xzStream) record(r *bufio.Reader) (int64, error) {
	if x.records == 0 {
		x.state = func(*bufio.Reader) (int64, error) { return 0, io.EOF }
		return padding4(x.packed) + 4 + 12, nil // padding, CRC32, footer
	}
	b, _ := r.Peek(9)
	_, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, errors.New("index is corrupt")
	}
	x.records--
	x.packed += int64(n)
	return int64(n), nil
}

// padding4 is how many bytes are missing to a multiple of four.
func padding4(n int64) int64 { return -n & 3 }
