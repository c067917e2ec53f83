package elfdeps

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ldd is the oracle: the files that the real dynamic linker would load.
func ldd(t *testing.T, program string) []string {
	t.Helper()
	if _, err := exec.LookPath("ldd"); err != nil {
		t.Fatal("ldd is missing: apt-get install libc-bin")
	}
	out, err := exec.Command("ldd", program).Output()
	if err != nil {
		t.Fatalf("ldd %s: %v", program, err)
	}
	var files []string
	for line := range strings.Lines(string(out)) {
		for _, word := range strings.Fields(line) {
			if strings.HasPrefix(word, "/") {
				files = append(files, word)
			}
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}

func TestSameAsLDD(t *testing.T) {
	for _, name := range []string{"/bin/ls", "mke2fs", "bash", "tar", "qemu-system-x86_64", "mcopy", "tmux", "apt-get"} {
		program, err := exec.LookPath(name)
		if err != nil {
			if program, err = exec.LookPath("/usr/sbin/" + name); err != nil {
				t.Logf("%s is not here", name) // any dynamic program will do; /bin/ls always is
				continue
			}
		}
		libraries, err := NewResolver().Resolve(program, program)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range libraries {
			got = append(got, l.Path)
		}
		slices.Sort(got)
		if want := ldd(t, program); !slices.Equal(got, want) {
			t.Errorf("%s: %d libraries, ldd finds %d:\n%v\n%v", program, len(got), len(want), got, want)
		}
	}
}

func TestNotELF(t *testing.T) {
	dir := t.TempDir()
	object := fakeELF(fake{kind: elf.ET_REL})
	for name, content := range map[string][]byte{"text": []byte("#!/bin/sh\n"), "empty": nil, "object.o": object} {
		file := filepath.Join(dir, name)
		os.WriteFile(file, content, 0o644)
		if _, err := NewResolver().Resolve(file, file); !errors.Is(err, ErrNotELF) {
			t.Errorf("%s: %v, want ErrNotELF", name, err)
		}
	}
	if n, err := Read(bytes.NewReader([]byte("\x7fELF and then nothing"))); err == nil || errors.Is(err, ErrNotELF) {
		t.Errorf("a damaged ELF header: %+v, %v", n, err)
	}
}

func TestSearch(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, f fake) string {
		name = filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(name), 0o755)
		if err := os.WriteFile(name, fakeELF(f), 0o755); err != nil {
			t.Fatal(err)
		}
		return name
	}
	lib := fake{kind: elf.ET_DYN}
	loader := put("sys/ld.so", lib)
	put("app/lib/libown.so", fake{kind: elf.ET_DYN, needed: "libdeep.so"})
	put("app/lib/libdeep.so", lib)
	put("deep/libdeep.so", lib)
	put("conf/libconf.so", lib)
	put("sys/libsys.so", lib)
	put("wrong/libconf.so", fake{kind: elf.ET_DYN, arch: elf.EM_AARCH64})
	r := &Resolver{conf: []string{filepath.Join(dir, "wrong"), filepath.Join(dir, "conf")}}

	tests := []struct {
		name    string
		program fake
		want    []string // path <- source -> link, below dir
	}{
		{"static", fake{kind: elf.ET_EXEC}, nil},
		{"runpath", fake{interp: loader, needed: "libown.so", runpath: "$ORIGIN/../lib:" + dir + "/deep"}, []string{
			"sys/ld.so<-sys/ld.so", "dest/lib/libown.so<-app/lib/libown.so", "ERROR libdeep.so",
		}},
		{"rpath serves the libraries, too", fake{interp: loader, needed: "libown.so", rpath: "${ORIGIN}/../lib"}, []string{
			"sys/ld.so<-sys/ld.so", "dest/lib/libown.so<-app/lib/libown.so", "dest/lib/libdeep.so<-app/lib/libdeep.so",
		}},
		{"ld.so.conf", fake{interp: loader, needed: "libconf.so"}, []string{
			"sys/ld.so<-sys/ld.so", "conf/libconf.so<-conf/libconf.so->sys/libconf.so",
		}},
		{"beside the linker", fake{interp: loader, needed: "libsys.so"}, []string{
			"sys/ld.so<-sys/ld.so", "sys/libsys.so<-sys/libsys.so",
		}},
		{"by its path", fake{interp: loader, needed: dir + "/deep/libdeep.so"}, []string{
			"sys/ld.so<-sys/ld.so", "deep/libdeep.so<-deep/libdeep.so",
		}},
		{"the linker is named, too", fake{interp: loader, needed: "ld.so"}, []string{"sys/ld.so<-sys/ld.so"}},
		{"no linker", fake{interp: dir + "/no/ld.so"}, []string{"ERROR dynamic linker"}},
		{"no library", fake{interp: loader, needed: "libnone.so"}, []string{"ERROR libnone.so, which is in none of"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.program.kind == 0 {
				test.program.kind = elf.ET_DYN
			}
			program := put("app/bin/program", test.program)
			libraries, err := r.Resolve(program, dir+"/dest/bin/program")
			want := test.want
			if n := len(want); n > 0 && strings.HasPrefix(want[n-1], "ERROR ") {
				text := strings.TrimPrefix(want[n-1], "ERROR ")
				if err == nil || !strings.Contains(err.Error(), text) {
					t.Errorf("error %v, want %q", err, text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range libraries {
				s := l.Path + "<-" + l.Source
				if l.Link != "" {
					s += "->" + l.Link
				}
				got = append(got, strings.ReplaceAll(s, dir+"/", ""))
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestReadConf(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"ld.so.conf": "# comment\n/first # more\ninclude conf.d/*.conf none/*\nhwcap 1 x\n/last/\ninclude ld.so.conf\n",
		"conf.d/b":   "/not/this\n", "conf.d/2.conf": "/third\n", "conf.d/1.conf": "/second",
	} {
		os.MkdirAll(filepath.Join(dir, "conf.d"), 0o755)
		os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)
	}
	got := slices.Compact(slices.Sorted(slices.Values(readConf(filepath.Join(dir, "ld.so.conf"), 0))))
	if want := []string{"/first", "/last", "/second", "/third"}; !slices.Equal(got, want) {
		t.Errorf("readConf = %v, want %v", got, want)
	}
	if got := readConf(filepath.Join(dir, "nothing"), 0); got != nil {
		t.Errorf("no file gives %v", got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(fakeELF(fake{kind: elf.ET_DYN, interp: "/ld.so", needed: "libc.so.6", runpath: "$ORIGIN"}))
	f.Add(fakeELF(fake{kind: elf.ET_EXEC}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		Read(bytes.NewReader(raw)) // must not panic
	})
}

// fake describes an ELF file that has just enough in it to be read.
type fake struct {
	kind                           elf.Type
	arch                           elf.Machine
	interp, needed, rpath, runpath string
}

// fakeELF lays out header, program headers, strings, dynamic section, section headers.
func fakeELF(f fake) []byte {
	if f.arch == 0 {
		f.arch = elf.EM_X86_64
	}
	const headers = 64 + 56
	str := "\x00"
	var dyn []elf.Dyn64
	for _, d := range []struct {
		tag  elf.DynTag
		text string
	}{{elf.DT_NEEDED, f.needed}, {elf.DT_RPATH, f.rpath}, {elf.DT_RUNPATH, f.runpath}} {
		if d.text != "" {
			dyn = append(dyn, elf.Dyn64{Tag: int64(d.tag), Val: uint64(len(str))})
			str += d.text + "\x00"
		}
	}
	interpAt := uint64(headers + len(str))
	str += f.interp + "\x00"
	dyn = append(dyn, elf.Dyn64{})
	dynAt, dynLen := uint64(headers+len(str)), uint64(len(dyn)*16)

	var b bytes.Buffer
	put := func(v any) { binary.Write(&b, binary.LittleEndian, v) }
	h := elf.Header64{
		Type: uint16(f.kind), Machine: uint16(f.arch), Version: 1, Ehsize: 64,
		Phoff: 64, Phentsize: 56, Shoff: dynAt + dynLen, Shentsize: 64, Shnum: 3, Shstrndx: 1,
	}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	if f.interp != "" {
		h.Phnum = 1
	}
	put(h)
	put(elf.Prog64{Type: uint32(elf.PT_INTERP), Off: interpAt, Filesz: uint64(len(f.interp) + 1), Memsz: uint64(len(f.interp) + 1)})
	b.WriteString(str)
	put(dyn)
	put(elf.Section64{})
	put(elf.Section64{Type: uint32(elf.SHT_STRTAB), Off: headers, Size: uint64(len(str))})
	put(elf.Section64{Type: uint32(elf.SHT_DYNAMIC), Off: dynAt, Size: dynLen, Link: 1, Entsize: 16})
	return b.Bytes()
}
