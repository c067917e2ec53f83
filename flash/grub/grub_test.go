package grub

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

// written is what GRUB Legacy 0.97 leaves of a file that said 0: measured.
var written = append([]byte("1\x00"+strings.Repeat("\n", 8)), fresh(0)[10:]...)

func fresh(entry int) []byte {
	b, _ := NewDefaultFile(entry).Encode() // never fails
	return b
}

func TestDefaultFile(t *testing.T) {
	tests := []struct {
		name, file string
		want       int // -1 for an error
	}{
		{"fresh", string(fresh(0)), 0},
		{"of GRUB", string(written), 1},
		{"two digits", "12\n#\n#\n#\n#\n", 12},
		{"nine digits", "123456789\n", 123456789},
		{"no newline", "3#########", 3},
		{"ten bytes", "2\n#\n#\n#\n#\n", 2},
		{"nine bytes", "2\n#\n#\n#\n#", -1},
		{"empty", "", -1},
		{"no number", "saved\n#\n#\n#\n", -1},
		{"space first", " 1\n#\n#\n#\n#\n", -1},
		{"negative", "-1\n#\n#\n#\n#\n", -1},
		{"hexadecimal", "0x3\n#\n#\n#\n", -1},
		{"ten digits", "1234567890\n", -1},
	}
	for _, test := range tests {
		d, err := DecodeDefaultFile([]byte(test.file))
		if (err != nil) != (test.want < 0) || err == nil && d.Entry() != strconv.Itoa(test.want) {
			t.Errorf("%s: DecodeDefaultFile = %+v, %v, want entry %d", test.name, d, err, test.want)
		}
		if b, _ := d.Encode(); err == nil && string(b) != test.file {
			t.Errorf("%s: Encode = %q, want %q", test.name, b, test.file)
		}
	}
	for _, entry := range []int{0, 9, 10, 123} {
		if n := len(fresh(entry)); n != 512 {
			t.Errorf("NewDefaultFile(%d) has %d bytes, want 512", entry, n)
		}
	}
}

