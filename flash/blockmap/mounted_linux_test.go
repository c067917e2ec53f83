package blockmap

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFilefrag compares with filefrag. A directory for temporary files without FIEMAP has nothing to
// compare: there, TestMounted must do.
func TestFilefrag(t *testing.T) {
	if _, err := exec.LookPath("filefrag"); err != nil {
		t.Fatal("filefrag is missing: apt-get install e2fsprogs")
	}
	dir := t.TempDir()
	block := int64(4096)
	for _, tt := range []struct {
		name string
		make func(*os.File) error
	}{
		{"empty", func(*os.File) error { return nil }},
		{"one byte", func(f *os.File) error { return fill(f, 0, 1) }},
		{"contiguous", func(f *os.File) error { return fill(f, 0, 100000) }},
		{"sparse", func(f *os.File) error {
			return errors.Join(fill(f, 5*block, 5000), fill(f, 50*block, 1), f.Truncate(100*block))
		}},
		{"a hole", func(f *os.File) error { return f.Truncate(10 * block) }},
		{"preallocated", func(f *os.File) error { return unix.Fallocate(int(f.Fd()), 0, 0, 100000) }},
		{"preallocated behind its end", func(f *os.File) error {
			return errors.Join(fill(f, 0, 100), unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, 100000))
		}},
		{"partly written", func(f *os.File) error {
			return errors.Join(unix.Fallocate(int(f.Fd()), 0, 0, 20*block), f.Sync(), fill(f, 3*block, 100))
		}},
		{"more extents than one call gives", func(f *os.File) error {
			var err error
			for i := range int64(700) {
				err = errors.Join(err, fill(f, 2*i*block, 10))
			}
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := os.Create(filepath.Join(dir, strings.ReplaceAll(tt.name, " ", "-")))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := tt.make(f); err != nil {
				t.Fatal(err)
			}
			m, err := File(f)
			if err != nil && strings.Contains(err.Error(), "FIBMAP") {
				t.Logf("no FIEMAP in %s: %v", dir, err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, want := sectors(m), filefrag(t, f.Name())
			if !maps.Equal(got, want) {
				t.Errorf("File gives %v; %d sectors differ from filefrag", m, differences(got, want))
			}
		})
	}
}

func fill(f *os.File, off int64, n int) error {
	_, err := f.WriteAt([]byte(strings.Repeat("x", n)), off)
	return err
}

// sectors gives each sector of the file its place, "+" where it is not written.
func sectors(m Map) map[int64]string {
	all := map[int64]string{}
	for _, e := range m.Extents {
		for n := int64(0); n < e.Length/Sector; n++ {
			text := fmt.Sprint(e.Physical/Sector + n)
			if e.Flags == Unwritten {
				text += "+"
			} else if e.Flags != 0 {
				text = e.Flags.String()
			}
			all[e.Logical/Sector+n] = text
		}
	}
	return all
}

var filefragLine = regexp.MustCompile(`^ *\d+: *(\d+)\.\. *(\d+): *(\d+)\.\. *(\d+): *(\d+):(.*)$`)

func filefrag(t *testing.T, name string) map[int64]string {
	t.Helper()
	out, err := exec.Command("filefrag", "-v", "-b512", name).CombinedOutput()
	if err != nil {
		t.Fatalf("filefrag: %v: %s", err, out)
	}
	all := map[int64]string{}
	for line := range strings.Lines(string(out)) {
		field := filefragLine.FindStringSubmatch(strings.TrimSpace(line))
		if field == nil {
			continue
		}
		var n [5]int64
		for i := range n {
			n[i], _ = strconv.ParseInt(field[i+1], 10, 64)
		}
		for i := range n[4] {
			text := fmt.Sprint(n[2] + i)
			if strings.Contains(field[6], "unwritten") {
				text += "+"
			}
			all[n[0]+i] = text
		}
	}
	return all
}

func differences(a, b map[int64]string) int {
	n := 0
	for key := range a {
		if a[key] != b[key] {
			n++
		}
	}
	return n + max(0, len(b)-len(a))
}

func TestFileRefuses(t *testing.T) {
	memory, err := unix.MemfdCreate("memory", 0)
	if err != nil {
		t.Fatal(err)
	}
	inMemory := os.NewFile(uintptr(memory), "memory")
	defer inMemory.Close()
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	closed, err := os.Create(filepath.Join(t.TempDir(), "closed"))
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	if err := fill(inMemory, 0, 5000); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		file *os.File
		want string
	}{
		{inMemory, "map memory: FIBMAP: "}, // root is told something else than others
		{dir, "map " + dir.Name() + ": not a regular file"},
		{closed, ": file already closed"},
	} {
		if m, err := File(tt.file); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("File(%s) = %v, %v; want %s", tt.file.Name(), m, err, tt.want)
		}
	}
}

