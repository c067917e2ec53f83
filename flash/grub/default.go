package grub

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// DefaultFile is GRUB Legacy's file `default`: the number of the saved entry in decimal, then
// anything. GRUB 0.97 reads the first 10 bytes, and writes the first sector (savedefault_func in
// stage2/builtins.c); it leaves a zero byte and newlines behind the number.
type DefaultFile struct {
	Number string // the digits as they stand
	Rest   []byte // everything behind the digits
}

// defaultRead is how many bytes GRUB Legacy reads of the file. It takes a shorter file for an error.
const defaultRead = 10

// maxNumber is the largest that leaves room for a byte that is no digit.
const maxNumber = 999_999_999

// NewDefaultFile is a fresh file of one sector, as GRUB replaces it whole.
func NewDefaultFile(entry int) DefaultFile {
	const warning = "# GRUB Legacy keeps the number of the entry to boot here. It writes this sector itself:\n" +
		"# do not shorten, move or replace this file.\n"
	number := strconv.Itoa(entry)
	// Behind the number lies what GRUB overwrites.
	rest := "\n" + strings.Repeat("#\n", defaultRead) + warning
	return DefaultFile{Number: number, Rest: []byte(rest + strings.Repeat("\n", sectorSize-len(number)-len(rest)))}
}

// DecodeDefaultFile decodes the file's bytes.
func DecodeDefaultFile(b []byte) (DefaultFile, error) {
	if len(b) < defaultRead {
		return DefaultFile{}, fmt.Errorf("%d bytes, GRUB Legacy wants at least %d", len(b), defaultRead)
	}
	digits := 0
	for digits < defaultRead && isDigit(b[digits]) {
		digits++
	}
	// GRUB Legacy takes 0x for the start of a hexadecimal number. Nobody writes that; what is not
	// understood is not guessed.
	hex := digits == 1 && b[0] == '0' && (b[1] == 'x' || b[1] == 'X')
	if digits == 0 || digits == defaultRead || hex {
		return DefaultFile{}, fmt.Errorf("%q is not the number of an entry", b[:defaultRead])
	}
	return DefaultFile{Number: string(b[:digits]), Rest: bytes.Clone(b[digits:])}, nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// Entry is the number of the saved entry.
func (d DefaultFile) Entry() string {
	if n := strings.TrimLeft(d.Number, "0"); n != "" {
		return n
	}
	return "0"
}

// Once is "": GRUB Legacy has no entry for one boot.
func (d DefaultFile) Once() string { return "" }

// With is the same with another number. What is behind it keeps its place: a longer number covers
// the first of it, and a shorter one leaves newlines.
func (d DefaultFile) With(entry string) (Saved, error) {
	if _, err := entryNumber(entry, maxNumber); err != nil {
		return nil, err
	}
	rest := bytes.Clone(d.Rest)
	if less := len(d.Number) - len(entry); less > 0 {
		rest = append(bytes.Repeat([]byte("\n"), less), rest...)
	} else if len(rest) <= -less {
		return nil, fmt.Errorf("no room for %s in a file of %d bytes", entry, len(d.Number)+len(rest))
	} else {
		rest = rest[-less:]
	}
	if isDigit(rest[0]) || rest[0] == 'x' || rest[0] == 'X' {
		rest[0] = '\n' // else it would belong to the number
	}
	return DefaultFile{Number: entry, Rest: rest}, nil
}

// Encode gives the file's bytes.
func (d DefaultFile) Encode() ([]byte, error) {
	return append([]byte(d.Number), d.Rest...), nil
}
