package compress

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/pierrec/lz4/v4"
)

// The legacy format: a magic, then blocks, each a little-endian length and that many bytes that
// unpack to 8 MiB, the last to less (doc/lz4_Frame_format.md of LZ4, "Legacy frame").
const (
	lz4Magic = 0x184c2102
	lz4Block = 8 << 20
)

type lz4Writer struct {
	w      io.Writer
	z      lz4.CompressorHC
	plain  []byte // input of the block in the making
	packed []byte
	begun  bool
}

func newLZ4Writer(w io.Writer) *lz4Writer {
	return &lz4Writer{
		w:      w,
		z:      lz4.CompressorHC{Level: lz4.Level9},
		plain:  make([]byte, 0, lz4Block),
		packed: make([]byte, 4+lz4.CompressBlockBound(lz4Block)),
	}
}

func (z *lz4Writer) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		n := min(len(p), lz4Block-len(z.plain))
		z.plain = append(z.plain, p[:n]...)
		p = p[n:]
		if len(z.plain) == lz4Block {
			if err := z.flush(); err != nil {
				return total - len(p), err
			}
		}
	}
	return total, nil
}

func (z *lz4Writer) Close() error {
	if len(z.plain) == 0 && z.begun {
		return nil
	}
	return z.flush()
}

func (z *lz4Writer) flush() error {
	if !z.begun {
		z.begun = true
		if _, err := z.w.Write(binary.LittleEndian.AppendUint32(nil, lz4Magic)); err != nil {
			return err
		}
	}
	n, err := z.z.CompressBlock(z.plain, z.packed[4:])
	if err != nil {
		return fmt.Errorf("lz4: %w", err)
	}
	binary.LittleEndian.PutUint32(z.packed, uint32(n))
	z.plain = z.plain[:0]
	_, err = z.w.Write(z.packed[:4+n])
	return err
}

// lz4Reader reads the blocks of one legacy stream and leaves in r what follows. As in the kernel, the
// stream ends at the end of input or at a length of zero, and a second magic in the place of a length
// means that another legacy stream follows directly.
type lz4Reader struct {
	r      *bufio.Reader
	packed []byte
	plain  []byte // what is unpacked and not read yet
	block  []byte
}

func (z *lz4Reader) Read(p []byte) (int, error) {
	for len(z.plain) == 0 {
		if err := z.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, z.plain)
	z.plain = z.plain[n:]
	return n, nil
}

func (z *lz4Reader) next() error {
	head, err := z.r.Peek(4)
	if err != nil && err != io.EOF {
		return err
	}
	if len(head) < 4 {
		return io.EOF // fewer than four bytes are padding, or nothing
	}
	length := binary.LittleEndian.Uint32(head)
	if length == 0 {
		return io.EOF
	}
	if _, err := z.r.Discard(4); err != nil {
		return err
	}
	if length == lz4Magic {
		return nil
	}
	if int64(length) > int64(lz4.CompressBlockBound(lz4Block)) {
		return fmt.Errorf("lz4: block of %d bytes is longer than the format allows (or something follows without four zeros between)", length)
	}
	if z.block == nil {
		z.packed = make([]byte, lz4.CompressBlockBound(lz4Block))
		z.block = make([]byte, lz4Block)
	}
	if _, err := io.ReadFull(z.r, z.packed[:length]); err != nil {
		return fmt.Errorf("lz4: block of %d bytes is cut short: %w", length, io.ErrUnexpectedEOF)
	}
	n, err := lz4.UncompressBlock(z.packed[:length], z.block)
	if err != nil {
		return errors.New("lz4: block is corrupt")
	}
	z.plain = z.block[:n]
	return nil
}
