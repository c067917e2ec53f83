// Package compress knows the compressions that an initramfs may have: it tells them apart by their
// first bytes, reads exactly one compressed stream out of a file in which something else may follow,
// and writes streams that the kernel unpacks and after which another archive may follow.
//
// Only Go libraries are used, never the xz or zstd programs: the same input must give the same bytes
// on every bench. The price is size: xz -6 is about a fifth smaller than what XZ writes here.
//
// gzip is written by the standard library (it packs tighter than klauspost's) and read by klauspost's,
// which takes two thirds of the time; zstd comes from klauspost, xz from ulikunitz for writing and therootcompany for reading (a port of the kernel's
// own decoder, with a limit on memory), LZ4 blocks from pierrec. The framing that the kernel is
// particular about is ours.
package compress

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Method is a way to compress.
type Method int

// The methods that are read and written.
const (
	None Method = iota
	Gzip
	Zstd
	XZ
	LZ4 // the legacy format of `lz4 -l`, the only LZ4 that the kernel unpacks
)

var methodNames = [...]string{None: "none", Gzip: "gzip", Zstd: "zstd", XZ: "xz", LZ4: "lz4"}

func (m Method) String() string {
	if m < 0 || int(m) >= len(methodNames) {
		return fmt.Sprintf("Method(%d)", int(m))
	}
	return methodNames[m]
}

// Parse gives the method of that name: none, gzip, zstd, xz or lz4.
func Parse(name string) (Method, error) {
	for m, n := range methodNames {
		if n == name {
			return Method(m), nil
		}
	}
	return None, fmt.Errorf("compression %q: choose one of %s", name, strings.Join(methodNames[:], ", "))
}

// PeekLen is how many bytes Detect likes to see.
const PeekLen = 12

// ErrUnknown is what Detect says of bytes that begin no compression.
var ErrUnknown = errors.New("neither a compression nor a cpio archive")

// signatures are the first bytes of what may be met in an initramfs, from the kernel's
// lib/decompress.c; with no other word the method is one of ours.
var signatures = []struct {
	magic  string
	method Method
	other  string
}{
	{"\x1f\x8b", Gzip, ""},
	{"\x28\xb5\x2f\xfd", Zstd, ""},
	{"\xfd7zXZ\x00", XZ, ""},
	{"\x02\x21\x4c\x18", LZ4, ""},
	{"\x04\x22\x4d\x18", None, "an LZ4 frame: the kernel unpacks only the legacy format (lz4 -l)"},
	{"BZh", None, "bzip2: a kernel may unpack it, this program does not"},
	{"\x5d\x00\x00", None, "lzma: a kernel may unpack it, this program does not"},
	{"\x89LZO", None, "lzo: a kernel may unpack it, this program does not"},
}

// Detect tells the method of a stream from its first bytes. Bytes of an uncompressed cpio archive
// are None; of anything else it says what it is, or ErrUnknown.
func Detect(head []byte) (Method, error) {
	for _, s := range signatures {
		if bytes.HasPrefix(head, []byte(s.magic)) {
			if s.other != "" {
				return None, errors.New(s.other)
			}
			return s.method, nil
		}
	}
	if bytes.HasPrefix(head, []byte("07070")) {
		return None, nil
	}
	return None, ErrUnknown
}
