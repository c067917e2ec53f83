package disk

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
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
