package flash

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

// whole is a flash with nothing wrong: three slots, a staged version, configurations.
func whole(images string) fstest.MapFS {
	return fstest.MapFS{
		images + "/active/kernel.img":  file("kernel two"),
		images + "/active/initrd.img":  file("initrd two"),
		images + "/active/kernel.arg":  file("quiet\nacpi=off # laptop\n"),
		images + "/active/kernel.ver":  file("1.3.124\n"),
		images + "/backup/kernel.img":  file("kernel one"),
		images + "/backup/system.ver":  file("1.3.123"),
		images + "/factory/kernel.img": file("kernel zero"),
		images + "/factory/kernel.ver": file("1.0.0\n"),
		images + "/1.3.125/kernel.img": file("kernel three"),
		images + "/1.3.125/kernel.ver": file("1.3.125\n"),
		"cfg/system.arg":               file("console=ttyS0,115200\n"),
		"cfg/config.cur":               file("archive"),
	}
}

func TestReadWhole(t *testing.T) {
	for _, layout := range []Layout{Holdfast, Formilux} {
		f, err := Read(whole(layout.Images()))
		if err != nil {
			t.Fatalf("Read(%v) = %v", layout, err)
		}
		if f.Layout != layout || len(f.Problems) != 0 {
			t.Errorf("layout %v, problems %q; want %v and none", f.Layout, f.Problems, layout)
		}
		var versions []string
		for _, i := range append(slices.Clone(f.Slots), f.Staged...) {
			versions = append(versions, i.Name+" "+i.Version)
			if len(i.Problems) != 0 || i.Kernel == "" {
				t.Errorf("%v: %s has problems %q, kernel %q", layout, i.Name, i.Problems, i.Kernel)
			}
		}
		want := []string{"active 1.3.124", "backup 1.3.123", "factory 1.0.0", "1.3.125 1.3.125"}
		if !slices.Equal(versions, want) {
			t.Errorf("%v: images %q, want %q", layout, versions, want)
		}
		active := f.Slots[0]
		if active.Arguments != "quiet\nacpi=off # laptop\n" || active.Initrd == "" || active.Size != 52 {
			t.Errorf("%v: active = %+v", layout, active)
		}
		if !f.Configs[0].Present || f.Configs[1].Present || f.Arguments != "console=ttyS0,115200\n" {
			t.Errorf("%v: configs %+v, arguments %q", layout, f.Configs, f.Arguments)
		}
	}
}

func TestReadNoFlash(t *testing.T) {
	tests := map[string]fstest.MapFS{
		"empty":        {},
		"no cfg":       {"system/active/kernel.img": file("k")},
		"no images":    {"cfg/system.arg": file("")},
		"system is no": {"system": file("text"), "cfg/system.arg": file("")},
	}
	for name, fsys := range tests {
		if _, err := Read(fsys); !errors.Is(err, ErrNoFlash) {
			t.Errorf("%s: Read = %v, want ErrNoFlash", name, err)
		}
	}
	if _, err := Read(os.DirFS(filepath.Join(t.TempDir(), "absent"))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent directory: Read = %v, want ErrNotExist", err)
	}
}

// TestReadBroken breaks one thing at a time: it must be told, and nothing else may suffer.
func TestReadBroken(t *testing.T) {
	tests := []struct {
		name  string
		image string // whose problem it is; "" for the flash's own
		edit  func(fstest.MapFS)
		want  string
	}{
		{"no kernel", "active", func(m fstest.MapFS) { delete(m, "system/active/kernel.img") }, "kernel.img: missing"},
		{"empty kernel", "active", func(m fstest.MapFS) { m["system/active/kernel.img"] = file("") }, "kernel.img: empty"},
		{"kernel is a directory", "active", func(m fstest.MapFS) {
			delete(m, "system/active/kernel.img")
			m["system/active/kernel.img/x"] = file("x")
		}, "kernel.img: not a regular file"},
		{"no version", "backup", func(m fstest.MapFS) { delete(m, "system/backup/system.ver") }, "kernel.ver: missing"},
		{"two versions", "active", func(m fstest.MapFS) { m["system/active/kernel.ver"] = file("1\n2\n") }, "kernel.ver: more than one line"},
		{"endless version", "active", func(m fstest.MapFS) {
			m["system/active/kernel.ver"] = file(strings.Repeat("9", maxVersion+1))
		}, "kernel.ver: longer than 256 bytes"},
		{"endless arguments", "active", func(m fstest.MapFS) {
			m["system/active/kernel.arg"] = file(strings.Repeat("a", maxArguments+1))
		}, "kernel.arg: longer than 16384 bytes"},
		{"manifest is text", "active", func(m fstest.MapFS) { m["system/active/SHA256SUMS"] = file("hello") }, "SHA256SUMS: line 1: does not start with a hash"},
		{"empty manifest", "active", func(m fstest.MapFS) { m["system/active/SHA256SUMS"] = file("\n") }, "SHA256SUMS: holds no hashes"},
		{"left over", "", func(m fstest.MapFS) { m["system/tmp/kernel.img"] = file("half") }, "system/tmp: left by an operation that did not finish"},
		{"configuration is a directory", "", func(m fstest.MapFS) {
			delete(m, "cfg/config.cur")
			m["cfg/config.cur/x"] = file("")
		}, "cfg/config.cur: not a regular file"},
		{"endless system.arg", "", func(m fstest.MapFS) { m["cfg/system.arg"] = file(strings.Repeat("a", maxArguments+1)) }, "cfg/system.arg: longer than 16384 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := whole("system")
			tt.edit(m)
			f, err := Read(m)
			if err != nil {
				t.Fatalf("Read = %v: one broken part hides the rest", err)
			}
			for _, i := range append(slices.Clone(f.Slots), f.Staged...) {
				if i.Name == tt.image {
					if !slices.Contains(i.Problems, tt.want) {
						t.Errorf("%s: problems %q, want %q", i.Name, i.Problems, tt.want)
					}
				} else if len(i.Problems) != 0 {
					t.Errorf("%s suffers: %q", i.Name, i.Problems)
				}
			}
			if tt.image == "" && !slices.Contains(f.Problems, tt.want) {
				t.Errorf("problems %q, want %q", f.Problems, tt.want)
			}
		})
	}
}