func editenv(t testing.TB, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("grub-editenv"); err != nil {
		t.Fatal("grub-editenv is missing: apt-get install grub-common")
	}
	out, err := exec.Command("grub-editenv", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("grub-editenv %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestEnvOfGrubEditenv(t *testing.T) {
	name := filepath.Join(t.TempDir(), "grubenv")
	editenv(t, name, "create")
	editenv(t, name, "set", "saved_entry=2", `title=a>b \ = c`, "next_entry=", "last=#")
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	env, err := DecodeEnv(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"saved_entry": "2", "title": `a>b \ = c`, "next_entry": "", "last": "#"} {
		if got, ok := env.Get(name); !ok || got != want {
			t.Errorf("Get(%s) = %q, %v, want %q", name, got, ok, want)
		}
	}
	if _, ok := env.Get("absent"); ok {
		t.Error("Get(absent) = true, want false")
	}
	if _, ok := env.Get(""); ok {
		t.Error(`Get("") = true, want false`)
	}
	if again, err := env.Encode(); err != nil || !bytes.Equal(again, file) {
		t.Errorf("Encode = %q, %v, want what grub-editenv wrote: %q", again, err, file)
	}
}

// What grub-editenv lists of a block is what is decoded of it.
func TestEnvAsGrubEditenv(t *testing.T) {
	for body, want := range map[string]string{
		"# c\\\nsaved_entry=1\nx=2\n":          "x=2\n", // also a comment goes on behind a backslash
		"# WARNING: text\nsaved_entry=1\n":     "saved_entry=1\n",
		"a=1\\\n2\nb=\\\\\n#c\nsaved_entry=\n": "a=1\n2\nb=\\\nsaved_entry=\n",
	} {
		file := []byte(envHeader + body + strings.Repeat("#", envSize-len(envHeader)-len(body)))
		name := filepath.Join(t.TempDir(), "grubenv")
		if err := os.WriteFile(name, file, 0o644); err != nil {
			t.Fatal(err)
		}
		env, err := DecodeEnv(file)
		var got string
		for _, line := range env.Lines {
			if line.Name != "" {
				got += line.Name + "=" + line.Value + "\n"
			}
		}
		if list := editenv(t, name, "list"); err != nil || got != want || list != want {
			t.Errorf("%q: DecodeEnv = %q, %v, grub-editenv says %q, want %q", body, got, err, list, want)
		}
		if again, err := env.Encode(); err != nil || !bytes.Equal(again, file) {
			t.Errorf("%q: Encode = %q, %v, want the same again", body, again, err)
		}
	}
	twice := Env{Lines: []EnvLine{{Name: "a", Value: "1"}, {Name: "a", Value: "2"}}}
	if got, _ := twice.Get("a"); got != "2" {
		t.Errorf("Get of a variable set twice = %q, want 2", got)
	}
}

func TestGrubEditenvReadsEnv(t *testing.T) {
	env := Env{Lines: []EnvLine{{Value: "# a comment"}, {Name: "saved_entry", Value: "Image 1>2"}, {Name: "x", Value: `back\slash`}}}
	file, err := env.Encode()
	if err != nil || len(file) != 1024 {
		t.Fatalf("Encode = %d bytes, %v, want 1024", len(file), err)
	}
	name := filepath.Join(t.TempDir(), "grubenv")
	if err := os.WriteFile(name, file, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := editenv(t, name, "list"), "saved_entry=Image 1>2\nx=back\\slash\n"; got != want {
		t.Errorf("grub-editenv list = %q, want %q", got, want)
	}
}

// TestEnvWith has grub-editenv read what is there before and after.
func TestEnvWith(t *testing.T) {
	for _, test := range []struct{ before, to, want string }{
		{"", "2", "saved_entry=2\n"},
		{"# c\na=b\nsaved_entry=0\nz=\\\\\n", "1>0", "# c\na=b\nsaved_entry=1>0\nz=\\\\\n"},
		{"saved_entry=0\nx=1\nsaved_entry=1\n", "4", "saved_entry=0\nx=1\nsaved_entry=4\n"},
		{"next_entry=3\nx=1\n", `a \ b`, "next_entry=\nx=1\nsaved_entry=a \\\\ b\n"},
		{"saved_entry=1\nprev_saved_entry=0\nnext_entry=\n", "2", "saved_entry=2\nprev_saved_entry=\nnext_entry=\n"},
	} {
		block := func(body string) []byte {
			return []byte(envHeader + body + strings.Repeat("#", envSize-len(envHeader)-len(body)))
		}
		env, err := DecodeEnv(block(test.before))
		if err != nil {
			t.Fatal(err)
		}
		changed, err := env.With(test.to)
		if err != nil {
			t.Errorf("%q: With(%q): %v", test.before, test.to, err)
			continue
		}
		got, err := changed.Encode()
		if err != nil || !bytes.Equal(got, block(test.want)) {
			t.Errorf("%q: With(%q) = %q, %v, want %q", test.before, test.to, got, err, test.want)
		}
		if again, _ := env.Encode(); !bytes.Equal(again, block(test.before)) {
			t.Errorf("%q: With changed what it was called on: %q", test.before, again)
		}
		name := filepath.Join(t.TempDir(), "grubenv")
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(editenv(t, name, "list"), "\n")
		if !slices.Contains(lines, "saved_entry="+test.to) || changed.Entry() != test.to || changed.Once() != "" {
			t.Errorf("%q: With(%q): grub-editenv lists %q", test.before, test.to, lines)
		}
	}
	full := Env{Lines: []EnvLine{{"a", strings.Repeat("x", 980)}}}
	for _, entry := range []string{"a\nb", "a\x00", strings.Repeat("0", 10)} {
		if got, err := full.With(entry); err == nil {
			t.Errorf("With(%q) = %+v, want an error", entry, got)
		}
	}
}

func TestEnvSize(t *testing.T) {
	room := envSize - len(envHeader) - len("a=\n")
	for _, test := range []struct {
		length int
		ok     bool
	}{{0, true}, {room, true}, {room + 1, false}} {
		file, err := Env{Lines: []EnvLine{{Name: "a", Value: strings.Repeat("x", test.length)}}}.Encode()
		if (err == nil) != test.ok {
			t.Errorf("Encode of %d bytes: %v, want ok = %v", test.length, err, test.ok)
		}
		if env, err := DecodeEnv(file); test.ok && (err != nil || len(env.Lines[0].Value) != test.length) {
			t.Errorf("DecodeEnv of %d bytes = %v, %v", test.length, env, err)
		}
	}
}

func TestDecodeEnvRefuses(t *testing.T) {
	fill := func(s string) []byte { return []byte(s + strings.Repeat("#", max(0, envSize-len(s)))) }
	tests := map[string][]byte{
		"empty":             nil,
		"short":             fill(envHeader)[:1023],
		"long":              append(fill(envHeader), '#'),
		"no header":         fill("saved_entry=1\n"),
		"zeros":             make([]byte, envSize),
		"zeros behind":      append([]byte(envHeader), make([]byte, envSize-len(envHeader))...),
		"no name":           fill(envHeader + "=1\n"),
		"no =":              fill(envHeader + "saved_entry\n"),
		"cut":               append(fill(envHeader)[:envSize-3], "a=b"...),
		"escape at the end": append(fill(envHeader + "a=\\\n")[:envSize-1], '\\'),
	}
	for name, file := range tests {
		if env, err := DecodeEnv(file); err == nil {
			t.Errorf("%s: DecodeEnv = %+v, want an error", name, env)
		}
	}
}

func TestFind(t *testing.T) {
	env, err := Env{Lines: []EnvLine{{Name: "saved_entry", Value: "2"}, {Name: "next_entry", Value: "4"}}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	unset, _ := Env{}.Encode()
	tests := []struct {
		name        string
		files       map[string][]byte
		want        Place
		entry, once string
	}{
		{"legacy", map[string][]byte{"boot/grub/default": written}, Place{LegacyFile, "boot/grub/default"}, "1", ""},
		{"own partition", map[string][]byte{"grub/default": written, "grub/menu.lst": nil}, Place{LegacyFile, "grub/default"}, "1", ""},
		{"grubenv", map[string][]byte{"boot/grub/grubenv": env, "boot/grub/grub.cfg": nil}, Place{EnvFile, "boot/grub/grubenv"}, "2", "4"},
		{"grub2", map[string][]byte{"grub2/grubenv": unset}, Place{EnvFile, "grub2/grubenv"}, "", ""},
	}
	for _, test := range tests {
		place, saved, err := savedIn(mapFS(test.files))
		if err != nil || place != test.want || saved.Entry() != test.entry || saved.Once() != test.once {
			t.Errorf("%s: Read = %+v, %+v, %v, want %+v", test.name, place, saved, err, test)
		}
	}
	for name, files := range map[string]map[string][]byte{
		"nothing":         {},
		"menu.lst alone":  {"boot/grub/menu.lst": nil},
		"grub.cfg alone":  {"boot/grub/grub.cfg": nil},
		"another's files": {"boot/grub/menu.lst": nil, "boot/default": written},
	} {
		if place, err := Find(mapFS(files), nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: Find = %+v, %v, want fs.ErrNotExist", name, place, err)
		}
	}
	large := fstest.MapFS{"grub/default": {Data: bytes.Repeat([]byte("1\n"), maxFile)}}
	if _, _, err := savedIn(large); err == nil {
		t.Error("Place.Read of a large file = nil, want an error")
	}
}

// savedIn is the saved default below fsys alone.
func savedIn(fsys fs.FS) (Place, Saved, error) {
	place, err := Find(fsys, nil)
	if err != nil {
		return Place{}, nil, err
	}
	saved, err := place.Read(fsys, nil)
	return place, saved, err
}

func mapFS(files map[string][]byte) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, content := range files {
		fsys[name] = &fstest.MapFile{Data: content}
	}
	return fsys
}

// TestFIFO has one where GRUB's file should be: nobody waits for its writer.
func TestFIFO(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"grubenv", "grub.cfg"} {
		name = filepath.Join(dir, "grub", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), syscall.Mkfifo(name, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 2)
	go func() {
		_, _, err := savedIn(os.DirFS(dir))
		done <- err
		_, err = menuIn(os.DirFS(dir))
		done <- err
	}()
	for range 2 {
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), "not a regular file") {
				t.Errorf("a FIFO: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("reading hangs")
		}
	}
}
