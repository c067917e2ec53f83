package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// image makes a file of n bytes that differ from sector to sector.
func image(t *testing.T, n int) (dir string, data []byte) {
	t.Helper()
	dir = t.TempDir()
	data = make([]byte, n)
	for i := range data {
		data[i] = byte(i/Sector + i)
	}
	if err := os.WriteFile(filepath.Join(dir, "f"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, data
}

// contents is the file as it is now.
func contents(t *testing.T, dir string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestChangeCheck(t *testing.T) {
	of := func(n int) []byte { return make([]byte, n) }
	for _, tt := range []struct {
		name string
		c    Change
		ok   bool
	}{
		{"a sector", Change{512, of(512), of(512)}, true},
		{"less", Change{0, of(10), of(10)}, true},
		{"nothing", Change{0, nil, nil}, false},
		{"more than a sector", Change{0, of(513), of(513)}, false},
		{"another size", Change{0, of(10), of(11)}, false},
		{"within a sector", Change{100, of(10), of(10)}, false},
		{"before the start", Change{-512, of(10), of(10)}, false},
	} {
		if err := tt.c.check(); (err == nil) != tt.ok {
			t.Errorf("%s: check = %v, want ok = %v", tt.name, err, tt.ok)
		}
	}
}

// TestOverwrite makes the same changes to a file and to an image file.
func TestOverwrite(t *testing.T) {
	sector := func(text string) []byte { return []byte(text + strings.Repeat(".", Sector-len(text))) }
	for _, tt := range []struct {
		name   string
		size   int
		offset int64
		old    []byte // nil for what is there
		new    []byte
		err    error // nil for success; errAny for any
	}{
		{"first sector", 2048, 0, nil, sector("first"), nil},
		{"third sector", 2048, 1024, nil, sector("third"), nil},
		{"in the second page", 10000, 8192, nil, sector("page"), nil},
		{"ten bytes of ten", 10, 0, nil, []byte("0123456789"), nil},
		{"the last bytes", 1030, 1024, nil, []byte("012345"), nil},
		{"there already", 1024, 512, sector("other"), nil, nil},
		{"somebody was there", 1024, 512, sector("other"), sector("new"), ErrChanged},
		{"over the end", 1030, 1024, sector("x")[:7], sector("y")[:7], errAny},
		{"behind the end", 1024, 1024, sector("x"), sector("y"), errAny},
		{"not a sector", 2048, 100, sector("x"), sector("y"), errAny},
	} {
		for _, how := range []string{"file", "device"} {
			t.Run(tt.name+" "+how, func(t *testing.T) {
				dir, data := image(t, tt.size)
				c := Change{Offset: tt.offset, Old: tt.old, New: tt.new}
				if tt.old == nil {
					c.Old = bytes.Clone(data[tt.offset:][:len(tt.new)])
				}
				if tt.new == nil {
					c.New = bytes.Clone(data[tt.offset:][:len(tt.old)])
				}
				overwrite := func() error { return OverwriteFile(dir, "f", c) }
				if how == "device" {
					d := Device{Name: filepath.Join(dir, "f"), Size: int64(tt.size)}
					overwrite = func() error { return d.Overwrite(c) }
					if tt.size%Sector != 0 {
						d.Size += Sector // a window that the image does not fill
					}
				}
				err := overwrite()
				if tt.err == errAny && err == nil || tt.err != errAny && !errors.Is(err, tt.err) {
					t.Fatalf("error %v, want %v", err, tt.err)
				}
				want := bytes.Clone(data)
				if err == nil {
					copy(want[tt.offset:], c.New)
				}
				if got := contents(t, dir); !bytes.Equal(got, want) {
					t.Errorf("%d bytes, and differ from the %d wanted at %v", len(got), len(want), differences(got, want))
				}
			})
		}
	}
}

var errAny = errors.New("any")

// differences are the sectors that differ.
func differences(a, b []byte) []int {
	var list []int
	for i := 0; i < max(len(a), len(b)); i += Sector {
		if !bytes.Equal(a[min(i, len(a)):min(i+Sector, len(a))], b[min(i, len(b)):min(i+Sector, len(b))]) {
			list = append(list, i/Sector)
		}
	}
	return list
}

func TestDeviceWindow(t *testing.T) {
	const start, size = 2048, 4096
	for _, tt := range []struct {
		name   string
		offset int64
		n      int
		ok     bool
	}{
		{"first", 0, Sector, true},
		{"last", size - Sector, Sector, true},
		{"part of one", 512, 10, true},
		{"behind", size, Sector, false},
		{"far behind", 1 << 40, Sector, false},
		{"before", -Sector, Sector, false},
	} {
		dir, data := image(t, 3*size)
		c := Change{Offset: tt.offset, New: bytes.Repeat([]byte("N"), tt.n), Old: make([]byte, tt.n)}
		at := start + tt.offset
		if at >= 0 && at+int64(tt.n) < int64(len(data)) {
			copy(c.Old, data[at:]) // so that only the window is in the way
		}
		d := Device{Name: filepath.Join(dir, "f"), Start: start, Size: size}
		err := d.Overwrite(c)
		want := bytes.Clone(data)
		if tt.ok {
			copy(want[at:], c.New)
		}
		if (err == nil) != tt.ok || !bytes.Equal(contents(t, dir), want) {
			t.Errorf("%s: %v, changed sectors %v, want %v", tt.name, err, differences(data, contents(t, dir)), differences(data, want))
		}
	}
}

func TestDeviceReadAt(t *testing.T) {
	dir, data := image(t, 20000)
	d := Device{Name: filepath.Join(dir, "f"), Start: 512, Size: 19000}
	for _, tt := range []struct {
		off int64
		n   int
		ok  bool
	}{{0, 1, true}, {0, 19000, true}, {511, 8193, true}, {18999, 1, true}, {19000, 1, false}, {18000, 1001, false}, {-1, 1, false}} {
		b := make([]byte, tt.n)
		n, err := d.ReadAt(b, tt.off)
		if (err == nil) != tt.ok || tt.ok && (n != tt.n || !bytes.Equal(b, data[512+tt.off:][:tt.n])) {
			t.Errorf("ReadAt(%d bytes, %d) = %d, %v, want ok = %v", tt.n, tt.off, n, err, tt.ok)
		}
	}
	d.Size = 30000
	if _, err := d.ReadAt(make([]byte, 100), 19480); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("ReadAt over the end of a short image: %v, want unexpected EOF", err)
	}
}

// TestRefuses is about what is in the place of a file.
func TestRefuses(t *testing.T) {
	dir, data := image(t, 1024)
	outside, _ := image(t, 1024)
	for name, err := range map[string]error{
		"fifo":     unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600),
		"dir":      os.Mkdir(filepath.Join(dir, "dir"), 0o700),
		"link":     os.Symlink(filepath.Join(outside, "f"), filepath.Join(dir, "link")),
		"loop":     os.Symlink("loop", filepath.Join(dir, "loop")),
		"readonly": os.WriteFile(filepath.Join(dir, "readonly"), data, 0o400),
	} {
		if err != nil {
			t.Fatal(name, err)
		}
	}
	c := Change{New: []byte("new"), Old: data[:3]}
	for _, name := range []string{"fifo", "dir", "link", "loop", "absent", "../f"} {
		if err := OverwriteFile(dir, name, c); err == nil {
			t.Errorf("OverwriteFile(%s) = nil", name)
		}
	}
	for _, name := range []string{"fifo", "dir", "absent"} {
		if err := (Device{Name: filepath.Join(dir, name), Size: 1024}).Overwrite(c); err == nil {
			t.Errorf("Overwrite of %s = nil", name)
		}
	}
	if err := (Device{Name: "/dev/zero", Size: 1024}).Overwrite(c); err == nil {
		t.Error("Overwrite of /dev/zero = nil")
	}
	if got := contents(t, outside); !bytes.Equal(got, data) {
		t.Error("a file behind a link was written")
	}
}

// A program that has the image locked, as QEMU has, is left alone.
func TestImageInUse(t *testing.T) {
	dir, data := image(t, 1024)
	name := filepath.Join(dir, "f")
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	// The bytes that QEMU locks (block/file-posix.c, RAW_LOCK_PERM_BASE), for reading.
	lock := unix.Flock_t{Type: unix.F_RDLCK, Start: 100, Len: 1}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		t.Fatal(err)
	}
	c := Change{New: []byte("new"), Old: data[:3]}
	d := Device{Name: name, Size: 1024}
	if err := d.Overwrite(c); !errors.Is(err, syscall.EBUSY) || !bytes.Equal(contents(t, dir), data) {
		t.Errorf("Overwrite of a locked image = %v, want EBUSY", err)
	}
	f.Close()
	if err := d.Overwrite(c); err != nil {
		t.Errorf("Overwrite after the lock ended = %v", err)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	unlock, err := Lock(t.Context(), dir, func() { t.Error("waits for a free lock") })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := Lock(ctx, dir, cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("Lock of what is locked, cancelled = %v, want context.Canceled", err)
	}
	again, err := Lock(t.Context(), dir, unlock) // it comes free while we wait
	if err != nil {
		t.Fatal(err)
	}
	again()
	if _, err := Lock(t.Context(), filepath.Join(dir, "absent"), func() {}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Lock of nothing = %v, want os.ErrNotExist", err)
	}
}

// TestLockAll has two at work that name the same in another order, and one file by two names.
func TestLockAll(t *testing.T) {
	dir := t.TempDir()
	a, b, link := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "link")
	for _, name := range []string{a, b} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", link); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for _, names := range [][]string{{a, b, link}, {b, link, a}} {
		go func() {
			for range 20 {
				unlock, err := LockAll(t.Context(), names, func(string) {})
				if err != nil {
					done <- err
					return
				}
				unlock()
			}
			done <- nil
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	unlock, err := LockAll(t.Context(), []string{a, b}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	for _, name := range []string{a, b} {
		ctx, cancel := context.WithCancel(t.Context())
		said := ""
		_, err := LockAll(ctx, []string{name}, func(name string) { said = name; cancel() })
		if !errors.Is(err, context.Canceled) || said != name {
			t.Errorf("LockAll of what is locked = %v, waiting for %q", err, said)
		}
	}
	if _, err := LockAll(t.Context(), []string{link, filepath.Join(dir, "absent")}, func(string) {}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("LockAll of nothing = %v, want os.ErrNotExist", err)
	}
}
