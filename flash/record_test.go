package flash

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"reflect"
	"slices"
	"testing"
	"testing/fstest"
	"time"
)

var at = time.Unix(1_800_000_000, 0).UTC()

func fullRecord(seq uint64) Record {
	r := Record{
		Seq:     seq,
		Pending: &Pending{Op: Rotating, Before: Pair{ID{1}, ID{2}}, After: Pair{ID{3}, ID{1}}},
		Last:    Event{Kind: RolledBack, Op: Installing, ID: ID{9}, Tries: 3, At: at},
		Changed: [2]BootID{{1, 7: 255}, {0: 2, 7: 254}},
	}
	for i := range MaxEntries {
		r.Entries = append(r.Entries, Entry{ID: ID{byte(i), 31: 255}, State: State(i % 4), Tries: i * 36, Since: at})
	}
	return r
}

func encoded(t testing.TB, r Record) []byte {
	t.Helper()
	b, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRecord(t *testing.T) {
	for name, r := range map[string]Record{
		"empty":      {},
		"full":       fullRecord(math.MaxUint64),
		"no pending": {Seq: 7, Entries: []Entry{{ID: ID{1}, State: Trial, Tries: 255}}},
	} {
		b := encoded(t, r)
		if len(b) != RecordSize {
			t.Errorf("%s: %d bytes", name, len(b))
		}
		if got, err := DecodeRecord(b); err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%s: DecodeRecord = %+v, %v, want %+v", name, got, err, r)
		}
	}
}

func TestParseBootID(t *testing.T) {
	for text, want := range map[string]BootID{
		"0123a567-89ab-cdef-0011-223344556677\n": {0x01, 0x23, 0xa5, 0x67, 0x89, 0xab, 0xcd, 0xef},
		"":                                       {}, "0123a567-89ab-cdef": {}, "x123a567-89ab-cdef-0011-223344556677": {},
	} {
		if got := ParseBootID(text); got != want {
			t.Errorf("ParseBootID(%q) = %x, want %x", text, got, want)
		}
	}
}

