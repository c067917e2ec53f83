package initramfs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/initramfs/compress"
)

// Archives of ours are concatenated with nothing between, each compressed its own way, in every order
// of two.
func TestConcatenated(t *testing.T) {
	root := t.TempDir()
	for _, first := range methods {
		for _, second := range methods {
			var raw []byte
			for i, m := range []compress.Method{first, second} {
				// The names' lengths give streams of all lengths modulo four.
				name := fmt.Sprintf("%d-%v-%v", i, first, second)
				files(t, root, map[string]string{name: strings.Repeat(name, i*30)})
				raw = append(raw, build(t, Request{Adds: []Add{{filepath.Join(root, name), "/" + name}}, Compress: m})...)
			}
			r := NewReader(bytes.NewReader(raw))
			for i := range 2 {
				f, err := r.Next()
				if want := fmt.Sprintf("%d-%v-%v", i, first, second); err != nil || f.Path != want || f.Layer != i {
					t.Fatalf("record %d = %s of layer %d, %v, want %s", i, f.Path, f.Layer, err, want)
				}
				content, err := io.ReadAll(r)
				if err != nil || len(content) != int(f.Size) {
					t.Errorf("%s: %d bytes, %v", f.Path, len(content), err)
				}
			}
			if f, err := r.Next(); err != io.EOF {
				t.Errorf("%v behind %v: after all %+v, %v", second, first, f, err)
			}
			if l := r.Layers(); len(l) != 2 || l[0].Compress != first || l[1].Compress != second || l[0].Objection+l[1].Objection != "" {
				t.Errorf("layers %+v", l)
			}
		}
	}
}

