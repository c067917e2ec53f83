package initramfs

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/initramfs/newc"
)

// record is one record of an archive made by hand.
type record struct {
	name, content string
	mode          uint32
	ino, nlink    uint32
}

func archive(t testing.TB, records ...record) []byte {
	t.Helper()
	var b bytes.Buffer
	w := newc.NewWriter(&b)
	for i, r := range records {
		h := newc.Header{Name: r.name, Mode: r.mode, Size: uint32(len(r.content)), Ino: r.ino, NLink: max(1, r.nlink)}
		if h.Mode&newc.TypeMask == 0 {
			h.Mode |= newc.TypeRegular
		}
		if h.Type() == newc.TypeChar {
			h.RdevMajor, h.RdevMinor = 5, 1
		}
		if h.Ino == 0 {
			h.Ino = uint32(1000 + i)
		}
		if err := w.WriteHeader(h); err != nil {
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

const (
	dir  = newc.TypeDir | 0o755
	link = newc.TypeSymlink | 0o777
)

// tree says what is in a directory: modes, contents, targets, and which names are one file.
func describeTree(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	seen := []string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		info, err := os.Lstat(name)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, name)
		fmt.Fprintf(&b, "%v %s", info.Mode(), rel)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(name)
			fmt.Fprintf(&b, " -> %s", target)
		case info.Mode().IsRegular():
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %d %.40q", len(content), content)
			for _, other := range seen {
				if o, _ := os.Lstat(other); os.SameFile(o, info) {
					rel, _ := filepath.Rel(root, other)
					fmt.Fprintf(&b, " = %s", rel)
					break
				}
			}
			seen = append(seen, name)
		}
		b.WriteString("\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestExtractLikeCpio(t *testing.T) {
	r := complete(t)
	r.Init = "" // without device nodes, which only root's cpio can make
	raw := build(t, r)
	ours, theirs := t.TempDir(), t.TempDir()
	skipped, err := Extract(bytes.NewReader(raw), ours)
	if err != nil || len(skipped) > 0 {
		t.Fatalf("%v, %v", skipped, err)
	}
	tool(t, theirs, bytes.NewReader(raw), "cpio", "-id", "--quiet", "--no-preserve-owner")
	got, want := describeTree(t, ours), describeTree(t, theirs)
	if got != want {
		t.Errorf("extracted:\n%s\ncpio -id gives:\n%s", got, want)
	}
	if !strings.Contains(got, "etc/holdfast/keys/twin 5 \"key a\" = etc/holdfast/keys/a.pub") {
		t.Errorf("hard links are not one file:\n%s", got)
	}
}

func TestExtract(t *testing.T) {
	tests := []struct {
		name    string
		layers  [][]record
		want    string
		skipped string
	}{
		{"later wins", [][]record{{{name: "f", content: "long old"}}, {{name: "f", content: "new", mode: 0o600}}}, "-rw------- f 3 \"new\"\n", ""},
		{"names are cleaned", [][]record{{{name: "/a", mode: 0o644}, {name: "./b", mode: 0o644}, {name: "../../c", mode: 0o644}, {name: ".", mode: dir}}},
			"-rw-r--r-- a 0 \"\"\n-rw-r--r-- b 0 \"\"\n-rw-r--r-- c 0 \"\"\n", ""},
		{"no parents", [][]record{{{name: "a/b/c", content: "x", mode: 0o644}}}, "drwxr-xr-x a\ndrwxr-xr-x a/b\n-rw-r--r-- a/b/c 1 \"x\"\n", ""},
		{"locked directory", [][]record{{{name: "d", mode: newc.TypeDir | 0o500}, {name: "d/f", mode: 0o400}}}, "dr-x------ d\n-r-------- d/f 0 \"\"\n", ""},
		{"suid and sticky", [][]record{{{name: "d", mode: newc.TypeDir | 0o1777}, {name: "f", mode: 0o4755}}}, "dtrwxrwxrwx d\nurwxr-xr-x f 0 \"\"\n", ""},
		{"content with the first name", [][]record{{{name: "a", content: "x", ino: 9, nlink: 2, mode: 0o644}, {name: "b", ino: 9, nlink: 2, mode: 0o644}}},
			"-rw-r--r-- a 1 \"x\"\n-rw-r--r-- b 1 \"x\" = a\n", ""},
		{"content with the last name", [][]record{{{name: "a", ino: 9, nlink: 3, mode: 0o444}, {name: "b", ino: 9, nlink: 3, mode: 0o444}, {name: "c", content: "x", ino: 9, nlink: 3, mode: 0o444}}},
			"-r--r--r-- a 1 \"x\"\n-r--r--r-- b 1 \"x\" = a\n-r--r--r-- c 1 \"x\" = a\n", ""},
		{"links end with their archive", [][]record{{{name: "a", content: "x", ino: 9, nlink: 2, mode: 0o644}}, {{name: "b", content: "y", ino: 9, nlink: 2, mode: 0o644}}},
			"-rw-r--r-- a 1 \"x\"\n-rw-r--r-- b 1 \"y\"\n", ""},
		{"the same name twice", [][]record{{{name: "a", ino: 9, nlink: 2, mode: 0o644}, {name: "a", content: "x", ino: 9, nlink: 2, mode: 0o644}}}, "-rw-r--r-- a 1 \"x\"\n", ""},
		{"through a link inside", [][]record{{{name: "usr", mode: dir}, {name: "lib", content: "usr", mode: link}, {name: "lib/f", mode: 0o644}}},
			"Lrwxrwxrwx lib -> usr\ndrwxr-xr-x usr\n-rw-r--r-- usr/f 0 \"\"\n", ""},
		{"through a link outside", [][]record{{{name: "up", content: "..", mode: link}, {name: "up/f", content: "x"}}}, "Lrwxrwxrwx up -> ..\n", "up/f"},
		{"through an absolute link", [][]record{{{name: "abs", content: "/tmp", mode: link}, {name: "abs/f", content: "x"}}}, "Lrwxrwxrwx abs -> /tmp\n", "abs/f"},
		{"over a link outside", [][]record{{{name: "f", content: "../victim", mode: link}, {name: "f", content: "x", mode: 0o644}}}, "-rw-r--r-- f 1 \"x\"\n", ""},
		{"hard link through a link outside", [][]record{{{name: "up", content: "..", mode: link}, {name: "up/victim", ino: 9, nlink: 2}, {name: "b", content: "x", ino: 9, nlink: 2, mode: 0o644}}},
			"-rw-r--r-- b 1 \"x\"\nLrwxrwxrwx up -> ..\n", "up/victim"},
		{"directory over a link", [][]record{{{name: "lib", content: "usr", mode: link}}, {{name: "lib", mode: dir}, {name: "lib/f", mode: 0o644}}}, "drwxr-xr-x lib\n-rw-r--r-- lib/f 0 \"\"\n", ""},
		{"file over a full directory", [][]record{{{name: "d", mode: dir}, {name: "d/f", mode: 0o644}}, {{name: "d", content: "x"}}}, "drwxr-xr-x d\n-rw-r--r-- d/f 0 \"\"\n", "d"},
		{"nodes", [][]record{{{name: "c", mode: newc.TypeChar}, {name: "p", mode: newc.TypeFifo}, {name: "s", mode: newc.TypeSocket}}}, "", "c p s"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			outer := files(t, t.TempDir(), map[string]string{"victim": "untouched"})
			var raw []byte
			for _, layer := range test.layers {
				raw = append(raw, archive(t, layer...)...)
			}
			skipped, err := Extract(bytes.NewReader(raw), filepath.Join(outer, "in"))
			if err != nil {
				t.Fatal(err)
			}
			if got := describeTree(t, filepath.Join(outer, "in")); got != test.want {
				t.Errorf("got\n%swant\n%s", got, test.want)
			}
			var names []string
			for _, s := range skipped {
				names = append(names, s.Path)
			}
			if got := strings.Join(names, " "); got != test.skipped {
				t.Errorf("skipped %v, want %s", skipped, test.skipped)
			}
			outside, _ := os.ReadDir(outer)
			if victim, _ := os.ReadFile(filepath.Join(outer, "victim")); string(victim) != "untouched" || len(outside) != 2 {
				t.Errorf("outside of the directory: %q, %v", victim, outside)
			}
		})
	}
}

func TestExtractDamaged(t *testing.T) {
	raw := archive(t, record{name: "a", content: "whole"}, record{name: "b", content: strings.Repeat("cut", 100)})
	target := t.TempDir()
	if _, err := Extract(bytes.NewReader(raw[:300]), target); err == nil || !strings.Contains(err.Error(), "b: the archive ends") {
		t.Errorf("error %v", err)
	}
	if got, _ := os.ReadFile(filepath.Join(target, "a")); string(got) != "whole" {
		t.Errorf("what came before the damage: %q", got)
	}
}