func TestRecordTimes(t *testing.T) {
	for _, tt := range []struct{ t, want time.Time }{
		{time.Time{}, time.Time{}},
		{time.Unix(-5, 0), time.Unix(1, 0)}, // a clock that was never set
		{time.Unix(0, 0), time.Unix(1, 0)},
		{time.Unix(100, 999), time.Unix(100, 0)},
		{time.Unix(1<<33, 0), time.Unix(1<<32-1, 0)},
	} {
		got, err := DecodeRecord(encoded(t, Record{Last: Event{At: tt.t}}))
		if err != nil || !got.Last.At.Equal(tt.want) {
			t.Errorf("%v comes back as %v, %v", tt.t, got.Last.At, err)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, r := range map[string]Record{
		"nine images": {Entries: make([]Entry, MaxEntries+1)},
		"tries":       {Entries: []Entry{{Tries: 256}}},
		"no tries":    {Entries: []Entry{{Tries: -1}}},
		"event tries": {Last: Event{Tries: 256}},
	} {
		if _, err := r.Encode(); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
}

// forged is a record with bytes that nobody wrote, and a right checksum.
func forged(t *testing.T, at int, value byte) []byte {
	b := encoded(t, fullRecord(1))
	b[at] = value
	binary.LittleEndian.PutUint32(b[crcAt:], crc32.Checksum(b[:crcAt], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func TestDecodeRefuses(t *testing.T) {
	whole := encoded(t, fullRecord(1))
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 1
		if _, err := DecodeRecord(b); !errors.Is(err, ErrNoRecord) {
			t.Fatalf("byte %d differs, and it is still a record", i)
		}
	}
	for name, b := range map[string][]byte{
		"nothing":          nil,
		"zeros":            make([]byte, RecordSize),
		"short":            whole[:511],
		"long":             append(bytes.Clone(whole), 0),
		"torn":             append(bytes.Clone(whole[:256]), encoded(t, Record{})[256:]...),
		"foreign":          bytes.Repeat([]byte("GRUB"), 128),
		"later version":    forged(t, 8, 2),
		"unknown op":       forged(t, 10, 9),
		"nine entries":     forged(t, 11, 9),
		"unknown event":    forged(t, 12, 6),
		"unknown event op": forged(t, 13, 4),
		"unknown state":    forged(t, entriesAt+32, 4),
	} {
		if r, err := DecodeRecord(b); !errors.Is(err, ErrNoRecord) {
			t.Errorf("%s: DecodeRecord = %+v, %v", name, r, err)
		}
	}
}

func TestNewest(t *testing.T) {
	of := func(seq uint64) []byte { return encoded(t, Record{Seq: seq}) }
	torn := of(99)[:100]
	for _, tt := range []struct {
		name  string
		a, b  []byte
		index int
	}{
		{"first", of(2), of(1), 0},
		{"second", of(1), of(2), 1},
		{"equal", of(5), of(5), 0},
		{"only first", of(1), nil, 0},
		{"only second", nil, of(1), 1},
		{"torn first", torn, of(1), 1},
		{"torn second", of(1), torn, 0},
		{"wrapped", of(math.MaxUint64), of(0), 1},
		{"wrapped the other way", of(0), of(math.MaxUint64), 0},
		{"far apart", of(0), of(math.MaxInt64), 1},
		{"both torn", torn, torn, -1},
		{"none", nil, nil, -1},
	} {
		_, index, err := Newest(tt.a, tt.b)
		if index != tt.index || (err != nil) != (tt.index < 0) {
			t.Errorf("%s: Newest = %d, %v, want %d", tt.name, index, err, tt.index)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(encoded(f, Record{}))
	f.Add(encoded(f, fullRecord(3)))
	f.Add(make([]byte, RecordSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == RecordSize { // get behind the checksum
			b = bytes.Clone(b)
			copy(b, recordMagic)
			b[8] = recordVersion
			binary.LittleEndian.PutUint32(b[crcAt:], crc32.Checksum(b[:crcAt], crc32.MakeTable(crc32.Castagnoli)))
		}
		r, err := DecodeRecord(b)
		if err != nil {
			return
		}
		again, err := DecodeRecord(encoded(t, r))
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("%+v comes back as %+v, %v", r, again, err)
		}
	})
}

func TestReadRecords(t *testing.T) {
	m := whole("system")
	m["system/active/SHA256SUMS"] = file("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  kernel.img\n")
	m["system/incoming/kernel.img"] = file("half")
	m["system/trash/x"] = file("")
	f, err := Read(m)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, img := range f.Left {
		left = append(left, img.Name)
	}
	if !slices.Equal(left, []string{"incoming", "trash"}) || len(f.Problems) != 0 {
		t.Errorf("Left %v, problems %q", left, f.Problems)
	}
	if want := ID(sha256.Sum256(m["system/active/SHA256SUMS"].Data)); f.Slots[0].ID != want {
		t.Errorf("ID of active = %v, want that of its manifest, %v", f.Slots[0].ID, want)
	}
	if f.Record.Seq != 0 || f.Slots[0].Entry.State != Untold {
		t.Errorf("a flash without records says %+v", f.Record)
	}
	entry := Entry{ID: f.Slots[0].ID, State: Trial, Tries: 2}
	m["cfg/slots1"] = file(string(encoded(t, Record{Seq: 4, Entries: []Entry{entry}})))
	m["cfg/slots0"] = file("torn")
	if f, err = Read(m); err != nil || f.Record.Seq != 4 || f.Slots[0].Entry != entry || len(f.Problems) != 0 {
		t.Errorf("Read with a record: %+v, entry %+v, problems %q, %v", f.Record, f.Slots[0].Entry, f.Problems, err)
	}
	m["cfg/slots1"] = file("torn too")
	if f, err = Read(m); err != nil || !slices.Contains(f.Problems, "cfg/slots0: no valid state record") {
		t.Errorf("two torn records: problems %q, %v", f.Problems, err)
	}
}

func TestIDWithoutManifest(t *testing.T) {
	base := func() fstest.MapFS {
		m := whole("system")
		delete(m, "system/active/SHA256SUMS")
		delete(m, "system/active/system.sig")
		m["system/active/kernel.img"] = file(string(bytes.Repeat([]byte("k"), headSize+1)))
		return m
	}
	of := func(m fstest.MapFS) ID {
		f, err := Read(m)
		if err != nil {
			t.Fatal(err)
		}
		return f.Slots[0].ID
	}
	same, first := base(), of(base())
	same["system/active/kernel.img"].Data[headSize] = 'x' // behind what is read
	if first.IsZero() || of(same) != first {
		t.Errorf("ID %v, and %v when what is not read differs", first, of(same))
	}
	for name, edit := range map[string]func(fstest.MapFS){
		"other beginning": func(m fstest.MapFS) { m["system/active/kernel.img"].Data[headSize-1] = 'x' },
		"other size": func(m fstest.MapFS) {
			m["system/active/kernel.img"].Data = m["system/active/kernel.img"].Data[:headSize]
		},
		"one file more":   func(m fstest.MapFS) { m["system/active/zzz"] = file("") },
		"broken manifest": func(m fstest.MapFS) { m["system/active/SHA256SUMS"] = file("no manifest") },
	} {
		m := base()
		edit(m)
		if of(m) == first {
			t.Errorf("%s: the same ID", name)
		}
	}
}
