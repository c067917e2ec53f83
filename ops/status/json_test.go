package status

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/flash"
	"holdfast/flash/blockmap"
	"holdfast/flash/grub"
	"holdfast/flash/volume"
	"holdfast/kexec"
)

// design is the example that says what `status --json` prints.
const design = `{"flash":{"target":"disk.img:2","fstype":"ext2","access":"ro|rw","size":0,"free":0,"layout":"holdfast|formilux"},
 "slots":[{"name":"active|backup|factory","present":true,"version":"1.3.124","kernel":"6.1.0-56-cloud-amd64","size":0,
   "integrity":"verified|intact|damaged|unchecked","signer":null,"state":"confirmed|trial|bad|unknown","tries_left":null,
   "arguments":"acpi=off","problems":["kernel.img: hash differs"]}],
 "staged":[{"version":"1.3.125","integrity":"intact","size":0}],
 "boot_default":{"form":"grub-legacy|grubenv|stage2","device":"disk.img","partition":1,"sector":1064,"count":1,
   "entry":"0","title":"Image 1","slot":"active"},
 "next_boot":["active","active","backup","backup","maintenance"],
 "configs":[{"name":"cur|bak|fac","present":true,"files":12,"size":0,"integrity":"intact|damaged"}],
 "last":{"kind":"installed","text":"active 1.3.124 is on trial, 2 tries left","time":"2026-01-02T03:04:05Z"},
 "problems":["active: kernel.img: hash differs"]}`

// wanted is the document of fullReport.
const wanted = `{
  "flash": {"target": "disk.img:2", "fstype": "ext2", "access": "ro", "size": null, "free": null, "layout": "formilux"},
  "slots": [
    {"name": "active", "present": true, "version": "1.3.124", "kernel": "6.1.0-a", "size": 1234, "integrity": "damaged",
     "signer": null, "state": "unknown", "tries_left": null, "arguments": "quiet a=\"b c\" <x>", "problems": ["kernel.img: hash differs"]},
    {"name": "backup", "present": true, "version": "1.3.121", "kernel": null, "size": 0, "integrity": "unchecked",
     "signer": null, "state": "trial", "tries_left": 2, "arguments": null, "problems": []},
    {"name": "factory", "present": false, "version": null, "kernel": null, "size": null, "integrity": null,
     "signer": null, "state": "unknown", "tries_left": null, "arguments": null, "problems": []}
  ],
  "staged": [{"version": "1.3.125", "integrity": null, "size": 7}],
  "boot_default": {"form": "grub-legacy", "device": "disk.img", "partition": 1, "sector": 1064, "count": 1,
    "entry": "1", "title": "Image 1 (retry)", "slot": "active"},
  "next_boot": ["active", "Memory test"],
  "configs": [
    {"name": "cur", "present": true, "files": 12, "size": 345, "integrity": "intact"},
    {"name": "bak", "present": true, "files": null, "size": 9, "integrity": "damaged"},
    {"name": "fac", "present": false, "files": null, "size": null, "integrity": null}
  ],
  "last": {"kind": "rolled-back", "text": "1.3.124 did not confirm in 3 tries; it may be tried again", "time": "2026-01-02T03:04:05Z"},
  "problems": ["active: kernel.img: hash differs", "cfg/config.bak: cut off", "boot default: something"]
}`

// savedEntry is a saved default for tests.
type savedEntry struct{ entry, once string }

func (s savedEntry) Entry() string                         { return s.entry }
func (s savedEntry) Once() string                          { return s.once }
func (s savedEntry) With(entry string) (grub.Saved, error) { return savedEntry{entry: entry}, nil }
func (s savedEntry) Encode() ([]byte, error)               { return []byte(s.entry), nil }

