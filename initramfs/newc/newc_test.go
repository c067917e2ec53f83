package newc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

type record struct {
	Header
	content string
}

func write(t testing.TB, records ...record) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	for _, r := range records {
		r.Size = uint32(len(r.content))
		if err := w.WriteHeader(r.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, r.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(r io.Reader) ([]record, error) {
	archive := NewReader(r)
	var records []record
	for {
		h, err := archive.Next()
		if err == io.EOF {
			return records, nil
		}
		if err != nil {
			return records, err
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return records, err
		}
		records = append(records, record{h, string(content)})
	}
}

var sample = []record{
	{Header{Name: "dir", Mode: TypeDir | 0o755, Ino: 1, NLink: 2}, ""},
	{Header{Name: "dir/a", Mode: TypeRegular | 0o4755, Ino: 2, NLink: 1, UID: 7, GID: 8, MTime: 86400}, "x"},
	{Header{Name: "dir/ab", Mode: TypeRegular | 0o600, Ino: 3, NLink: 1}, "four"},
	{Header{Name: "dir/abc", Mode: TypeSymlink | 0o777, Ino: 4, NLink: 1}, "../dir/a"},
	{Header{Name: "console", Mode: TypeChar | 0o600, Ino: 5, NLink: 1, RdevMajor: 5, RdevMinor: 1}, ""},
	{Header{Name: "empty", Mode: TypeRegular | 0o644, Ino: 6, NLink: 1}, ""},
	{Header{Name: "pipe", Mode: TypeFifo | 0o644, Ino: 7, NLink: 1}, ""},
}

func TestRoundTrip(t *testing.T) {
	raw := write(t, sample...)
	if len(raw)%4 != 0 {
		t.Errorf("archive of %d bytes, want a multiple of four", len(raw))
	}
	in := bytes.NewReader(append(raw, "what follows"...))
	got, err := read(in)
	if err != nil {
		t.Fatal(err)
	}
	if in.Len() != len("what follows") {
		t.Errorf("%d bytes left behind the archive, want %d", in.Len(), len("what follows"))
	}
	if len(got) != len(sample) {
		t.Fatalf("%d records, want %d", len(got), len(sample))
	}
	for i, want := range sample {
		want.Size = uint32(len(want.content))
		if got[i] != want {
			t.Errorf("record %d = %+v, want %+v", i, got[i], want)
		}
	}
}

func TestCpioReadsOurs(t *testing.T) {
	out := cpio(t, ".", bytes.NewReader(write(t, sample...)), "-itv", "--quiet", "--numeric-uid-gid")
	for _, want := range []string{
		"drwxr-xr-x   2 0        0               0 Jan  1  1970 dir\n",
		"-rwsr-xr-x   1 7        8               1 Jan  2  1970 dir/a\n",
		"-rw-------   1 0        0               4 Jan  1  1970 dir/ab\n",
		"dir/abc -> ../dir/a\n",
		"crw-------   1 0        0          5,   1 Jan  1  1970 console\n",
		"prw-r--r--",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("cpio -itv does not show %q:\n%s", want, out)
		}
	}
}

func TestReadsCpios(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"a": "first", "bb": "", "ccc": strings.Repeat("x", 4097)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, format := range []string{"newc", "crc"} {
		raw := cpio(t, dir, strings.NewReader("a\nbb\nccc\n"), "-o", "--quiet", "-H", format)
		got, err := read(strings.NewReader(raw))
		if err != nil || len(got) != 3 {
			t.Fatalf("%s: %d records, %v", format, len(got), err)
		}
		if got[0].content != "first" || len(got[2].content) != 4097 || got[0].Summed != (format == "crc") {
			t.Errorf("%s: got %+v", format, got[0])
		}
	}

	raw := cpio(t, dir, strings.NewReader("a\n"), "-o", "--quiet", "-H", "crc")
	_, err := read(strings.NewReader(strings.Replace(raw, "first", "fIrst", 1)))
	if err == nil || !strings.Contains(err.Error(), "sum up to") {
		t.Errorf("changed content: error %v, want one about the sum", err)
	}
}

func TestReaderRefuses(t *testing.T) {
	good := string(write(t, sample[1], sample[3]))
	second := int64(110 + 6 + 4)
	tests := []struct {
		name, raw string
		offset    int64
		text      string
	}{
		{"empty", "", 0, "without its trailer"},
		{"text", strings.Repeat("hello ", 40), 0, `"hello "`},
		{"cut in the header", good[:60], 0, "without its trailer"},
		{"cut in the name", good[:112], 0, "without its trailer"},
		{"no trailer", good[:second], second, "without its trailer"},
		{"not hexadecimal", good[:8] + "z" + good[9:], 0, "hexadecimal"},
		{"huge name", good[:94] + "FFFFFFFF" + good[102:], 0, "name of 4294967295 bytes"},
		{"no name", good[:94] + "00000000" + good[102:], 0, "name of 0 bytes"},
		{"name without zero", good[:115] + "x" + good[116:], 0, "terminating zero"},
		{"cut content", good[:54] + "7FFFFFFF" + good[62:], 0, "before the end of this file"},
		{"huge link", good[:second+54] + "00001001" + good[second+62:], second, "target of 4097 bytes"},
		{"junk after a record", good[:second] + "junk" + good[second+4:], second, "junk"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := read(strings.NewReader(test.raw))
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("error %v, want a SyntaxError", err)
			}
			if syntax.Offset != test.offset || !strings.Contains(syntax.Text, test.text) {
				t.Errorf("error %q at %d, want %q at %d", syntax.Text, syntax.Offset, test.text, test.offset)
			}
		})
	}
}

func TestWriterRefuses(t *testing.T) {
	w := NewWriter(io.Discard)
	if err := w.WriteHeader(Header{Name: strings.Repeat("n", MaxName)}); err == nil {
		t.Error("a name of PATH_MAX bytes is accepted")
	}
	if err := w.WriteHeader(Header{Name: "a", Mode: TypeRegular, Size: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("abc")); err == nil {
		t.Error("more content than promised is accepted")
	}
	if err := w.Close(); err == nil {
		t.Error("less content than promised is accepted")
	}
}

func TestFileMode(t *testing.T) {
	for mode, want := range map[uint32]string{
		TypeRegular | 0o4755: "urwxr-xr-x",
		TypeDir | 0o1777:     "dtrwxrwxrwx",
		TypeChar | 0o600:     "Dcrw-------",
		TypeBlock | 0o660:    "Drw-rw----",
		TypeSymlink | 0o777:  "Lrwxrwxrwx",
		0o644:                "?rw-r--r--",
	} {
		if got := (Header{Mode: mode}).FileMode().String(); got != want {
			t.Errorf("FileMode(%o) = %s, want %s", mode, got, want)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(write(f, sample...))
	f.Add(write(f))
	f.Add([]byte(fmt.Sprintf("070702%0104d", 0)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		records, err := read(bytes.NewReader(raw))
		if err != nil {
			return
		}
		// What reads without an error must survive being written again.
		again, err := read(bytes.NewReader(write(t, records...)))
		if err != nil || len(again) != len(records) {
			t.Fatalf("written again: %d records, %v, want %d", len(again), err, len(records))
		}
	})
}

func cpio(t *testing.T, dir string, in io.Reader, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("cpio"); err != nil {
		t.Fatal("cpio is missing: apt-get install cpio")
	}
	cmd := exec.Command("cpio", args...)
	cmd.Dir, cmd.Stdin = dir, in
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("cpio %v: %v: %s", args, err, complaint.String())
	}
	return out.String()
}
