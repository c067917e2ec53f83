package grub

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// Stage2Sector is the saved default of Formilux's GRUB Legacy 0.96: sector 2 of the disk, which is the
// second of the stage2 that lies behind the MBR there. Its header is that of stage2/asm.S with the
// offsets of stage2/shared.h: at 6 the compatibility version 3.2, at 8 the install partition, at 0xc
// the saved entry, at 0x10 which stage it is, at 0x12 the version and behind its zero byte the path
// of the menu. All else in the sector is code, and kept.
type Stage2Sector struct {
	Number  uint32
	Version string // "0.96"
	raw     [sectorSize]byte
}

// Stage2At is the sector of the disk, of 512 bytes, that holds a Stage2Sector.
const Stage2At = 2

const (
	stage2Retry   = 240 // up to 247: states of its own that Formilux's GRUB keeps between retries
	stage2Highest = 247
)

// DecodeStage2 decodes the sector. Where GRUB Legacy's setup has embedded a stage1.5 there is a header
// of the same shape in the same place; it is told from this one by which stage it says it is.
func DecodeStage2(b []byte) (Stage2Sector, error) {
	if len(b) != sectorSize {
		return Stage2Sector{}, fmt.Errorf("%d bytes, a sector has %d", len(b), sectorSize)
	}
	version, _, ended := bytes.Cut(b[0x12:], []byte{0})
	switch {
	case b[6] != 3 || b[7] != 2:
		return Stage2Sector{}, errors.New("no header of GRUB Legacy's stage2")
	case b[0x10] != 0:
		return Stage2Sector{}, errors.New("a stage1.5 of GRUB Legacy, which saves no default")
	case binary.LittleEndian.Uint32(b[8:]) != 0xffffff:
		return Stage2Sector{}, errors.New("a stage2 of GRUB Legacy that is not installed on the whole disk")
	case !ended || !bytes.HasPrefix(version, []byte("0.9")) || len(version) > 16 || !printable(version):
		return Stage2Sector{}, errors.New("a stage2 of GRUB Legacy without a version")
	}
	s := Stage2Sector{Number: binary.LittleEndian.Uint32(b[0xc:]), Version: string(version)}
	copy(s.raw[:], b)
	return s, nil
}

func printable(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' || r > '~' })
}

// Retry reports that the number is no entry but a retry state, 240 to 247.
func (s Stage2Sector) Retry() bool { return s.Number >= stage2Retry && s.Number <= stage2Highest }

// Entry is the number of the saved entry.
func (s Stage2Sector) Entry() string { return strconv.FormatUint(uint64(s.Number), 10) }

// Once is "": GRUB Legacy has no entry for one boot.
func (s Stage2Sector) Once() string { return "" }

// With is the same with another entry. The retry states are not for anyone but GRUB to set.
func (s Stage2Sector) With(entry string) (Saved, error) {
	n, err := entryNumber(entry, stage2Retry-1)
	if err != nil {
		return nil, err
	}
	s.Number = uint32(n)
	return s, nil
}

// Encode gives the sector.
func (s Stage2Sector) Encode() ([]byte, error) {
	b := bytes.Clone(s.raw[:])
	binary.LittleEndian.PutUint32(b[0xc:], s.Number)
	return b, nil
}