func fullReport() *Report {
	retry := grub.Entry{Key: "1", Title: "Image 1 (retry)", Slot: "active"}
	other := grub.Entry{Key: "2", Title: "Memory test"}
	image := func(name, version string, size int64) Image {
		return Image{Image: flash.Image{Name: name, Present: size >= 0, Version: version, Size: max(size, 0)}}
	}
	active, backup, factory, staged := image("active", "1.3.124", 1234), image("backup", "1.3.121", 0), image("factory", "", -1), image("1.3.125", "1.3.125", 7)
	active.Arguments = "quiet # nothing\na=\"b c\" <x>\n"
	active.Header, active.Integrity = kexec.Header{Version: "6.1.0-a"}, flash.Damaged
	active.Problems = []string{"kernel.img: hash differs"}
	backup.Integrity = flash.Unchecked
	staged.Staged = true
	active.ID, backup.Entry = flash.ID{1}, flash.Entry{State: flash.Trial, Tries: 2}
	return &Report{
		Record: flash.Record{Last: flash.Event{Kind: flash.RolledBack, ID: active.ID, Tries: 3, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}},
		Target: Target{Name: "disk.img:2", Type: "ext2", Access: "ro",
			GRUB: Place{Volume: &volume.Volume{Name: "disk.img:1", Disk: "disk.img", Partition: 1}}},
		Layout: flash.Formilux,
		Images: []Image{active, backup, factory, staged},
		Configs: []Config{
			{Config: flash.Config{Name: "cur", Present: true, Size: 345}, Files: 12, Integrity: flash.Intact},
			{Config: flash.Config{Name: "bak", Present: true, Size: 9}, Integrity: flash.Damaged, Problem: "cfg/config.bak: cut off"},
			{Config: flash.Config{Name: "fac"}},
		},
		Boot: &Boot{
			Place: grub.Place{Path: "boot/grub/default"}, Saved: savedEntry{entry: "1"}, Blocks: blockmap.Place{Sector: 1064, Count: 1},
			Menu:  grub.Menu{Entries: []grub.Entry{{Key: "0"}, retry, other}},
			Entry: retry, Next: []grub.Entry{retry, other},
		},
		Problems: []string{"boot default: something"},
	}
}

// decoded is a document without its white space and order of keys.
func decoded(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDocument(t *testing.T) {
	got := decoded(t, encoded(t, fullReport().Document()))
	if g, w := encoded(t, got), encoded(t, decoded(t, wanted)); g != w {
		t.Errorf("document:\n%s\nwant\n%s", g, w)
	}
	if g, w := keys("", got), keys("", decoded(t, design)); !slices.Equal(g, w) {
		t.Errorf("keys\n%q\nwant those of the design\n%q", g, w)
	}
}

// TestDocumentOfNothing: what is not known is null, and a list is a list.
func TestDocumentOfNothing(t *testing.T) {
	got := decoded(t, encoded(t, (&Report{}).Document()))
	want := `{"flash": {"target": "", "fstype": null, "access": null, "size": null, "free": null, "layout": "holdfast"},
		"slots": [], "staged": [], "boot_default": null, "next_boot": [], "configs": [], "last": null, "problems": []}`
	if g, w := encoded(t, got), encoded(t, decoded(t, want)); g != w {
		t.Errorf("document:\n%s\nwant\n%s", g, w)
	}
}

// TestDocumentOrder: people read it, too.
func TestDocumentOrder(t *testing.T) {
	text := encoded(t, fullReport().Document())
	at := -1
	for _, key := range []string{"flash", "slots", "staged", "boot_default", "next_boot", "configs", "last", "problems"} {
		i := strings.Index(text, fmt.Sprintf("\n %q:", key))
		if i <= at {
			t.Errorf("%s is out of order, at %d after %d", key, i, at)
		}
		at = i
	}
}

// TestDocumentStage2: its sector counts from the start of the disk, on no partition.
func TestDocumentStage2(t *testing.T) {
	r := fullReport()
	r.Boot.Place, r.Boot.Blocks = grub.Place{Form: grub.Stage2}, blockmap.Place{Sector: 2, Count: 1}
	d := r.BootDocument().BootDefault
	if d.Partition != nil || *d.Device != "disk.img" || *d.Sector != 2 || *d.Count != 1 || d.Form != "stage2" {
		t.Errorf("boot_default = %s", encoded(t, d))
	}
}

// TestDocumentOnce: boot_default is what is saved, next_boot begins with the entry for one boot alone.
func TestDocumentOnce(t *testing.T) {
	r := fullReport()
	r.Boot.Saved = savedEntry{"1", "2"}
	r.Boot.Entry = r.Boot.Menu.Entries[2]
	if d := r.BootDocument().BootDefault; *d.Entry != "1" || *d.Title != "Image 1 (retry)" {
		t.Errorf("boot_default = %s", encoded(t, d))
	}
}

// keys are the paths of a document's keys, of a list those of its first element.
func keys(at string, v any) []string {
	switch v := v.(type) {
	case map[string]any:
		var all []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			all = append(all, at+"."+k)
			all = append(all, keys(at+"."+k, v[k])...)
		}
		return all
	case []any:
		if len(v) > 0 {
			return keys(at+"[]", v[0])
		}
	}
	return nil
}
