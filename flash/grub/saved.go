package grub

import (
	"fmt"
	"strconv"
)

// Saved is a saved default, decoded from any of its forms. It is a value: With gives another.
type Saved interface {
	// Entry is what is saved: of grubenv a number, a title, an id or "submenu>entry", of the others a
	// number; "" when nothing is.
	Entry() string
	// Once is the entry of the next boot alone, GRUB 2's next_entry; "" when there is none.
	Once() string
	// With is the same with entry saved, and with none for the next boot alone.
	With(entry string) (Saved, error)
	// Encode gives as many bytes as were decoded.
	Encode() ([]byte, error)
}

// Decode decodes the bytes of a saved default: the whole file, or of Stage2 the sector.
func (f Form) Decode(b []byte) (Saved, error) {
	switch f {
	case LegacyFile:
		return DecodeDefaultFile(b)
	case EnvFile:
		return DecodeEnv(b)
	case Stage2:
		return DecodeStage2(b)
	}
	return nil, fmt.Errorf("form %d of a saved default is not known", f)
}

// Boots is what GRUB is asked for at the next start, in the words of Entry. Which entry that comes to
// is for Menu.Boots to say.
func Boots(s Saved) string {
	if once := s.Once(); once != "" {
		return once
	}
	return s.Entry()
}

// entryNumber reads the number of an entry for the forms that hold nothing else.
func entryNumber(entry string, limit int) (int, error) {
	n, err := strconv.Atoi(entry)
	if err != nil || n < 0 || n > limit || strconv.Itoa(n) != entry {
		return 0, fmt.Errorf("%q is not a number from 0 to %d, and GRUB Legacy knows its entries by nothing else", entry, limit)
	}
	return n, nil
}
