package store

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/flash"
)

// TestWriteRecord writes records over whatever is in the place of their files.
func TestWriteRecord(t *testing.T) {
	valid := func(seq uint64, tries int) string {
		b, err := flash.Record{Seq: seq, Last: flash.Event{Tries: tries}}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, tt := range []struct {
		name   string
		files  [2]string // "" for none, "/" for a directory
		before int       // tries of the event that counts
		seq    uint64    // of the record that is written
		kept   int       // which of the two stays as it is; -1 for none
	}{
		{"none", [2]string{}, 0, 1, -1},
		{"first newer", [2]string{valid(5, 50), valid(4, 40)}, 50, 6, 0},
		{"second newer", [2]string{valid(4, 40), valid(5, 50)}, 50, 6, 1},
		{"only first", [2]string{valid(5, 50), ""}, 50, 6, 0},
		{"only second", [2]string{"", valid(5, 50)}, 50, 6, 1},
		{"equal", [2]string{valid(5, 50), valid(5, 50)}, 50, 6, 0},
		{"wrapping", [2]string{valid(math.MaxUint64-1, 40), valid(math.MaxUint64, 50)}, 50, 0, 1},
		{"wrapped", [2]string{valid(0, 60), valid(math.MaxUint64, 50)}, 60, 1, 0},
		{"torn", [2]string{valid(5, 50)[:256] + valid(3, 30)[256:], valid(4, 40)}, 40, 5, 1},
		{"both torn", [2]string{strings.Repeat("x", 512), strings.Repeat("y", 512)}, 0, 1, -1},
		{"short", [2]string{valid(5, 50)[:511], valid(4, 40)}, 40, 5, 1},
		{"long", [2]string{valid(4, 40), valid(5, 50) + "x"}, 40, 5, 0},
		{"a directory", [2]string{"/", valid(4, 40)}, 40, 5, 1},
		{"empty", [2]string{valid(4, 40), " "}, 40, 5, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := memory(t)
			newFlash(t, dir, nil)
			for i, text := range tt.files {
				name := filepath.Join(dir, flash.RecordFiles[i])
				if text == "/" {
					place(t, name, map[string]string{"x": "x"})
				} else if text != "" {
					place(t, filepath.Dir(name), map[string]string{filepath.Base(name): strings.TrimSpace(text)})
				}
			}
			tree := open(t, dir, Options{})
			err := tree.Write(func(r *flash.Record) {
				if r.Last.Tries != tt.before {
					t.Errorf("the record before says %d tries, want %d", r.Last.Tries, tt.before)
				}
				r.Last.Tries = 99
			})
			if err != nil {
				t.Fatal(err)
			}
			if r, err := tree.Record(); err != nil || r.Seq != tt.seq || r.Last.Tries != 99 {
				t.Errorf("Record = %+v, %v, want %d", r, err, tt.seq)
			}
			for i, name := range flash.RecordFiles {
				b, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil || len(b) != flash.RecordSize {
					t.Errorf("%s: %d bytes, %v", name, len(b), err)
				}
				if i == tt.kept && string(b) != tt.files[i] {
					t.Errorf("%s was written, and is the newer one", name)
				}
			}
			if got := entries(t, filepath.Join(dir, "cfg")); got != " /slots0 /slots1" {
				t.Errorf("cfg holds%s", got)
			}
		})
	}
}

// TestRecordStays sees that a record file keeps its blocks.
func TestRecordStays(t *testing.T) {
	d := newDisk(t, "ext4", "8M")
	newFlash(t, d.dir, nil)
	tree := open(t, d.dir, Options{Type: "ext4"})
	where := func() string {
		run(t, "sync", "-f", d.dir)
		return d.extents("cfg/slots0") + d.extents("cfg/slots1")
	}
	tries := func(n int) {
		if err := tree.Write(func(r *flash.Record) { r.Last.Tries = n }); err != nil {
			t.Fatal(err)
		}
	}
	tries(1)
	before := where()
	for n := range 5 {
		tries(n)
	}
	if after := where(); after != before {
		t.Errorf("the records moved from\n%s\nto\n%s", before, after)
	}
}

// TestTrim writes of more images than a record has room for.
func TestTrim(t *testing.T) {
	dir := memory(t)
	newFlash(t, dir, map[string]string{"active": "v2", "v3": "v3"})
	tree := open(t, dir, Options{})
	at := time.Unix(1_000_000, 0)
	err := tree.Write(func(r *flash.Record) {
		r.Entries = append(r.Entries, flash.Entry{ID: id("v2", 3000), State: flash.Confirmed, Since: at}, flash.Entry{ID: id("v3", 3000), State: flash.Bad, Since: at})
		r.Entries = append(r.Entries, flash.Entry{ID: flash.ID{9}}, flash.Entry{State: flash.Confirmed}) // says nothing
		for n := range 20 {
			r.Entries = append(r.Entries, flash.Entry{ID: flash.ID{1, byte(n)}, State: flash.Trial, Since: at.Add(time.Duration(n+1) * time.Second)})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := tree.Record()
	if err != nil || len(r.Entries) != flash.MaxEntries {
		t.Fatalf("Record = %+v, %v", r, err)
	}
	for id, want := range map[flash.ID]flash.State{id("v2", 3000): flash.Confirmed, id("v3", 3000): flash.Bad, {1, 19}: flash.Trial, {1, 14}: flash.Trial, {1, 13}: flash.Untold} {
		if got := r.Entry(id).State; got != want {
			t.Errorf("%v is %v, want %v", id, got, want)
		}
	}
}
