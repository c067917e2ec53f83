package kexec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// What ReadHeader finds wrong with a file. The errors it returns wrap one of them and say more, in
// words for the operator: "truncated: 1234 of 8123456 bytes".
var (
	ErrNotKernel = errors.New("not a bzImage")
	ErrTruncated = errors.New("truncated")
)

// Header is the setup header of a bzImage, as in Documentation/arch/x86/boot.rst of the kernel.
type Header struct {
	Protocol    uint16 // boot protocol, 0x020f is 2.15
	Version     string // kernel release, the first word of Banner: "6.1.0-56-cloud-amd64"; "" when the kernel does not say
	Banner      string // the whole version string; "" when the kernel does not say
	Relocatable bool   // may be loaded at another address than the one it was linked for
	XLoadFlags  uint16 // xloadflags; bit 0 is set when it can be entered in 64-bit mode
	InitrdMax   uint32 // highest address an initrd may occupy
	CmdlineMax  int    // bytes of command line without the terminating zero
	Size        int64  // bytes of setup and kernel that the header promises; the file may be longer, as by a signature
}

// Offsets and limits of the setup header. A field that came with a later protocol than the kernel's
// holds anything.
const (
	sectorSize     = 512
	headerEnd      = 0x268 // end of the fields of protocol 2.10 and later
	bannerMax      = 512   // bytes; a real one has about 150
	oldInitrdMax   = 0x37ffffff
	oldCmdlineMax  = 255
	offSetupSects  = 0x1f1
	offSysSize     = 0x1f4
	offBootFlag    = 0x1fe
	offMagic       = 0x202
	offProtocol    = 0x206
	offVersion     = 0x20e
	offInitrdMax   = 0x22c
	offRelocatable = 0x234
	offXLoadFlags  = 0x236
	offCmdlineMax  = 0x238
	offPayload     = 0x248
	offPayloadSize = 0x24c
)

// ReadHeader reads what the bzImage in r, size bytes long, says of itself. It reads about 1 KiB and
// unpacks nothing: that the kernel is whole is for its checksum to say, this only tells a kernel
// from what is none and a cut file from a complete one. Errors wrap ErrNotKernel or ErrTruncated;
// any other one is r's.
func ReadHeader(r io.ReaderAt, size int64) (Header, error) {
	raw, err := readSetup(r, size)
	if err != nil {
		return Header{}, err
	}
	h := decodeHeader(raw)
	setup := setupSize(raw)
	if err := checkSize(h, setup, size); err != nil {
		return Header{}, err
	}
	if err := checkPayload(raw, h, setup); err != nil {
		return Header{}, err
	}
	h.Banner, err = readBanner(r, int64(binary.LittleEndian.Uint16(raw[offVersion:])), setup)
	if err != nil {
		return Header{}, err
	}
	h.Version, _, _ = strings.Cut(h.Banner, " ")
	return h, nil
}

// xloadAbove4G, in xloadflags: kernel and initrd may lie anywhere in memory.
const xloadAbove4G = 1 << 1

// CheckInitrd refuses an initrd of size bytes that cannot lie where the kernel wants it, whatever
// memory the machine has.
func (h Header) CheckInitrd(size int64) error {
	if h.XLoadFlags&xloadAbove4G == 0 && size > int64(h.InitrdMax) {
		return fmt.Errorf("%d bytes, this kernel takes at most %d", size, h.InitrdMax)
	}
	return nil
}

// readSetup gives the first headerEnd bytes once the two signatures are there.
func readSetup(r io.ReaderAt, size int64) ([]byte, error) {
	if size <= 0 {
		return nil, fmt.Errorf("%w: empty file", ErrTruncated)
	}
	raw := make([]byte, min(size, headerEnd))
	if n, err := r.ReadAt(raw, 0); n < len(raw) {
		return nil, shortRead(err, int64(n), size)
	}
	switch {
	case len(raw) < offMagic+4:
		return nil, fmt.Errorf("%w: only %d bytes", ErrNotKernel, size)
	case binary.LittleEndian.Uint16(raw[offBootFlag:]) != 0xaa55:
		return nil, fmt.Errorf("%w: no boot signature", ErrNotKernel)
	case string(raw[offMagic:offMagic+4]) != "HdrS":
		return nil, fmt.Errorf("%w: no setup header", ErrNotKernel)
	case len(raw) < headerEnd:
		return nil, fmt.Errorf("%w: %d bytes, the header alone has %d", ErrTruncated, size, headerEnd)
	case binary.LittleEndian.Uint16(raw[offProtocol:]) < 0x0200:
		return nil, fmt.Errorf("%w: boot protocol %#04x is none", ErrNotKernel, binary.LittleEndian.Uint16(raw[offProtocol:]))
	}
	return raw, nil
}