// A file as distributions make it: microcode in a plain archive, then a compressed one, by GNU cpio.
func TestReadsGNU(t *testing.T) {
	root := files(t, t.TempDir(), map[string]string{"early": "microcode", "late": "rest"})
	raw := tool(t, root, strings.NewReader("early\n"), "cpio", "-o", "--quiet", "-H", "newc")
	late := tool(t, root, strings.NewReader("late\n"), "cpio", "-o", "--quiet", "-H", "newc")
	raw += tool(t, root, strings.NewReader(late+late), "xz", "-c", "--check=crc64") + "\x00\x00\x00\x00"
	got, err := List(strings.NewReader(raw))
	if err != nil || len(got) != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, want := range []string{"early", "late", "late"} {
		if got[i].Path != want || got[i].Layer != i {
			t.Errorf("record %d is %s in layer %d, want %s in %d", i, got[i].Path, got[i].Layer, want, i)
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	good := archive(t, record{name: "a", content: "x"})
	packed := func(raw []byte) string { return tool(t, ".", bytes.NewReader(raw), "gzip", "-c") }
	tests := []struct{ name, raw, want string }{
		{"empty", "", "no archive"},
		{"zeros", strings.Repeat("\x00", 1024), "no archive"},
		{"text", "hello", "at offset 0: neither"},
		{"a kernel", "MZ" + strings.Repeat("\x00", 1000), "at offset 0: neither"},
		{"junk behind", string(good) + "\x00\x00\x00\x00junk", fmt.Sprintf("at offset %d: neither", len(good)+4)},
		{"LZ4 frame", string(good) + "\x04\x22\x4d\x18", fmt.Sprintf("at offset %d: an LZ4 frame", len(good))},
		{"old cpio", "070707" + strings.Repeat("0", 200), `archive at offset 0: record at 0: "070707"`},
		{"text in gzip", packed([]byte("hello")), `gzip archive at offset 0: record at 0: the archive ends`},
		{"cut in gzip", string(good) + packed(append(good, good[:50]...)), fmt.Sprintf("gzip archive at offset %d: record at 0: the archive ends", len(good))},
		{"zstd magic alone", "\x28\xb5\x2f\xfd", "zstd at offset 0: cut short"},
		{"xz magic alone", "\xfd7zXZ\x00", "at offset 0: xz: cut short"},
		{"gzip magic alone", "\x1f\x8b", "at offset 0: gzip: unexpected EOF"},
		{"cut gzip", packed(bytes.Repeat(good, 100))[:100], "gzip archive at offset 0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := List(strings.NewReader(test.raw)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// Many empty streams in a row are nothing to the reader, and no depth of calls.
func TestEmptyStreams(t *testing.T) {
	empty := tool(t, ".", nil, "gzip", "-c")
	got, err := List(strings.NewReader(strings.Repeat(empty, 10_000) + string(archive(t, record{name: "a"}))))
	if err != nil || len(got) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestCheck(t *testing.T) {
	console := record{name: "dev/console", mode: 0o020600}
	program, err := os.ReadFile("/bin/ls")
	if err != nil {
		t.Fatal(err)
	}
	static, err := os.ReadFile(busybox(t))
	if err != nil {
		t.Fatal(err)
	}
	init := record{name: "init", content: string(static), mode: 0o755}
	base := []record{{name: "dev", mode: dir}, console, init}
	with := func(more ...record) []record { return append(base[:len(base):len(base)], more...) }
	tests := []struct {
		name   string
		layers [][]record
		want   []string
	}{
		{"nothing wrong", [][]record{base}, nil},
		{"nothing at all", [][]record{{}}, []string{"/init: not there", "/dev/console: not there"}},
		{"init not executable", [][]record{{base[0], console, {name: "init", mode: 0o644}}}, []string{"/init: is not executable"}},
		{"init a directory", [][]record{{base[0], console, {name: "init", mode: dir}}}, []string{"/init: is a directory"}},
		{"init a link", [][]record{{base[0], console, {name: "init", content: "bin/init", mode: link}, {name: "bin", mode: dir}, {name: "bin/init", mode: 0o755, content: "x"}}}, nil},
		{"init a loop", [][]record{{base[0], console, {name: "init", content: "init", mode: link}}}, []string{"/init: not there"}},
		{"init a script", [][]record{{base[0], console, {name: "init", content: "#! /bin/sh -e\n", mode: 0o755}}}, []string{"/init: its interpreter /bin/sh is not there"}},
		{"console a file", [][]record{{base[0], init, {name: "dev/console"}}}, []string{"/dev/console: is not the device 5:1"}},
		{"no parent", [][]record{with(record{name: "a/b"})}, []string{"/a/b: the kernel cannot make it: /a is not there before it"}},
		{"shorter", [][]record{with(record{name: "f", content: "long"}), {{name: "f", content: "no"}}}, []string{"warning: /f: archive 2 overwrites 4 bytes by 2"}},
		{"longer", [][]record{with(record{name: "f", content: "no"}), {{name: "f", content: "long"}}}, nil},
		{"other type", [][]record{with(record{name: "lib", content: "usr", mode: link}), {{name: "lib", mode: dir}}}, []string{"warning: /lib: archive 2 replaces a symbolic link of archive 1 by a directory"}},
		{"no libraries", [][]record{with(record{name: "ls", content: string(program), mode: 0o755})}, []string{
			"/ls: cannot start: its dynamic linker /lib64/ld-linux-x86-64.so.2 is not there", "/ls: its library libselinux.so.1 is not there", "/ls: its library libc.so.6 is not there",
		}},
		{"a program repaired", [][]record{with(record{name: "ls", content: string(program), mode: 0o755}), {{name: "ls", content: strings.Repeat("#", len(program))}}}, nil},
		{"modules", [][]record{with(record{name: "etc", mode: dir}, record{name: "etc/holdfast", mode: dir},
			record{name: "etc/holdfast/modules", content: "# c\n/dev/console\n/lib/gone.ko\n"})}, []string{"/etc/holdfast/modules: /lib/gone.ko is not there"}},
		{"truncated program", [][]record{with(record{name: "x", content: string(program[:2000])})}, []string{"/x: "}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var raw []byte
			for _, layer := range test.layers {
				raw = append(raw, archive(t, layer...)...)
			}
			problems, err := Check(bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			if len(problems) != len(test.want) {
				t.Fatalf("problems %v, want %v", problems, test.want)
			}
			for i, p := range problems {
				if !strings.HasPrefix(p.String(), test.want[i]) {
					t.Errorf("problem %q, want %q", p, test.want[i])
				}
			}
		})
	}

	raw := archive(t, base...)
	for _, test := range []struct{ raw, want string }{
		{tool(t, ".", bytes.NewReader(raw), "xz", "-0", "-c"), "the kernel refuses archive 1 (xz, at offset 0): the xz stream's check"},
		{tool(t, ".", strings.NewReader(""), "xz", "-c") + "\x00\x00" + string(raw), "the kernel refuses archive 1 (none, at offset 34): a plain archive must start"},
	} {
		problems, err := Check(strings.NewReader(test.raw))
		if err != nil || len(problems) != 1 || !strings.HasPrefix(problems[0].String(), test.want) {
			t.Errorf("problems %v, %v, want %q", problems, err, test.want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	plain := archive(f, record{name: "d", mode: dir}, record{name: "d/l", content: "../d", mode: link},
		record{name: "init", content: "\x7fELF", mode: 0o755}, record{name: "etc/holdfast/modules", content: "/d/l/x"})
	f.Add(plain)
	f.Add(append(plain, plain...))
	for _, m := range methods {
		f.Add(append(build(f, Request{Adds: []Add{{"/etc/os-release", "/x"}}, Compress: m}), plain...))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 1<<16 {
			return
		}
		_, _ = Check(bytes.NewReader(raw))
		outer := t.TempDir()
		inner := filepath.Join(outer, "in")
		_, _ = Extract(bytes.NewReader(raw), inner)
		if left, err := os.ReadDir(outer); err != nil || len(left) > 1 {
			t.Errorf("outside of the directory: %v, %v", left, err)
		}
	})
}
