package grub

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// DefaultFile is GRUB Legacy's file `default`: the number of the saved entry in decimal, then
// anything. GRUB 0.97 reads the first 10 bytes, and writes the first sector (savedefault_func in
// stage2/builtins.c); it leaves a zero byte and newlines behind the number.
type DefaultFile struct {
	Entry int
	Rest  []byte // everything behind the digits, kept as it is
}

// defaultRead is how many bytes GRUB Legacy reads of the file. It takes a shorter file for an error.
const defaultRead = 10

// NewDefaultFile is a fresh file of one sector, as GRUB replaces it whole.
func NewDefaultFile(entry int) DefaultFile {
	const warning = "# GRUB Legacy keeps the number of the entry to boot here. It writes this sector itself:\n" +
		"# do not shorten, move or replace this file.\n"
	// Behind the number lies what GRUB overwrites.
	rest := "\n" + strings.Repeat("#\n", defaultRead) + warning
	size := 512 - len(strconv.Itoa(entry))
	return DefaultFile{Entry: entry, Rest: []byte(rest + strings.Repeat("\n", size-len(rest)))}
}

// DecodeDefaultFile decodes the file's bytes.
func DecodeDefaultFile(b []byte) (DefaultFile, error) {
	if len(b) < defaultRead {
		return DefaultFile{}, fmt.Errorf("%d bytes, GRUB Legacy wants at least %d", len(b), defaultRead)
	}
	digits := 0
	for digits < defaultRead && b[digits] >= '0' && b[digits] <= '9' {
		digits++
	}
	// GRUB Legacy takes 0x for the start of a hexadecimal number. Nobody writes that; what is not
	// understood is not guessed.
	hex := digits == 1 && b[0] == '0' && (b[1] == 'x' || b[1] == 'X')
	if digits == 0 || digits == defaultRead || hex {
		return DefaultFile{}, fmt.Errorf("%q is not the number of an entry", b[:defaultRead])
	}
	entry, err := strconv.Atoi(string(b[:digits]))
	if err != nil {
		return DefaultFile{}, errors.New("number too large")
	}
	return DefaultFile{Entry: entry, Rest: bytes.Clone(b[digits:])}, nil
}

// Encode gives the file's bytes.
func (d DefaultFile) Encode() []byte {
	return append(strconv.AppendInt(nil, int64(d.Entry), 10), d.Rest...)
}