// shortRead is the error for a read that gave n bytes where size promised more.
func shortRead(err error, n, size int64) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %d of %d bytes", ErrTruncated, n, size)
	}
	return fmt.Errorf("read kernel header: %w", err)
}

func decodeHeader(raw []byte) Header {
	le := binary.LittleEndian
	h := Header{
		Protocol:   le.Uint16(raw[offProtocol:]),
		InitrdMax:  oldInitrdMax,
		CmdlineMax: oldCmdlineMax,
		Size:       setupSize(raw),
	}
	if h.Protocol >= 0x0203 {
		h.InitrdMax = le.Uint32(raw[offInitrdMax:])
	}
	if h.Protocol >= 0x0204 { // before, the field had two bytes, too few for a kernel
		h.Size += int64(le.Uint32(raw[offSysSize:])) * 16
	}
	if h.Protocol >= 0x0205 {
		h.Relocatable = raw[offRelocatable] != 0
	}
	if h.Protocol >= 0x0206 {
		h.CmdlineMax = int(le.Uint32(raw[offCmdlineMax:]))
	}
	if h.Protocol >= 0x020c {
		h.XLoadFlags = le.Uint16(raw[offXLoadFlags:])
	}
	return h
}

// setupSize is the length of the real-mode part, boot sector included.
func setupSize(raw []byte) int64 {
	sects := int64(raw[offSetupSects])
	if sects == 0 { // as boot.rst has it, for very old kernels
		sects = 4
	}
	return (sects + 1) * sectorSize
}

// checkSize compares the promised length with the file's. The size is counted in units of 16 bytes:
// the kernel's own build fills the last one, what else dresses as a bzImage (iPXE) may not.
func checkSize(h Header, setup, size int64) error {
	if h.Protocol >= 0x0204 && h.Size == setup {
		return fmt.Errorf("%w: setup without a kernel", ErrNotKernel)
	}
	slack := int64(0)
	if h.Protocol < 0x0208 {
		slack = 15
	}
	if size < h.Size-slack {
		return fmt.Errorf("%w: %d of %d bytes", ErrTruncated, size, h.Size)
	}
	return nil
}

// checkPayload refuses a compressed kernel that reaches past the end of the file. Who unpacks it
// believes these two fields: a damaged one would have them ask for 4 GiB of memory.
func checkPayload(raw []byte, h Header, setup int64) error {
	if h.Protocol < 0x0208 {
		return nil
	}
	start := setup + int64(binary.LittleEndian.Uint32(raw[offPayload:]))
	end := start + int64(binary.LittleEndian.Uint32(raw[offPayloadSize:]))
	if end > h.Size {
		return fmt.Errorf("%w: damaged header: the packed kernel ends at byte %d of %d", ErrNotKernel, end, h.Size)
	}
	return nil
}

// readBanner reads the version string at offset field+0x200, which must lie in the setup part.
// Anything that is not a whole, printable banner is no banner: the field may be damaged, and what
// it points to then must not reach a screen.
func readBanner(r io.ReaderAt, field, setup int64) (string, error) {
	start := field + sectorSize
	if field == 0 || start >= setup {
		return "", nil
	}
	raw := make([]byte, min(bannerMax, setup-start)+1) // with the byte before it
	if n, err := r.ReadAt(raw, start-1); n < len(raw) {
		return "", shortRead(err, start-1+int64(n), setup)
	}
	text, _, ended := strings.Cut(string(raw[1:]), "\x00")
	if !ended || !isBanner(text) || isRelease(raw[0]) {
		return "", nil
	}
	return text, nil
}

// isBanner reports whether text can be Linux's version string: "6.1.0 (who@where) #1 when" in
// printable ASCII.
func isBanner(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	major, rest, ok := strings.Cut(text, ".")
	return ok && isNumber(major) && rest != "" && isNumber(rest[:1]) && strings.Contains(rest, " #")
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// isRelease reports whether b may stand inside a release: a banner that follows it began earlier.
func isRelease(b byte) bool {
	return b >= '0' && b <= '9' || b == '.' || b == '-'
}
