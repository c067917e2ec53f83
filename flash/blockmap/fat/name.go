package fat

import (
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf16"
)

// cp437 has the characters of the bytes from 0x80 in the code page of the IBM PC, which is what Linux
// takes short names to be in, unless told otherwise.
var cp437 = []rune("ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐" +
	"└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0")

// shortName is the name of a directory entry as Linux shows it with its default, shortname=mixed: two
// bits of the entry say that the name or the extension is in lower case.
func shortName(b []byte) string {
	raw := [11]byte(b)
	if raw[0] == 0x05 {
		raw[0] = deleted // a name that begins with this byte
	}
	name := shortPart(raw[:8], b[12]&0x08 != 0)
	if ext := shortPart(raw[8:], b[12]&0x10 != 0); ext != "" {
		name += "." + ext
	}
	return withoutSlash(name)
}

func shortPart(b []byte, lower bool) string {
	var s strings.Builder
	for _, c := range b {
		if c == 0 {
			break
		}
		r := rune(c)
		if c >= 0x80 {
			r = cp437[c-0x80]
		}
		if lower {
			r = unicode.ToLower(r)
		}
		s.WriteRune(r)
	}
	return strings.TrimRight(s.String(), " ")
}

// withoutSlash keeps a damaged name from being taken for a path.
func withoutSlash(name string) string { return strings.ReplaceAll(name, "/", "?") }

// checksum binds a long name to the short name that follows it.
func checksum(short []byte) byte {
	var sum byte
	for _, c := range short[:11] {
		sum = sum>>1 | sum<<7
		sum += c
	}
	return sum
}

// longName gathers a long name from its pieces, which come last one first, each with its number, and
// the last one with a mark.
type longName struct {
	units    []uint16
	expected byte // the number of the next piece; 0 when all are there
	checksum byte
}

const (
	pieceUnits = 13
	maxPiece   = 20   // 255 characters
	lastPiece  = 0x40 // mark
)

// add takes the next piece; one that does not fit makes what is there invalid.
func (l *longName) add(b []byte) {
	number := b[0] &^ lastPiece
	if b[0]&lastPiece != 0 && number <= maxPiece {
		*l = longName{units: make([]uint16, int(number)*pieceUnits), expected: number, checksum: b[13]}
	}
	if number == 0 || number != l.expected || b[13] != l.checksum {
		*l = longName{}
		return
	}
	l.expected--
	piece := l.units[int(l.expected)*pieceUnits:]
	for i := range pieceUnits {
		at := 1 + 2*i // three runs of characters, between them other fields
		if i >= 5 {
			at += 3
		}
		if i >= 11 {
			at += 2
		}
		piece[i] = binary.LittleEndian.Uint16(b[at:])
	}
}

// take gives the name and forgets it: "" where it is not whole or belongs to another short name.
func (l *longName) take(short []byte) string {
	units := l.units
	valid := l.expected == 0 && l.checksum == checksum(short)
	*l = longName{}
	if !valid {
		return ""
	}
	for i, u := range units {
		if u == 0 {
			units = units[:i]
			break
		}
	}
	name := withoutSlash(string(utf16.Decode(units)))
	if name == "." || name == ".." {
		return ""
	}
	return name
}
