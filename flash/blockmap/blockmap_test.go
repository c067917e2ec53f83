package blockmap

import (
	"errors"
	"slices"
	"testing"
)

func TestPlain(t *testing.T) {
	at := func(logical, physical, length int64, flags Flags) Extent {
		return Extent{Logical: logical, Physical: physical, Length: length, Flags: flags}
	}
	for _, tt := range []struct {
		name    string
		size    int64
		extents []Extent
		want    string // the place, or the reason against it
	}{
		{"one block", 1024, []Extent{at(0, 544768, 1024, 0)}, "1064+2"},
		{"less than a sector", 10, []Extent{at(0, 544768, 1024, 0)}, "1064+1"},
		{"one byte more than a sector", 513, []Extent{at(0, 544768, 4096, 0)}, "1064+2"},
		{"space reserved behind the end", 512, []Extent{at(0, 4096, 512, 0), at(512, 9216, 512, Unwritten)}, "8+1"},
		{"at the very start", 512, []Extent{at(0, 0, 512, 0)}, "0+1"},
		{"empty", 0, nil, "the file is empty"},
		{"empty with space reserved", 0, []Extent{at(0, 4096, 512, Unwritten)}, "the file is empty"},
		{"nothing but a hole", 512, nil, "the file is a hole"},
		{"only space behind the end", 512, []Extent{at(4096, 4096, 512, 0)}, "it begins with a hole"},
		{"hole first", 1024, []Extent{at(512, 4096, 512, 0)}, "it begins with a hole"},
		{"hole last", 1024, []Extent{at(0, 4096, 512, 0)}, "it ends with a hole"},
		{"hole between", 1536, []Extent{at(0, 4096, 512, 0), at(1024, 5120, 512, 0)}, "it lies in several places"},
		{"two places", 1024, []Extent{at(0, 4096, 512, 0), at(512, 9216, 512, 0)}, "it lies in several places"},
		{"part not written", 1024, []Extent{at(0, 4096, 512, 0), at(512, 4608, 512, Unwritten)}, "it lies in several places"},
		{"unwritten", 512, []Extent{at(0, 4096, 512, Unwritten)}, "its data is unwritten"},
		{"inline", 60, []Extent{at(0, 4161, 60, Inline)}, "its data is inline"},
		{"compressed", 512, []Extent{at(0, 4096, 512, Compressed)}, "its data is compressed"},
		{"encrypted", 512, []Extent{at(0, 4096, 512, Encrypted)}, "its data is encrypted"},
		{"delayed", 512, []Extent{at(0, 0, 512, Delayed)}, "its data is not yet allocated"},
		{"shared", 512, []Extent{at(0, 4096, 512, Shared)}, "its data is shared"},
		{"several reasons", 512, []Extent{at(0, 4096, 512, Unwritten|Shared)}, "its data is unwritten, shared"},
		{"between sectors", 512, []Extent{at(0, 4097, 512, 0)}, "it does not begin with a sector"},
		{"before the device", 512, []Extent{at(0, -512, 512, 0)}, "it does not begin with a sector"},
	} {
		place, err := Map{Size: tt.size, Extents: tt.extents}.Plain()
		got := place.String()
		if err != nil {
			got = err.Error()
			if !errors.Is(err, ErrNotPlain) || place != (Place{}) {
				t.Errorf("%s: Plain() = %v, %v; want no place and ErrNotPlain", tt.name, place, err)
			}
			tt.want = "not one plain extent: " + tt.want
		}
		if got != tt.want {
			t.Errorf("%s: Plain() = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, tt := range []struct {
		name    string
		size    int64
		extents []Extent
		want    []Place
		err     string
	}{
		{"none", 0, nil, nil, ""},
		{"cut at the end", 1025, []Extent{{0, 4096, 1024, 0}, {1024, 8192, 1024, 0}}, []Place{{8, 2}, {16, 1}}, ""},
		{"behind the end", 512, []Extent{{0, 4096, 512, 0}, {512, 8192, 512, 0}}, []Place{{8, 1}}, ""},
		{"hole", 4096, []Extent{{1024, 4096, 512, 0}}, []Place{{8, 1}}, ""},
		{"unwritten and shared", 512, []Extent{{0, 4096, 512, Unwritten | Shared}}, []Place{{8, 1}}, ""},
		{"inline", 10, []Extent{{0, 4100, 10, Inline}}, nil, "not in sectors of its own: its data is inline"},
		{"delayed", 512, []Extent{{0, 0, 512, Delayed}}, nil, "not in sectors of its own: its data is not yet allocated"},
		{"between sectors", 512, []Extent{{0, 4100, 512, 0}}, nil, "not in sectors of its own: an extent does not begin with a sector"},
	} {
		got, err := Map{Size: tt.size, Extents: tt.extents}.Places()
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.err == "") || (err != nil && err.Error() != tt.err) {
			t.Errorf("%s: Places() = %v, %v; want %v, %s", tt.name, got, err, tt.want, tt.err)
		}
	}
}

func TestAdd(t *testing.T) {
	for _, tt := range []struct {
		name       string
		add, after []Extent
	}{
		{"continued", []Extent{{0, 4096, 512, 0}, {512, 4608, 1024, 0}}, []Extent{{0, 4096, 1536, 0}}},
		{"elsewhere", []Extent{{0, 4096, 512, 0}, {512, 8192, 512, 0}}, []Extent{{0, 4096, 512, 0}, {512, 8192, 512, 0}}},
		{"after a hole", []Extent{{0, 4096, 512, 0}, {1024, 4608, 512, 0}}, []Extent{{0, 4096, 512, 0}, {1024, 4608, 512, 0}}},
		{"of another kind", []Extent{{0, 4096, 512, 0}, {512, 4608, 512, Unwritten}}, []Extent{{0, 4096, 512, 0}, {512, 4608, 512, Unwritten}}},
		{"of the same kind", []Extent{{0, 4096, 512, Shared}, {512, 4608, 512, Shared}}, []Extent{{0, 4096, 1024, Shared}}},
	} {
		var m Map
		for _, e := range tt.add {
			m.Add(e)
		}
		if !slices.Equal(m.Extents, tt.after) {
			t.Errorf("%s: %v, want %v", tt.name, m.Extents, tt.after)
		}
	}
}
