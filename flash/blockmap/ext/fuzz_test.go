package ext

import (
	"bytes"
	"encoding/binary"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"holdfast/flash/flashtest"
)

// patched is an image with some bytes replaced, which finds more than bytes at random would. Each four
// bytes of patches are one: where among the places, and what.
func patched(image []byte, places []int64, patches []byte) []byte {
	image = bytes.Clone(image)
	for ; len(patches) >= 4; patches = patches[4:] {
		at := int(binary.LittleEndian.Uint16(patches)) % (len(places) * 1024)
		image[places[at/1024]+int64(at%1024)] = patches[2]
		if patches[3]&1 != 0 { // a wide number
			image[places[at/1024]+int64((at+1)%1024)] = patches[3]
		}
	}
	return image
}

// fuzzImages are small file systems, and where in them the 1 KiB are that decide how they are read.
func fuzzImages(f *testing.F) (images [][]byte, places [][]int64) {
	f.Helper()
	tree := map[string]string{
		"boot/grub/default": "0\n", "large": strings.Repeat("0123456789abcdef", 20_000), "link": "-> boot",
		"slow": "-> " + strings.Repeat("./", 50) + "boot", "a/b/c/d": strings.Repeat("x", 100),
	}
	for _, args := range []string{
		"-t ext2 -I 128", "-t ext2 -O ^filetype,meta_bg,^resize_inode -g 512", "-t ext4 -O ^metadata_csum,inline_data,^has_journal -I 256",
		"-t ext4 -O ^extents,^64bit,^has_journal,^metadata_csum,uninit_bg,^resize_inode", "-t ext4 -O ^metadata_csum,bigalloc,^has_journal -C 4096",
	} {
		image := makeImage(f, writeTree(f, tree), "1M", append([]string{"-b", "1024", "-N", "32"}, strings.Fields(args)...)...)
		data, err := os.ReadFile(image)
		if err != nil {
			f.Fatal(err)
		}
		x, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			f.Fatal(err)
		}
		images, places = append(images, data), append(places, metadata(f, x))
	}
	return images, places
}

// metadata is where the blocks are that the file system was walked through.
func metadata(f *testing.F, x *FS) []int64 {
	f.Helper()
	record := &recorder{ReaderAt: x.r}
	x.r = record
	look(f, x)
	return append([]int64{superOffset, superOffset, superOffset}, record.places...)
}

// recorder remembers where blocks of metadata were read: they are read one by one.
type recorder struct {
	io.ReaderAt
	places []int64
}

func (r *recorder) ReadAt(b []byte, off int64) (int, error) {
	if len(b) == 1024 {
		r.places = append(r.places, off)
	}
	return r.ReaderAt.ReadAt(b, off)
}

// limited fails when more is read than a caller could wait for.
type limited struct {
	t    testing.TB
	r    *bytes.Reader
	left int
}

func (l *limited) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(b)) > l.r.Size() {
		l.t.Fatalf("reads %d bytes at %d", len(b), off)
	}
	if l.left--; l.left < 0 {
		l.t.Fatal("reads without an end")
	}
	return l.r.ReadAt(b, off)
}

// look walks through all that there is, a number of files at most: directories may be in themselves.
func look(t testing.TB, x *FS) {
	t.Helper()
	left := 60
	_ = fs.WalkDir(x, ".", func(name string, d fs.DirEntry, err error) error {
		if left--; left < 0 {
			return fs.SkipAll
		}
		if err != nil || d.IsDir() {
			return nil
		}
		_, _ = d.Info()
		if m, err := x.Map(name); err == nil {
			for _, e := range m.Extents {
				if e.Flags == 0 && (e.Physical <= 0 || e.Length <= 0 || e.Physical+e.Length > x.size) {
					t.Errorf("Map(%s) has %+v in %d bytes", name, e, x.size)
				}
			}
			_, _ = m.Plain()
			_, _ = m.Places()
		}
		readSome(x, name)
		return nil
	})
	_, _ = x.ReadLink("link")
	_, _ = x.ReadLink("slow")
	_, _ = x.Stat("slow/grub/default")
	_, _ = x.Free()
	_ = x.Unclean()
}

// readSome reads the begin and the end of a file.
func readSome(x *FS, name string) {
	file, err := x.Open(name)
	if err != nil {
		return
	}
	defer file.Close()
	if r, ok := file.(io.ReaderAt); ok {
		info, err := file.Stat()
		if err == nil {
			b := make([]byte, 5000)
			_, _ = r.ReadAt(b, 0)
			_, _ = r.ReadAt(b, max(0, info.Size()-4000))
		}
	}
}

// FuzzExt damages real file systems where it matters, and walks through them.
func FuzzExt(f *testing.F) {
	images, places := fuzzImages(f)
	for i := range images {
		f.Add(uint8(i), []byte{})
		f.Add(uint8(i), []byte{0x60, 0, 0xff, 0xff})             // features
		f.Add(uint8(i), []byte{0x18, 0, 2, 0, 0x58, 0, 0, 0})    // size of a block, of an inode
		f.Add(uint8(i), []byte{0x28, 0x10, 0xff, 0xff, 4, 8, 9}) // somewhere behind the superblock
	}
	f.Fuzz(func(t *testing.T, which uint8, patches []byte) {
		n := int(which) % len(images)
		data := patched(images[n], places[n], patches[:min(len(patches), 256)])
		flashtest.Bounded(t, 8<<20, func() {
			if x, err := Open(&limited{t, bytes.NewReader(data), 200_000}, int64(len(data))); err == nil {
				look(t, x)
			}
		})
	})
}
