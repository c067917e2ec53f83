package flash

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"time"
)

// A state record on the flash, all numbers little-endian:
//
//	  0  8  magic
//	  8  1  version of the format
//	  9  1  1 when a change is pending
//	 10  1  its operation
//	 11  1  number of entries
//	 12  1  last event: its kind
//	 13  1  its operation
//	 14  1  its tries
//	 15  1  zero
//	 16  8  sequence
//	 24 128  pending: active and backup before, active and backup after
//	152 32  last event: ID of its image
//	184  4  its time
//	188 38  each of 8 entries: ID, state, tries left, time
//	492 16  boots in which active and backup changed, 8 bytes each; zero in older records
//	508  4  CRC-32C of all before
//
// Times are seconds since 1970, up to 2106; zero is no time.
const (
	recordMagic   = "HFSLOTS\x00"
	recordVersion = 1

	pendingAt = 24
	eventAt   = 152
	entriesAt = 188
	entrySize = 38
	changedAt = 492
	crcAt     = RecordSize - 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode gives the RecordSize bytes of a record. It fails on more than MaxEntries entries, and on numbers
// that the format has no room for.
func (r Record) Encode() ([]byte, error) {
	if len(r.Entries) > MaxEntries {
		return nil, fmt.Errorf("encode state record: %d images, there is room for %d", len(r.Entries), MaxEntries)
	}
	b := make([]byte, RecordSize)
	copy(b, recordMagic)
	b[8] = recordVersion
	b[11] = byte(len(r.Entries))
	binary.LittleEndian.PutUint64(b[16:], r.Seq)
	if p := r.Pending; p != nil {
		b[9], b[10] = 1, byte(p.Op)
		for i, id := range []ID{p.Before.Active, p.Before.Backup, p.After.Active, p.After.Backup} {
			copy(b[pendingAt+i*len(id):], id[:])
		}
	}
	if r.Last.Tries < 0 || r.Last.Tries > 255 {
		return nil, fmt.Errorf("encode state record: %d tries", r.Last.Tries)
	}
	b[12], b[13], b[14] = byte(r.Last.Kind), byte(r.Last.Op), byte(r.Last.Tries)
	copy(b[eventAt:], r.Last.ID[:])
	putTime(b[eventAt+32:], r.Last.At)
	for i, e := range r.Entries {
		if e.Tries < 0 || e.Tries > 255 {
			return nil, fmt.Errorf("encode state record: %d tries", e.Tries)
		}
		at := b[entriesAt+i*entrySize:]
		copy(at, e.ID[:])
		at[32], at[33] = byte(e.State), byte(e.Tries)
		putTime(at[34:], e.Since)
	}
	for i, boot := range r.Changed {
		copy(b[changedAt+i*len(boot):], boot[:])
	}
	binary.LittleEndian.PutUint32(b[crcAt:], crc32.Checksum(b[:crcAt], castagnoli))
	return b, nil
}

// DecodeRecord reads the bytes of a record. What is no record, or was torn, is ErrNoRecord, and so is
// one of a later format.
func DecodeRecord(b []byte) (Record, error) {
	if len(b) != RecordSize || string(b[:8]) != recordMagic || b[8] != recordVersion ||
		binary.LittleEndian.Uint32(b[crcAt:]) != crc32.Checksum(b[:crcAt], castagnoli) {
		return Record{}, ErrNoRecord
	}
	// What comes now is as it was written, by us or by somebody who means harm.
	if b[11] > MaxEntries || int(b[10]) >= len(opNames) || int(b[13]) >= len(opNames) || b[12] > byte(Finished) || b[9] > 1 {
		return Record{}, ErrNoRecord
	}
	r := Record{Seq: binary.LittleEndian.Uint64(b[16:])}
	if b[9] == 1 {
		id := func(i int) ID { return ID(b[pendingAt+i*32:]) }
		r.Pending = &Pending{Op: Op(b[10]), Before: Pair{id(0), id(1)}, After: Pair{id(2), id(3)}}
	}
	r.Last = Event{Kind: EventKind(b[12]), Op: Op(b[13]), Tries: int(b[14]), ID: ID(b[eventAt:]), At: getTime(b[eventAt+32:])}
	for i := range r.Changed {
		r.Changed[i] = BootID(b[changedAt+i*len(BootID{}):])
	}
	for i := range int(b[11]) {
		at := b[entriesAt+i*entrySize:]
		if int(at[32]) >= len(states) {
			return Record{}, ErrNoRecord
		}
		r.Entries = append(r.Entries, Entry{ID: ID(at), State: State(at[32]), Tries: int(at[33]), Since: getTime(at[34:])})
	}
	return r, nil
}

func putTime(b []byte, t time.Time) {
	seconds := int64(0)
	if !t.IsZero() {
		seconds = min(max(t.Unix(), 1), 1<<32-1)
	}
	binary.LittleEndian.PutUint32(b, uint32(seconds))
}

func getTime(b []byte) time.Time {
	seconds := binary.LittleEndian.Uint32(b)
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

// Newest gives the record that counts of the contents of RecordFiles, and which of the two it is. The
// sequence may wrap around: the one that is ahead by less than half of all numbers is the newer. Where
// neither is a record, the error is ErrNoRecord and index is -1.
func Newest(a, b []byte) (r Record, index int, err error) {
	first, errA := DecodeRecord(a)
	second, errB := DecodeRecord(b)
	switch {
	case errA != nil && errB != nil:
		return Record{}, -1, ErrNoRecord
	case errB != nil || errA == nil && int64(second.Seq-first.Seq) <= 0:
		return first, 0, nil
	}
	return second, 1, nil
}

// Unfinished ends the name of one of Made while it is made.
const Unfinished = ".new"

// readRecord finds the newest state record. That there is none is no problem on a flash that no
// operation has touched; that both are there and neither can be used is one.
func (f *Flash) readRecord(fsys fs.FS) {
	var blocks [2][]byte
	broken := 0
	for _, name := range Made {
		if _, err := fs.Stat(fsys, name+Unfinished); err == nil {
			f.Unfinished = append(f.Unfinished, name+Unfinished)
		}
	}
	for i, name := range RecordFiles {
		var err error
		if blocks[i], err = ReadRecordFile(fsys, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.problem("%s: %v", name, cause(err))
		} else if err == nil && !blank(blocks[i]) {
			broken++
		}
	}
	r, _, err := Newest(blocks[0], blocks[1])
	if err != nil && broken > 0 {
		f.problem("%s: %v", RecordFiles[0], err)
	}
	f.Record = r
}

// ReadRecordFile reads one of RecordFiles: at most one byte more than a record has.
func ReadRecordFile(fsys fs.FS, name string) ([]byte, error) {
	return readHead(fsys, name, RecordSize+1)
}

// blank reports that a file was made for a record, and nothing was written yet.
func blank(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
