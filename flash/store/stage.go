package store

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"holdfast/flash"
)

// chunk is how much of a file is written, and read back, at once, in bytes.
const chunk = 1 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Incoming is an image on its way to the flash, in the directory incoming.
type Incoming struct {
	tree  *Tree
	files []*file
	moved bool // it is not in incoming any more
}

// Stage begins an image; what an earlier attempt left is deleted first.
func (t *Tree) Stage() (*Incoming, error) {
	if err := t.Clear(); err != nil {
		return nil, err
	}
	dir := t.path(flash.Incoming)
	if err := t.root.Mkdir(dir, 0o755); err != nil && (!t.vfat() || !errors.Is(err, fs.ErrExist)) {
		return nil, fmt.Errorf("make %s: %w", dir, cause(err))
	}
	t.staging = &Incoming{tree: t}
	return t.staging, nil
}

// Create makes a file of the image, of exactly size bytes. It is durable after Seal.
func (i *Incoming) Create(name string, size int64) (io.WriteCloser, error) {
	member := i.tree.path(flash.Incoming, name)
	if !plain(name) {
		return nil, fmt.Errorf("make %s: not a name for a file of an image", member)
	}
	f, err := i.tree.root.OpenFile(member, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", member, cause(err))
	}
	w := &file{tree: i.tree, f: f, name: name, size: size, buf: make([]byte, 0, chunk)}
	i.files = append(i.files, w)
	return w, nil
}

// file is one file of an image while it is written. What was written is remembered by a checksum of
// each chunk, to be compared with what the device then has: against a failing device it is as good as a
// better hash, and costs nothing beside it.
type file struct {
	tree *Tree
	f    *os.File // nil when closed
	name string
	size int64 // announced
	done int64 // written
	buf  []byte
	sums []uint32 // of each chunk
	err  error
}

func (w *file) Write(p []byte) (int, error) {
	if w.err == nil && int64(len(p)) > w.size-w.done-int64(len(w.buf)) {
		w.err = fmt.Errorf("write %s: longer than the %d bytes it should have", w.path(), w.size)
	}
	for n := 0; ; {
		if w.err != nil {
			return n, w.err
		}
		k := min(len(p)-n, chunk-len(w.buf))
		w.buf = append(w.buf, p[n:n+k]...)
		if n += k; n == len(p) {
			return n, nil
		}
		w.err = w.flush()
	}
}

func (w *file) path() string { return w.tree.path(flash.Incoming, w.name) }

// flush writes the chunk. To have the kernel begin with it at once (sync_file_range) was measured to gain
// nothing on ext4, and to cost two thirds more on ext2.
func (w *file) flush() error {
	if _, err := w.f.Write(w.buf); err != nil {
		return fmt.Errorf("write %s: %w", w.path(), cause(err))
	}
	w.sums = append(w.sums, crc32.Checksum(w.buf, castagnoli))
	w.done += int64(len(w.buf))
	w.buf = w.buf[:0]
	return nil
}

// Close ends the file. It is an error when the file is shorter than announced.
func (w *file) Close() error {
	if w.f == nil {
		return w.err
	}
	if w.err == nil && len(w.buf) > 0 {
		w.err = w.flush()
	}
	if w.err == nil && w.done < w.size {
		w.err = fmt.Errorf("write %s: %d bytes of the %d it should have", w.path(), w.done, w.size)
	}
	if err := w.f.Close(); w.err == nil {
		w.err = err
	}
	if w.err != nil && !strings.Contains(w.err.Error(), w.path()) {
		w.err = fmt.Errorf("write %s: %w", w.path(), cause(w.err))
	}
	w.f, w.buf = nil, nil
	return w.err
}

// Keep gives the sealed image the name of a version beside the slots.
func (i *Incoming) Keep(version string) error {
	f, err := i.tree.read()
	if err != nil {
		return err
	}
	if err := Keepable(f, version); err != nil {
		return err
	}
	if err := i.tree.rename(flash.Incoming, version); err != nil {
		return err
	}
	i.moved = true
	return i.tree.barrier(AfterKeep)
}

// MaxStaged is how many versions may lie beside the slots, and MaxVersion how many bytes the name of one
// may have: so that the table of slots stays in the first sector of its directory.
const (
	MaxStaged  = 4
	MaxVersion = 32
)

// CheckVersion says why no image can be kept under the name of a version, on any flash; nil when one can. The
// names of a vfat do not tell upper from lower case.
func CheckVersion(version string) error {
	if !plain(version) {
		return fmt.Errorf("keep as %q: not a name for a version", version)
	}
	if len(version) > MaxVersion {
		return fmt.Errorf("keep as %s: a name may have %d bytes", version, MaxVersion)
	}
	for _, name := range slices.Concat([]string{"tmp", "lost+found"}, flash.Slots[:], flash.Working[:]) {
		if strings.EqualFold(name, version) {
			return fmt.Errorf("keep as %s: %w", version, fs.ErrExist)
		}
	}
	return nil
}

// Keepable says why an image cannot be kept under the name of a version beside the slots of f; nil when
// it can.
func Keepable(f *flash.Flash, version string) error {
	if err := CheckVersion(version); err != nil {
		return err
	}
	for _, img := range f.Staged {
		if strings.EqualFold(img.Name, version) {
			return fmt.Errorf("keep as %s: %w", version, fs.ErrExist)
		}
	}
	if len(f.Staged) >= MaxStaged {
		return fmt.Errorf("keep as %s: %d versions are beside the slots already, and there is room for no more", version, len(f.Staged))
	}
	return nil
}

// plain reports whether a name is that of one thing in a directory, on any file system and any command line.
func plain(name string) bool {
	if name == "" || name[0] == '.' || strings.HasSuffix(name, ".") {
		return false
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c > '~' || strings.IndexByte(`"*/:<>?\|`, c) >= 0 {
			return false
		}
	}
	return true
}

// Discard deletes the image. After Keep, or after Arrange has moved it, it does nothing. GRUB never knew
// of it, so that nothing has to be waited for before.
func (i *Incoming) Discard() error {
	for _, w := range i.files {
		if w.f != nil {
			w.f.Close()
			w.f = nil
		}
	}
	if i.moved {
		return nil
	}
	i.moved = true
	return i.tree.purge([]string{flash.Incoming})
}
