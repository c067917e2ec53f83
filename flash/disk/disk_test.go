package disk

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

	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/diskfs/go-diskfs/partition/mbr"
)

func tell(t testing.TB, pkg, name string, args ...string) string {
	t.Helper()
	path := name
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if _, err := exec.LookPath(path); err != nil {
			path = filepath.Join(dir, name)
		}
	}
	if _, err := exec.LookPath(path); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func blank(t testing.TB, size int64) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestWindow(t *testing.T) {
	disk := bytes.NewReader([]byte("0123456789"))
	tests := []struct {
		start, size, off int64
		length           int
		want             string
		err              error
	}{
		{2, 5, 0, 5, "23456", nil},
		{2, 5, 3, 2, "56", nil},
		{2, 5, 3, 3, "56", io.EOF},
		{2, 5, 5, 1, "", io.EOF},
		{2, 5, 5, 0, "", nil},
		{2, 5, 6, 0, "", ErrOutside},
		{2, 5, -1, 2, "", ErrOutside},
		{2, 8, 0, 8, "23456789", nil},
		{2, 9, 0, 9, "23456789", io.EOF}, // the disk is shorter than was said
		{0, 0, 0, 1, "", io.EOF},
	}
	for _, test := range tests {
		w, err := NewWindow(disk, test.start, test.size)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, test.length)
		n, err := w.ReadAt(b, test.off)
		if string(b[:n]) != test.want || !errors.Is(err, test.err) {
			t.Errorf("window %d+%d: ReadAt(%d bytes, %d) = %q, %v, want %q, %v", test.start, test.size, test.length, test.off, b[:n], err, test.want, test.err)
		}
	}
	for _, at := range [][2]int64{{-1, 5}, {5, -1}, {1, 1<<63 - 1}} {
		if _, err := NewWindow(disk, at[0], at[1]); !errors.Is(err, ErrOutside) {
			t.Errorf("NewWindow(%d, %d) = %v, want ErrOutside", at[0], at[1], err)
		}
	}
}

const diskSize = 64 << 20

func writeMBR(t testing.TB, f *os.File) {
	t.Helper()
	table := mbr.Table{LogicalSectorSize: 512, PhysicalSectorSize: 512, Partitions: []*mbr.Partition{
		{Index: 1, Type: mbr.Linux, Start: 2048, Size: 20480}, {Index: 2, Type: mbr.Empty}, {Index: 3, Type: mbr.Fat32LBA, Start: 22528, Size: 1},
	}}
	if err := table.Write(f, diskSize); err != nil {
		t.Fatal(err)
	}
}

func writeGPT(t testing.TB, f *os.File) {
	t.Helper()
	table := gpt.Table{LogicalSectorSize: 512, PhysicalSectorSize: 512, ProtectiveMBR: true, Partitions: []*gpt.Partition{
		{Index: 1, Type: gpt.LinuxFilesystem, Start: 2048, End: 4095}, {Index: 4, Type: gpt.LinuxFilesystem, Start: 4096, End: diskSize/512 - 34},
	}}
	if err := table.Write(f, diskSize); err != nil {
		t.Fatal(err)
	}
}

// partitions is what partx reads, in the words of fmt.
func partitions(t *testing.T, f *os.File) string {
	return strings.Join(strings.Fields(tell(t, "util-linux", "partx", "-g", "-b", "-o", "NR,START,SIZE", f.Name())), " ")
}

func TestReadTableAsPartx(t *testing.T) {
	for name, write := range map[string]func(testing.TB, *os.File){"mbr": writeMBR, "gpt": writeGPT} {
		f := blank(t, diskSize)
		write(t, f)
		list, err := ReadTable(f, diskSize)
		var got []string
		for _, p := range list {
			got = append(got, fmt.Sprint(p.Number, p.Start/512, p.Size))
		}
		if want := partitions(t, f); err != nil || strings.Join(got, " ") != want || want == "" {
			t.Errorf("%s: ReadTable = %q, %v, want %q", name, got, err, want)
		}
	}
}

func TestReadTableOfBackupGPT(t *testing.T) {
	f := blank(t, diskSize)
	writeGPT(t, f)
	want, _ := ReadTable(f, diskSize)
	f.WriteAt(make([]byte, 512), 512)
	if got, err := ReadTable(f, diskSize); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("ReadTable without the first header = %v, %v, want %v", got, err, want)
	}
	f.WriteAt(make([]byte, 512), diskSize-512)
	if got, err := ReadTable(f, diskSize); err == nil || errors.Is(err, ErrNoTable) {
		t.Errorf("ReadTable without both headers = %v, %v, want an error about the GPT", got, err)
	}
}

func TestReadTableRefuses(t *testing.T) {
	mbrOf := func(entry ...byte) []byte {
		b := make([]byte, 4096)
		copy(b[446:], entry)
		b[510], b[511] = 0x55, 0xaa
		return b
	}
	header := make([]byte, 4096)
	copy(header[512:], "EFI PART")
	header[512+80] = 4 // entries of 0 bytes
	tests := []struct {
		name string
		disk []byte
		want string // "" for an empty table
	}{
		{"empty", nil, "no partition table"},
		{"zeros", make([]byte, 4096), "no partition table"},
		{"table without partitions", mbrOf(), ""},
		{"extended", mbrOf(0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0), ""},
		{"over the end", mbrOf(0, 0, 0, 0, 0x83, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0), "outside"},
		{"at 0", mbrOf(0, 0, 0, 0, 0x83, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0), "outside"},
		{"largest", mbrOf(0, 0, 0, 0, 0x83, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255), "outside"},
		{"protective", mbrOf(0, 0, 0, 0, 0xee, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0), "damaged"},
		{"not bootable nor not", mbrOf(7), "no partition table"},
		{"entries without length", header, "entries of 0 bytes"},
	}
	for _, test := range tests {
		list, err := ReadTable(bytes.NewReader(test.disk), int64(len(test.disk)))
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) || len(list) != 0 {
			t.Errorf("%s: ReadTable = %v, %v, want %q", test.name, list, err, test.want)
		}
	}
}

func FuzzReadTable(f *testing.F) {
	for _, write := range []func(testing.TB, *os.File){writeMBR, writeGPT} {
		disk := blank(f, diskSize)
		write(f, disk)
		head := make([]byte, 64<<10)
		disk.ReadAt(head, 0)
		f.Add(head)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := ReadTable(bytes.NewReader(b), int64(len(b)))
		for _, p := range list {
			if err != nil || p.Start <= 0 || p.Size <= 0 || p.Start+p.Size > int64(len(b)) {
				t.Errorf("ReadTable of %d bytes = %+v, %v", len(b), p, err)
			}
		}
	})
}
