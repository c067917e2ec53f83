package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// header is that of a GPT (UEFI specification, chapter 5.3).
type header struct {
	self     uint64 // the sector it is in
	entries  uint64 // sector of the first entry
	count    uint32 // of entries
	checksum uint32 // of the entries
}

// What tables have: more would be another use of memory that a disk must not ask for.
const (
	gptEntry    = 128 // bytes, the only size the kernel takes
	gptEntries  = 1024
	gptHeader   = 92 // bytes
	gptTypeSize = 16
)

func isGPT(sector []byte) bool { return string(sector[:8]) == "EFI PART" }

// readGPT reads the table behind sector 0, else the copy of it at the disk's end.
func (d device) readGPT() (Table, error) {
	t, err := d.gptAt(1)
	if err == nil {
		return t, nil
	}
	t, other := d.gptAt(d.count - 1)
	if other != nil {
		return Table{}, fmt.Errorf("the disk has a GPT for sectors of %d bytes, which is damaged: %w; its copy: %v", d.sector, err, other)
	}
	t.Notice = fmt.Sprintf("the GPT is damaged (%v); its copy at the end of the disk was read", err)
	return t, nil
}

func (d device) gptAt(n int64) (Table, error) {
	b, err := d.read(n)
	if err != nil {
		return Table{}, err
	}
	h, err := decodeHeader(b)
	if err != nil {
		return Table{}, err
	}
	if h.self != uint64(n) {
		return Table{}, fmt.Errorf("sector %d holds the header of sector %d", n, h.self)
	}
	entries, err := d.readEntries(h)
	if err != nil {
		return Table{}, err
	}
	var t Table
	for i := range int(h.count) {
		e := entries[i*gptEntry:]
		if bytes.Equal(e[:gptTypeSize], make([]byte, gptTypeSize)) {
			continue // not used
		}
		first, last := binary.LittleEndian.Uint64(e[32:]), binary.LittleEndian.Uint64(e[40:])
		p, err := d.partition(i+1, first, last-first+1)
		if err != nil {
			return Table{}, err
		}
		t.Partitions = append(t.Partitions, p)
	}
	return t, nil
}

func decodeHeader(b []byte) (header, error) {
	le := binary.LittleEndian
	if !isGPT(b) {
		return header{}, errors.New("no header")
	}
	length := le.Uint32(b[12:])
	if length < gptHeader || int(length) > len(b) {
		return header{}, fmt.Errorf("a header of %d bytes", length)
	}
	sum := le.Uint32(b[16:])
	b = bytes.Clone(b[:length])
	copy(b[16:20], make([]byte, 4)) // the sum is made with zeros in its own place
	if crc32.ChecksumIEEE(b) != sum {
		return header{}, errors.New("wrong checksum of the header")
	}
	h := header{self: le.Uint64(b[24:]), entries: le.Uint64(b[72:]), count: le.Uint32(b[80:]), checksum: le.Uint32(b[88:])}
	if size := le.Uint32(b[84:]); size != gptEntry || h.count > gptEntries {
		return header{}, fmt.Errorf("%d entries of %d bytes", h.count, size)
	}
	return h, nil
}

func (d device) readEntries(h header) ([]byte, error) {
	b := make([]byte, int(h.count)*gptEntry)
	if h.entries >= uint64(d.count) {
		return nil, fmt.Errorf("the entries are %w", ErrBeyond)
	}
	if n, err := d.r.ReadAt(b, int64(h.entries)*d.sector); n < len(b) {
		if err == io.EOF {
			err = ErrBeyond
		}
		return nil, fmt.Errorf("read the entries: %w", err)
	}
	if crc32.ChecksumIEEE(b) != h.checksum {
		return nil, errors.New("wrong checksum of the entries")
	}
	return b, nil
}
