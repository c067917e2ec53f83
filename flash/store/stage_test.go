package store

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/flash"
)

// entries lists what is below a directory.
func entries(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		names = append(names, strings.TrimPrefix(path, dir))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

// TestStageSizes writes files of sizes around those of a chunk, in pieces, and compares them.
func TestStageSizes(t *testing.T) {
	for _, size := range []int{0, 1, 511, 512, 4096, chunk - 1, chunk, chunk + 1, 3*chunk + 5, piece, 2*piece + 1} {
		dir := t.TempDir() // on a disk, for O_DIRECT
		newFlash(t, dir, nil)
		tree := open(t, dir, Options{})
		in, err := tree.Stage()
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Repeat("abcdefg", size/7+1)[:size]
		w, err := in.Create("initrd.img", int64(size))
		if err != nil {
			t.Fatal(err)
		}
		for rest := want; rest != ""; {
			n := min(len(rest), 70_001)
			if k, err := w.Write([]byte(rest[:n])); k != n || err != nil {
				t.Fatal(k, err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		told := map[string]int64{}
		if err := in.Seal(t.Context(), func(step string, done int64) { told[step] = done }); err != nil {
			t.Errorf("%d bytes: Seal = %v", size, err)
		}
		if want := map[string]int64{WriteOut: int64(size), ReadBack: int64(size)}; !maps.Equal(told, want) {
			t.Errorf("%d bytes: told of %v", size, told)
		}
		got, err := os.ReadFile(filepath.Join(dir, "system/incoming/initrd.img"))
		if err != nil || string(got) != want {
			t.Errorf("%d bytes: %d bytes on the disk, %v", size, len(got), err)
		}
	}
}

func TestStageRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		try  func(t *testing.T, dir string, in *Incoming) error
		want string
	}{
		{"shorter", func(t *testing.T, _ string, in *Incoming) error { return writeFile(in, "kernel.img", 5, "four") },
			"write system/incoming/kernel.img: 4 bytes of the 5 it should have"},
		{"longer", func(t *testing.T, _ string, in *Incoming) error { return writeFile(in, "kernel.img", 3, "four") },
			"write system/incoming/kernel.img: longer than the 3 bytes it should have"},
		{"twice", func(t *testing.T, _ string, in *Incoming) error {
			return errors.Join(writeFile(in, "kernel.img", 4, "four"), writeFile(in, "kernel.img", 4, "four"))
		}, "make system/incoming/kernel.img: file exists"},
		{"a path", func(t *testing.T, _ string, in *Incoming) error { return writeFile(in, "../active", 4, "four") },
			"make system/active: not a name for a file of an image"},
		{"not closed", func(t *testing.T, _ string, in *Incoming) error {
			_, err := in.Create("kernel.img", 4)
			return errors.Join(err, in.Seal(t.Context(), nil))
		}, "write to the device: system/incoming/kernel.img: it was not written to its end"},
		{"other bytes on the disk", func(t *testing.T, dir string, in *Incoming) error {
			return tampered(t, dir, in, "five")
		}, "read back: system/incoming/kernel.img: the device does not show what was written"},
		{"more bytes on the disk", func(t *testing.T, dir string, in *Incoming) error {
			return tampered(t, dir, in, "four and more")
		}, "read back: system/incoming/kernel.img: the device does not show what was written"},
		{"fewer bytes on the disk", func(t *testing.T, dir string, in *Incoming) error {
			return tampered(t, dir, in, "fou")
		}, "read back: system/incoming/kernel.img: the device does not show what was written"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			newFlash(t, dir, map[string]string{"active": "v2"})
			before := entries(t, dir)
			in, err := open(t, dir, Options{}).Stage()
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.try(t, dir, in); err == nil || err.Error() != tt.want {
				t.Errorf("error %q, want %q", err, tt.want)
			}
			for range 2 {
				if err := in.Discard(); err != nil {
					t.Errorf("Discard = %v", err)
				}
			}
			if got := entries(t, dir); got != before {
				t.Errorf("left\n%s\nwant\n%s", got, before)
			}
		})
	}
}

func writeFile(in *Incoming, name string, size int64, text string) error {
	w, err := in.Create(name, size)
	if err != nil {
		return err
	}
	_, err = w.Write([]byte(text))
	if closed := w.Close(); err == nil {
		err = closed
	}
	return err
}

// tampered has somebody write to a file between Close and Seal.
func tampered(t *testing.T, dir string, in *Incoming, text string) error {
	t.Helper()
	if err := writeFile(in, "kernel.img", 4, "four"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "system/incoming/kernel.img"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return in.Seal(t.Context(), nil)
}

func TestKeep(t *testing.T) {
	for _, tt := range []struct {
		version string
		staged  []string
		want    string
	}{
		{"1.3.125", nil, ""},
		{strings.Repeat("v", MaxVersion), []string{"a", "b", "c"}, ""},
		{strings.Repeat("v", MaxVersion+1), nil, "a name may have 32 bytes"},
		{"v5", []string{"v1", "v2", "v3", "v4"}, "room for no more"},
		{"V1", []string{"v1"}, "file already exists"},
		{"Active", nil, "file already exists"},
		{"trash", nil, "file already exists"},
		{"", nil, "not a name"},
		{".hidden", nil, "not a name"},
		{"a/b", nil, "not a name"},
		{"a b", nil, "not a name"},
		{"1.3:4", nil, "not a name"},
		{"ümlaut", nil, "not a name"},
	} {
		dir := memory(t)
		images := map[string]string{"active": "v2"}
		for _, name := range tt.staged {
			images[name] = name
		}
		newFlash(t, dir, images)
		in := stage(t, open(t, dir, Options{}), build("v9", 3000))
		err := in.Keep(tt.version)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("Keep(%q) = %v, want %q", tt.version, err, tt.want)
		}
		if err := in.Discard(); err != nil {
			t.Errorf("Discard = %v", err)
		}
		if _, kept := os.Stat(filepath.Join(dir, "system", tt.version, "SHA256SUMS")); tt.want == "" && kept != nil {
			t.Errorf("Keep(%q), Discard: %v", tt.version, kept)
		}
	}
}

// TestDiscardArranged discards what is in use by then.
func TestDiscardArranged(t *testing.T) {
	dir := memory(t)
	newFlash(t, dir, map[string]string{"active": "v2"})
	tree := open(t, dir, Options{})
	in := stage(t, tree, build("v3", 3000))
	if err := tree.Arrange(flash.Pending{Op: flash.Installing, Before: pair("v2", ""), After: pair("v3", "v2")}); err != nil {
		t.Fatal(err)
	}
	if err := in.Discard(); err != nil {
		t.Error(err)
	}
	if got := holds(t, dir); got != "active=v3 backup=v2" {
		t.Errorf("holds %s", got)
	}
}

func TestArrangeRefuses(t *testing.T) {
	for name, p := range map[string]flash.Pending{
		"other images than before": {Before: pair("v1", "v2"), After: pair("v3", "v1")},
		"not there":                {Before: pair("v2", "v1"), After: pair("v4", "v2")},
		"twice":                    {Before: pair("v2", "v1"), After: pair("v2", "v2")},
	} {
		dir := memory(t)
		newFlash(t, dir, map[string]string{"active": "v2", "backup": "v1"})
		before := entries(t, dir)
		if err := open(t, dir, Options{}).Arrange(p); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
		if got := entries(t, dir); got != before {
			t.Errorf("%s: left %s", name, got)
		}
	}
}

func TestRemoveRefuses(t *testing.T) {
	dir := memory(t)
	newFlash(t, dir, map[string]string{"active": "v2", "factory": "v0"})
	tree := open(t, dir, Options{})
	for _, name := range []string{"factory", "..", "../cfg", "", ".", "nowhere", "active/kernel.img"} {
		if err := tree.Remove(name); err == nil {
			t.Errorf("Remove(%q) removes", name)
		}
	}
	if got := holds(t, dir); got != "active=v2 factory=v0" {
		t.Errorf("holds %s", got)
	}
}

// TestLinks puts links in the place of everything that is written.
func TestLinks(t *testing.T) {
	outside := t.TempDir()
	place(t, outside, map[string]string{"kernel.img": "outside", "record": strings.Repeat("r", flash.RecordSize)})
	for _, name := range []string{"system/incoming", "system/hold", "system/trash", "cfg/slots0", "cfg/slots1", "cfg/slots0.new"} {
		dir := memory(t)
		newFlash(t, dir, map[string]string{"active": "v2", "backup": "v1"})
		target := outside
		if strings.HasPrefix(name, "cfg") {
			target = filepath.Join(outside, "record")
		}
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		before := run(t, "sh", "-c", "cat "+outside+"/*")
		tree := open(t, dir, Options{})
		if _, err := tree.Recover(t.Context()); err != nil {
			t.Errorf("%s: Recover = %v", name, err)
		}
		stage(t, tree, build("v3", 3000))
		if err := tree.Arrange(flash.Pending{Op: flash.Installing, Before: pair("v2", "v1"), After: pair("v3", "v2")}); err != nil {
			t.Errorf("%s: Arrange = %v", name, err)
		}
		if after := run(t, "sh", "-c", "cat "+outside+"/*"); after != before {
			t.Errorf("%s: what it leads to was changed", name)
		}
	}
	dir := memory(t)
	if err := os.Mkdir(filepath.Join(dir, "cfg"), 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "ln", "-s", outside, filepath.Join(dir, "system"))
	if tree, err := Open(dir, Options{}); err == nil {
		tree.Close()
		t.Error("Open follows a link out of the flash")
	}
}

// TestSlotIsLink: an image under two names is nothing to work on.
func TestSlotIsLink(t *testing.T) {
	for _, slot := range flash.Slots {
		dir := memory(t)
		newFlash(t, dir, map[string]string{"active": "v2", "backup": "v1", "factory": "v0"})
		run(t, "mv", filepath.Join(dir, "system", slot), filepath.Join(dir, "system", "v9"))
		run(t, "ln", "-s", "v9", filepath.Join(dir, "system", slot))
		if tree, err := Open(dir, Options{}); !errors.Is(err, ErrLink) {
			t.Errorf("%s is a link: Open = %v, %v", slot, tree, err)
		}
	}
}