func TestTranslate(t *testing.T) {
	for flags, want := range map[uint32]Flags{
		0:                                   0,
		extentLast:                          0,
		0x1000:                              0, // merged from single blocks
		extentUnknown | extentDelayed:       Delayed,
		extentUnknown:                       Delayed,
		extentEncoded:                       Compressed,
		extentEncoded | extentEncrypted:     Encrypted,
		extentUnaligned | extentInline:      Inline,
		extentUnaligned | extentTail:        Inline,
		extentUnaligned:                     Inline,
		extentUnwritten | extentLast:        Unwritten,
		extentShared:                        Shared,
		extentShared | extentEncoded:        Shared | Compressed,
		extentLast | extentUnknown | 0x4000: Delayed,
	} {
		if got := (fiemapExtent{flags: flags}).translate(); got != want {
			t.Errorf("flags %#x are %q, want %q", flags, got, want)
		}
	}
}

// TestFIEMAP answers as a kernel could.
func TestFIEMAP(t *testing.T) {
	const count = 1000
	all := make([]fiemapExtent, count)
	for i := range all {
		all[i] = fiemapExtent{logical: uint64(i) * 4096, physical: uint64(count-i) * 8192, length: 4096}
	}
	for _, tt := range []struct {
		name   string
		last   bool
		answer func(*fiemap)
		err    error
		want   int
	}{
		{name: "in rounds", last: true, want: count},
		{name: "without a last one", want: count},
		{name: "again and again", answer: func(r *fiemap) { r.mapped, r.extents[0] = 1, all[0] }, want: -1},
		{name: "of no length", answer: func(r *fiemap) { r.mapped, r.extents[0] = 1, fiemapExtent{} }, want: -1},
		{name: "an error", err: unix.EIO, want: -1},
	} {
		all[count-1].flags = 0
		if tt.last {
			all[count-1].flags = extentLast
		}
		rounds := 0
		var m Map
		err := m.fiemap(func(r *fiemap) error {
			if rounds++; rounds > 10 {
				t.Fatalf("%s: no end", tt.name)
			}
			if tt.answer != nil {
				tt.answer(r)
				return nil
			}
			first, _ := slices.BinarySearchFunc(all, r.start, func(e fiemapExtent, start uint64) int { return int(e.logical) - int(start) })
			r.mapped = uint32(copy(r.extents[:r.room], all[first:]))
			return tt.err
		})
		if tt.want < 0 {
			if err == nil || !errors.Is(err, tt.err) && tt.err != nil {
				t.Errorf("%s: %v, want an error", tt.name, err)
			}
			continue
		}
		if err != nil || len(m.Extents) != tt.want {
			t.Errorf("%s: %d extents, %v; want %d", tt.name, len(m.Extents), err, tt.want)
		}
	}
}

func TestFIBMAP(t *testing.T) {
	blocks := []int32{0, 7, 8, 10, 0, 11}
	m := Map{Size: int64(len(blocks))*1024 - 5}
	err := m.fibmap(1024, func(n *int32) error { *n = blocks[*n]; return nil })
	want := []Extent{{1024, 7168, 2048, 0}, {3072, 10240, 1024, 0}, {5120, 11264, 1024, 0}}
	if err != nil || !slices.Equal(m.Extents, want) {
		t.Errorf("fibmap gives %v, %v; want %v", m.Extents, err, want)
	}
	for _, tt := range []struct {
		size, block int64
		err         error
		want        string
	}{
		{1, 512, unix.EPERM, "FIBMAP: operation not permitted: its file system tells this to root only; run as root"},
		{1, 512, unix.EIO, "FIBMAP: input/output error"},
		{1, 0, nil, "FIGETBSZ: blocks of 0 bytes"},
		{0, 512, unix.EIO, "<nil>"}, // an empty file is not asked for
	} {
		m := Map{Size: tt.size}
		if got := fmt.Sprint(m.fibmap(tt.block, func(*int32) error { return tt.err })); got != tt.want {
			t.Errorf("fibmap of %d bytes = %s, want %s", tt.size, got, tt.want)
		}
	}
}
