package flash

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

// inTime fails the test when f has not come back after a while, as nobody comes back who waits for
// the writer of a FIFO.
func inTime(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s hangs", what)
	}
}

// specials are what may lie where a file should, each with what makes it.
var specials = []struct {
	name string
	put  func(path string) error
}{
	{"FIFO", func(path string) error { return syscall.Mkfifo(path, 0o644) }},
	{"directory", func(path string) error { return os.Mkdir(path, 0o755) }},
	{"link to a device", func(path string) error { return os.Symlink("/dev/zero", path) }},
}

// TestSpecialFiles puts something else in the place of each file that is read: it is told, it is
// not waited for, and nothing else suffers.
func TestSpecialFiles(t *testing.T) {
	for _, special := range specials {
		for _, name := range []string{"system/active/kernel.arg", "system/active/kernel.ver", "system/active/SHA256SUMS",
			"system/active/kernel.img", "system/active/initrd.img", "cfg/system.arg"} {
			t.Run(special.name+" for "+name, func(t *testing.T) {
				f, _ := readWith(t, special.put, name)
				problems, want := f.Slots[0].Problems, filepath.Base(name)+": not a regular file"
				if strings.HasPrefix(name, "cfg/") {
					problems, want = f.Problems, name+": not a regular file"
				}
				if !slices.Equal(problems, []string{want}) {
					t.Errorf("problems %q, want only %q", problems, want)
				}
				if len(f.Slots[1].Problems) != 0 {
					t.Errorf("backup suffers: %q", f.Slots[1].Problems)
				}
			})
		}
	}
}

// readWith reads a flash on disk that has something special in place of the named file.
func readWith(t *testing.T, put func(string) error, name string) (*Flash, string) {
	t.Helper()
	dir := onDisk(t, "sha256sum", "SHA256SUMS")
	path := filepath.Join(dir, name)
	os.Remove(path)
	if err := put(path); err != nil {
		t.Fatal(err)
	}
	var f *Flash
	inTime(t, "Read", func() {
		var err error
		if f, err = Read(os.DirFS(dir)); err != nil {
			t.Error(err)
		}
	})
	return f, dir
}

// TestSpecialSlot has a FIFO where a slot's directory should be. An os.Root waits for its writer,
// an os.DirFS does not.
func TestSpecialSlot(t *testing.T) {
	dir := onDisk(t, "sha256sum", "SHA256SUMS")
	slot := filepath.Join(dir, "system", "factory")
	if err := errors.Join(os.RemoveAll(slot), syscall.Mkfifo(slot, 0o644)); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, fsys := range []fs.FS{os.DirFS(dir), root.FS()} {
		inTime(t, fmt.Sprintf("Read of a %T", fsys), func() {
			f, err := Read(fsys)
			if err != nil {
				t.Error(err)
				return
			}
			want := []string{"system/factory: not a directory"}
			if i := f.Slots[2]; !slices.Equal(i.Problems, want) || i.Kernel != "" {
				t.Errorf("%T: factory = %+v, want problems %q", fsys, i, want)
			}
		})
	}
}

// TestVerifySpecialFiles hashes an image whose manifest lists what is no file, or is none itself.
func TestVerifySpecialFiles(t *testing.T) {
	for _, special := range specials {
		for _, name := range []string{"kernel.img", "kernel.ver", "SHA256SUMS"} {
			t.Run(special.name+" for "+name, func(t *testing.T) {
				f, dir := readWith(t, special.put, "system/active/"+name)
				inTime(t, "Verify", func() {
					got, problems, err := verified(f, os.DirFS(dir))
					want := name + ": not a regular file"
					if got != Damaged || err != nil || !slices.Contains(append(problems, f.Slots[0].Problems...), want) {
						t.Errorf("Verify = %v, %q, %v; want damaged, %q", got, problems, err, want)
					}
				})
			})
		}
	}
}

// swapped is a file system in which a file becomes a FIFO between the look and the opening.
type swapped struct{ fs.FS }

func (s swapped) Stat(string) (fs.FileInfo, error) {
	return fs.Stat(fstest.MapFS{"f": file("text")}, "f")
}

func TestOpenRegularLooksAgain(t *testing.T) {
	m := fstest.MapFS{"f": &fstest.MapFile{Mode: fs.ModeNamedPipe}}
	_, err := OpenRegular(swapped{m}, "f")
	if err == nil || fmt.Sprint(cause(err)) != "not a regular file" {
		t.Errorf("OpenRegular of what became a FIFO: %v", err)
	}
}
