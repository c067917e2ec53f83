package archive

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"

	"holdfast/initramfs/compress"
)

// unpackedSize guesses how long an archive is without its compression, in bytes. gzip says it at its
// end, zstd mostly at its beginning; else an image shrinks by little, its kernel and initrd being
// compressed themselves. 0 when nothing is known.
func unpackedSize(ctx context.Context, src Source, in io.Reader, method compress.Method) int64 {
	size := src.size(in)
	guess := size + size/4
	if method == compress.None {
		return size
	}
	if src.Once || src.Size == 0 {
		return guess
	}
	again, err := src.Open(ctx)
	if err != nil {
		return guess
	}
	defer again.Close()
	said, ok := int64(0), false
	switch method {
	case compress.Gzip:
		said, ok = gzipSize(again, src.Size)
	case compress.Zstd:
		said, ok = zstdSize(again)
	}
	if ok && said >= size/2 && said <= DefaultLimit {
		return said
	}
	return guess
}

// gzipSize is ISIZE (RFC 1952, 2.3.1), where the file can be read at a place of choice. What XMODEM
// may have added is passed over.
func gzipSize(in io.Reader, size int64) (int64, bool) {
	at, ok := in.(io.ReaderAt)
	if !ok {
		return 0, false
	}
	tail := make([]byte, min(size, 1<<10+8))
	if n, _ := at.ReadAt(tail, size-int64(len(tail))); n < len(tail) {
		return 0, false
	}
	tail = bytes.TrimRight(tail, "\x1a")
	if len(tail) < 4 {
		return 0, false
	}
	return int64(binary.LittleEndian.Uint32(tail[len(tail)-4:])), true
}

// zstdSize is the frame's content size (RFC 8878, 3.1.1.1).
func zstdSize(in io.Reader) (int64, bool) {
	b := make([]byte, 18)
	if _, err := io.ReadFull(in, b); err != nil {
		return 0, false
	}
	flags, at := b[4], 5
	if flags&0x20 == 0 {
		at++ // the window
	}
	at += []int{0, 1, 2, 4}[flags&3]
	switch flags >> 6 {
	case 1:
		return int64(binary.LittleEndian.Uint16(b[at:])) + 256, true
	case 2:
		return int64(binary.LittleEndian.Uint32(b[at:])), true
	case 3:
		return int64(binary.LittleEndian.Uint64(b[at:])), true
	}
	return 0, false
}