func TestVersionIsPrintable(t *testing.T) {
	m := whole("system")
	m["system/active/kernel.ver"] = file("1.3\x1b[2J\x9b\x07.4\n")
	f, err := Read(m)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := f.Slots[0].Version, "1.3[2J.4"; got != want {
		t.Errorf("Version = %q, want %q", got, want)
	}
}

// TestNamesArePrintable: what lies on a flash chooses its names, and they go to screens and onto
// kernel command lines.
func TestNamesArePrintable(t *testing.T) {
	m := whole("system")
	for _, name := range []string{"\x1b[2J", "1 single", "1\n2", "1\"", "\u202e1", "\xff", "caf\u00e9"} {
		m["system/"+name+"/kernel.img"] = file("kernel")
	}
	f, err := Read(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Staged) != 1 || f.Staged[0].Name != "1.3.125" {
		t.Errorf("staged %+v, want only 1.3.125", f.Staged)
	}
	want := []string{`system: "1 single": not a name for a version`, `system: "1\"": not a name for a version`, `system: "1\n2": not a name for a version`,
		`system: "\x1b[2J": not a name for a version`}
	for _, w := range want {
		if !slices.ContainsFunc(f.Problems, func(p string) bool { return strings.HasPrefix(p, w) }) {
			t.Errorf("problems %q lack %q", f.Problems, w)
		}
	}
	if len(f.Problems) != 7 {
		t.Errorf("problems %q, want 7", f.Problems)
	}
	for _, p := range append(f.Problems, shown("\x1b]0;x\x07"), shown("kernel.img")) {
		if strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("problem %q is not for a screen", p)
		}
	}
}

// TestSlotsByOtherNames: what leads to a slot under another name is no version, that could be removed.
func TestSlotsByOtherNames(t *testing.T) {
	m := whole("system")
	for _, name := range []string{"Active", "FACTORY", "Trash"} { // on vfat, these are the slots
		m["system/"+name+"/kernel.img"] = file("kernel")
	}
	m["system/link"] = &fstest.MapFile{Mode: fs.ModeSymlink | 0o777, Data: []byte("active")}
	for name := range m {
		if strings.HasPrefix(name, "system/backup") {
			delete(m, name)
		}
	}
	m["system/backup"] = &fstest.MapFile{Mode: fs.ModeSymlink | 0o777, Data: []byte("active")}
	f, err := Read(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Staged) != 1 || f.Staged[0].Name != "1.3.125" {
		t.Errorf("staged %+v, want only 1.3.125", f.Staged)
	}
	for _, want := range []string{"system: Active: not a name for a version", "system: FACTORY: not a name for a version", "system: Trash: not a name for a version",
		"system/backup: is a link: its image can be booted, but no image can be changed here"} {
		if !slices.Contains(f.Problems, want) {
			t.Errorf("problems %q lack %q", f.Problems, want)
		}
	}
}

func TestEmptySlotIsNoProblem(t *testing.T) {
	m := whole("system")
	m["system/backup"] = &fstest.MapFile{Mode: fs.ModeDir}
	delete(m, "system/backup/kernel.img")
	delete(m, "system/backup/system.ver")
	f, err := Read(m)
	if err != nil {
		t.Fatal(err)
	}
	if b := f.Slots[1]; b.Present || len(b.Problems) != 0 {
		t.Errorf("empty slot = %+v", b)
	}
}

// tool runs a program of another hand, the judge of ours.
func tool(t *testing.T, pkg, dir, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v", name, args, err)
	}
	return string(out)
}
