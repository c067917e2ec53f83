package volume

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

// TestRooted: a flash is a file system like any other, but nothing on it leads out of it.
func TestRooted(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "system/active"), 0o755); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, "system/active/kernel.ver"), []byte("1\n"), 0o600)
	if err := fstest.TestFS(rooted(dir), "system/active/kernel.ver"); err != nil {
		t.Error(err)
	}
	os.Symlink("active", filepath.Join(dir, "system/link"))
	if b, err := fs.ReadFile(rooted(dir), "system/link/kernel.ver"); string(b) != "1\n" {
		t.Errorf("by a link within the flash: %q, %v", b, err)
	}
	os.Symlink("/etc/passwd", filepath.Join(dir, "out"))
	if _, err := rooted(dir).Open("out"); err == nil {
		t.Error("Open followed a link out of the flash")
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if info, err := fs.Stat(rooted(dir), "fifo"); err != nil || info.Mode().IsRegular() {
		t.Errorf("Stat of a FIFO = %v, %v", info, err)
	}
	opened := make(chan error, 1)
	go func() {
		f, err := rooted(dir).Open("fifo")
		if err == nil {
			err = f.Close()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		if err != nil {
			t.Errorf("Open of a FIFO: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Open waits for the writer of a FIFO")
	}
	if f, err := rooted(dir).Open("system/active/kernel.ver"); err != nil {
		t.Error(err)
	} else if _, ok := f.(*os.File); !ok {
		t.Errorf("Open gives a %T, which the kernel cannot load from", f)
	}
}
