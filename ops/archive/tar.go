package archive

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// entry is a header of an archive.
type entry struct {
	path string // as it stands there
	size int64
	dir  bool
}

// entries is an archive's members, one after the other: Read gives the content of the one that next
// gave, to io.EOF.
type entries interface {
	io.Reader
	next() (entry, error) // io.EOF at the end of the archive
}

// maxHeaders is how many headers an archive may have: those of members, of folders, and those that only
// say something of the next. The largest image that is known has ten.
const maxHeaders = 64

// maxPAX bounds one extended header, in bytes. Real ones have times, owners and labels.
const maxPAX = 16 << 10

// tarReader reads the headers of a tar archive: POSIX.1-1988 (ustar), POSIX.1-2001 (pax), and of GNU tar's
// own what plain files need (see "Basic Tar Format" in its manual, and src/tar.h).
type tarReader struct {
	r       io.Reader
	left    int64 // content of the current member
	pad     int64 // zeros after it
	headers int
}

const tarBlock = 512

func (t *tarReader) Read(p []byte) (int, error) {
	if t.left == 0 {
		return 0, io.EOF
	}
	n, err := t.r.Read(p[:min(int64(len(p)), t.left)])
	t.left -= int64(n)
	if err == io.EOF {
		err = nil
		if n == 0 {
			err = errCut
		}
	}
	return n, err
}

// next wants the content of the member before to have been read.
func (t *tarReader) next() (entry, error) {
	var told map[string]string // by a PAX header, of the next one
	for {
		var b [tarBlock]byte
		if err := t.full(b[:t.pad]); err != nil {
			return entry{}, err
		}
		t.pad = 0
		if err := t.full(b[:]); err != nil {
			return entry{}, err
		}
		if b == [tarBlock]byte{} {
			if told != nil {
				return entry{}, fmt.Errorf("a PAX header and nothing that it is about")
			}
			return entry{}, io.EOF
		}
		if t.headers++; t.headers > maxHeaders {
			return entry{}, fmt.Errorf("more than %d headers", maxHeaders)
		}
		h, err := decodeTar(b[:])
		if err != nil {
			return entry{}, err
		}
		if h.kind != 'x' && h.kind != 'g' {
			return t.member(h, told)
		}
		if told, err = t.readPAX(h, told); err != nil {
			return entry{}, err
		}
	}
}

// member is the header of something that has a name.
func (t *tarReader) member(h tarHeader, told map[string]string) (entry, error) {
	if what := tarKinds[h.kind]; what != "" {
		return entry{}, invalid(h.path, "is %s: an image has only plain files", what)
	}
	for key, value := range told {
		if key == "path" && value == h.path || key == "size" && value == strconv.FormatInt(h.size, 10) {
			continue
		}
		return entry{}, invalid(h.path, "its PAX header says another %s: %q", key, shown(value))
	}
	e := entry{path: h.path, size: h.size}
	switch {
	case h.kind == '5', h.kind == 0 && strings.HasSuffix(h.path, "/"):
		e.dir = true
		if h.size != 0 {
			return entry{}, invalid(h.path, "is a folder of %d bytes", h.size)
		}
	case h.kind != '0' && h.kind != 0:
		return entry{}, invalid(h.path, "is of the unknown type %q: an image has only plain files", h.kind)
	}
	t.left, t.pad = h.size, -h.size&(tarBlock-1)
	return e, nil
}

// tarKinds are the types that a member of an image is not.
var tarKinds = map[byte]string{
	'1': "a hard link", '2': "a symbolic link", '3': "a character device", '4': "a block device", '6': "a FIFO",
	'7': "a contiguous file", 'D': "a folder of an incremental dump", 'K': "the name of a long link",
	'L': "a long name", 'M': "the rest of another volume", 'S': "a sparse file", 'V': "a volume's name",
}

// readPAX reads an extended header and gives those of its records that would change what the next
// header says. A global one may say nothing of the kind.
func (t *tarReader) readPAX(h tarHeader, before map[string]string) (map[string]string, error) {
	if h.size > maxPAX {
		return nil, invalid(h.path, "is a PAX header of %d bytes", h.size)
	}
	if h.kind == 'x' && before != nil {
		return nil, invalid(h.path, "is the second PAX header of one member")
	}
	text := make([]byte, h.size)
	if err := t.full(text); err != nil {
		return nil, err
	}
	t.pad = -h.size & (tarBlock - 1)
	told, err := parsePAX(text)
	if err != nil {
		return nil, invalid(h.path, "%w", err)
	}
	if h.kind == 'x' {
		return told, nil
	}
	for key := range told {
		return nil, invalid(h.path, "its global PAX header says a %s", key)
	}
	return before, nil
}

// parsePAX gives the records "LENGTH KEY=VALUE\n" that would change a name, a size or what the content
// means. Owners, times, labels and attributes are nothing to an image.
func parsePAX(text []byte) (map[string]string, error) {
	told := map[string]string{}
	for len(text) > 0 {
		digits, _, ok := bytes.Cut(text[:min(len(text), 8)], []byte{' '})
		n, err := strconv.Atoi(string(digits))
		if !ok || err != nil || n <= len(digits)+2 || n > len(text) || text[n-1] != '\n' {
			return nil, fmt.Errorf("damaged PAX header")
		}
		key, value, ok := strings.Cut(string(text[len(digits)+1:n-1]), "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("damaged PAX header")
		}
		text = text[n:]
		switch {
		case key == "path", key == "size", key == "linkpath", strings.HasPrefix(key, "GNU."), key == "SCHILY.realsize", key == "SCHILY.filetype":
			if _, twice := told[key]; twice {
				return nil, fmt.Errorf("the PAX header says a %s twice", shown(key))
			}
			told[key] = value
		}
	}
	return told, nil
}

func (t *tarReader) full(p []byte) error {
	_, err := io.ReadFull(t.r, p)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errCut
	}
	return err
}

// tarHeader is a header block.
type tarHeader struct {
	path string
	size int64
	kind byte
}

// decodeTar decodes a header block of 512 bytes.
func decodeTar(b []byte) (tarHeader, error) {
	if !isTar(b) {
		return tarHeader{}, fmt.Errorf("damaged: no tar header where one should be")
	}
	h := tarHeader{path: cString(b[:100]), kind: b[156]}
	if prefix := cString(b[345:500]); string(b[257:263]) == "ustar\x00" && prefix != "" {
		h.path = prefix + "/" + h.path
	}
	var err error
	if h.size, err = parseOctal(b[124:136]); err != nil {
		return h, invalid(h.path, "its size: %w", err)
	}
	return h, nil
}

// isTar reports whether b begins with a tar header: its sum is that of its bytes, with the sum itself
// taken for spaces.
func isTar(b []byte) bool {
	if len(b) < tarBlock {
		return false
	}
	want, err := parseOctal(b[148:156])
	sum := int64(8 * ' ')
	for i, c := range b[:tarBlock] {
		if i < 148 || i >= 156 {
			sum += int64(c)
		}
	}
	return err == nil && sum == want && b[0] != 0
}

func cString(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}

// parseOctal reads a number of octal digits, with spaces before and a space or a zero after it. GNU's
// other form is for sizes from 8 GiB on.
func parseOctal(b []byte) (int64, error) {
	digits := strings.Trim(cString(b), " ")
	if digits == "" {
		return 0, nil // GNU tar has no size for a volume's name
	}
	n, err := strconv.ParseUint(digits, 8, 62)
	if err != nil {
		return 0, fmt.Errorf("not an octal number: %q", shown(digits))
	}
	return int64(n), nil
}
