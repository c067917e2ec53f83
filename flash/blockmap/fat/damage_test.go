package fat

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// small makes a file system with a few files and gives its bytes.
func small(t testing.TB, v variant) []byte {
	t.Helper()
	image := v.make(t)
	tree := t.TempDir()
	files(t, tree, map[string][]byte{
		"boot/grub/default":    text("default", 600),
		"dir/sub/deep":         text("deep", 3000),
		"dir/A long long name": text("long", 2000), // in two pieces
		"empty":                nil,
		"large":                text("large", 20000),
	})
	for _, name := range []string{"boot", "dir", "empty", "large"} {
		tool(t, tree, "", "mcopy", "-i", image, "-s", name, "::")
	}
	data, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var smallVariants = []variant{{12, 1, 512, 512 << 10}, {16, 1, 512, 4 * mib}, {32, 1, 512, 35 * mib}}

func openBytes(t testing.TB, b []byte) (*FS, error) {
	size := int64(len(b))
	return Open(bounded{t, bytes.NewReader(b), size}, size)
}

// setNext changes a cluster's entry in the first table.
func (f *FS) setNext(b []byte, cluster, next uint32) {
	at := b[f.tableStart+int64(cluster)*int64(f.bits)/8:]
	le := binary.LittleEndian
	switch f.bits {
	case 12:
		shift := cluster % 2 * 4
		le.PutUint16(at, le.Uint16(at)&^(0xfff<<shift)|uint16(next&0xfff)<<shift)
	case 16:
		le.PutUint16(at, uint16(next))
	default:
		le.PutUint32(at, next)
	}
}

func TestDamagedChains(t *testing.T) {
	for _, v := range smallVariants {
		good := small(t, v)
		clean, err := openBytes(t, good)
		if err != nil {
			t.Fatal(err)
		}
		e, err := clean.find("large")
		if err != nil {
			t.Fatal(err)
		}
		first := e.cluster // the file has 40 clusters behind each other
		sub, err := clean.find("dir/sub")
		if err != nil {
			t.Fatal(err)
		}
		end := uint32(0xffffffff)
		for _, tt := range []struct {
			name, file, want string
			change           func(b []byte)
		}{
			{"loop", "large", "its clusters form a loop", func(b []byte) { clean.setNext(b, first+30, first+20) }},
			{"loop to the first", "large", "its clusters form a loop", func(b []byte) { clean.setNext(b, first+39, first) }},
			{"loop to itself", "large", "its clusters form a loop", func(b []byte) { clean.setNext(b, first+7, first+7) }},
			{"free", "large", fmt.Sprintf("cluster 8 of the file is number 0, of %d", clean.clusters), func(b []byte) { clean.setNext(b, first+7, 0) }},
			{"the reserved number", "large", "is number 1,", func(b []byte) { clean.setNext(b, first+7, 1) }},
			{"out of range", "large", fmt.Sprintf("is number %d,", clean.clusters+2), func(b []byte) { clean.setNext(b, first+7, clean.clusters+2) }},
			{"bad", "large", "of the file is number", func(b []byte) { clean.setNext(b, first+7, 0xffffff7) }},
			{"too short", "large", "it has 20000 bytes, but clusters for 4096 only", func(b []byte) { clean.setNext(b, first+7, end) }},
			{"longer", "large", "", func(b []byte) { clean.setNext(b, first+39, first+100); clean.setNext(b, first+100, end) }},
			{"other end marks", "large", "", func(b []byte) { clean.setNext(b, first+39, 0xffffff8) }},
			{"reserved bits", "large", "", func(b []byte) { clean.setNext(b, first+7, 0xf0000000|(first+8)) }},
			{"no first cluster", "large", "it has a size but no clusters", func(b []byte) { setEntry(b, "LARGE      ", 26, 0, 0) }},
			{"first cluster out of range", "large", "cluster 0 of the file is number", func(b []byte) {
				setEntry(b, "LARGE      ", 26, 0xf0, 0xff)
				setEntry(b, "LARGE      ", 20, 0xff, 0x0f) // the upper half, of FAT32 only
			}},
			{"larger than its clusters", "large", "but clusters for 20480 only", func(b []byte) { setEntry(b, "LARGE      ", 28, 0, 0, 0, 1) }},
			{"empty with clusters", "large", "", func(b []byte) { setEntry(b, "LARGE      ", 28, 0, 0, 0, 0) }},
			{"directory loop", "dir/sub/DEEP/DEEP", "directory loop", func(b []byte) {
				setEntry(b, "DEEP       ", 11, attrDir)
				setEntry(b, "DEEP       ", 26, byte(sub.cluster), byte(sub.cluster>>8))
			}},
			{"directory without an end", "dir/none", "its clusters form a loop", func(b []byte) {
				dir, _ := clean.find("dir")
				clean.setNext(b, dir.cluster, dir.cluster)
				at := b[clean.place(dir.cluster):]
				for i := range clean.cluster / entrySize {
					at[i*entrySize] = deleted
				}
			}},
			{"directory without clusters", "dir/none", "it has no clusters", func(b []byte) { setEntry(b, "DIR        ", 26, 0, 0) }},
		} {
			b := bytes.Clone(good)
			tt.change(b)
			f, err := openBytes(t, b)
			if err != nil {
				t.Fatal(err)
			}
			_, mapErr := f.Map(tt.file)
			_, openErr := f.Open(tt.file)
			for _, err := range []error{mapErr, openErr} {
				if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("%v: %s: %v, want %q", v, tt.name, err, tt.want)
				}
			}
			if _, err := fs.ReadFile(f, "boot/grub/default"); err != nil {
				t.Errorf("%v: %s: the other files: %v", v, tt.name, err)
			}
		}
	}
}

// TestHugeDirectory reads a directory of which every cluster is full of deleted entries.
func TestHugeDirectory(t *testing.T) {
	b := small(t, smallVariants[1])
	f, err := openBytes(t, b)
	if err != nil {
		t.Fatal(err)
	}
	at, err := f.find("dir")
	if err != nil {
		t.Fatal(err)
	}
	cluster := at.cluster
	for next := uint32(200); next < 200+maxDirectory/512; next++ {
		place := f.place(cluster)
		copy(b[place:], bytes.Repeat([]byte{deleted}, int(f.cluster)))
		f.setNext(b, cluster, next)
		cluster = next
	}
	if _, err := f.ReadDir("dir"); err == nil || !strings.Contains(err.Error(), "it is larger than 2097152 bytes") {
		t.Errorf("ReadDir = %v", err)
	}
}

// setEntry writes some bytes of the directory entry with a short name.
func setEntry(b []byte, short string, off int, data ...byte) {
	copy(b[bytes.Index(b, []byte(short))+off:], data)
}

// TestDamagedNames changes the entries before a short name, in which the long name is.
func TestDamagedNames(t *testing.T) {
	good := small(t, smallVariants[1])
	at := bytes.Index(good, []byte("ALONGL~1"))
	if at < 0 {
		t.Fatal("the short name is not there")
	}
	piece, last := at-entrySize, at-2*entrySize
	for _, tt := range []struct {
		name, want string
		change     func(b []byte)
	}{
		{"whole", "A long long name", func([]byte) {}},
		{"other checksum", "ALONGL~1", func(b []byte) { b[piece+13]++; b[last+13]++ }},
		{"other checksum of the last piece", "ALONGL~1", func(b []byte) { b[last+13]++ }},
		{"other checksum of the first piece", "ALONGL~1", func(b []byte) { b[piece+13]++ }},
		{"other short name", "XLONGL~1", func(b []byte) { b[at] = 'X' }},
		{"no mark", "ALONGL~1", func(b []byte) { b[last] &^= lastPiece }},
		{"number 0", "ALONGL~1", func(b []byte) { b[last] = lastPiece }},
		{"number 3", "ALONGL~1", func(b []byte) { b[last] = lastPiece | 3 }},
		{"number 63", "ALONGL~1", func(b []byte) { b[last] = lastPiece | 63 }},
		{"the first piece first", "ALONGL~1", func(b []byte) { b[last], b[piece] = lastPiece|1, 2 }},
		{"a piece alone", "A long long n", func(b []byte) { b[piece] |= lastPiece }},
		{"no first piece", "ALONGL~1", func(b []byte) { b[piece] = deleted }},
		{"a slash", "A?long long name", func(b []byte) { b[piece+3] = '/' }},
		{"dots", "ALONGL~1", func(b []byte) { copy(b[piece+1:], ".\x00.\x00\x00\x00") }},
		{"empty", "ALONGL~1", func(b []byte) { copy(b[piece+1:], "\x00\x00") }},
		{"a surrogate pair", "𝄞long long name", func(b []byte) { binary.LittleEndian.PutUint32(b[piece+1:], 0xdd1ed834) }},
		{"half a surrogate pair", "A\ufffdlong long name", func(b []byte) { binary.LittleEndian.PutUint16(b[piece+3:], 0xd834) }},
		{"high byte first", "σLONGL~1", func(b []byte) { b[at], b[piece+13] = 0x05, 0 }},
		{"high bytes", "ÄLÖNGL~1", func(b []byte) { b[at], b[at+2] = 0x8e, 0x99 }},
		{"high bytes in lower case", "älöngl~1", func(b []byte) { b[at], b[at+2], b[at+12] = 0x8e, 0x99, 0x08 }},
		{"extension in lower case", "XLONGL~1.txt", func(b []byte) { copy(b[at+8:], "TXT"); b[at], b[at+12] = 'X', 0x10 }},
		{"a volume label", "", func(b []byte) { b[at+11] = attrLabel }},
		{"deleted file", "", func(b []byte) { b[at] = deleted }},
		{"end of the directory", "", func(b []byte) { b[last] = 0 }},
	} {
		b := bytes.Clone(good)
		tt.change(b)
		f, err := openBytes(t, b)
		if err != nil {
			t.Fatal(err)
		}
		list, err := f.ReadDir("dir")
		var got string
		for _, e := range list {
			if e.Name() != "sub" {
				got = e.Name()
			}
		}
		if err != nil || got != tt.want {
			t.Errorf("%s: %v, %v; want %q", tt.name, list, err, tt.want)
		}
		if _, err := f.Stat("dir/" + got); err != nil && got != "" {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestDamagedBootSector(t *testing.T) {
	images := map[int][]byte{}
	for _, v := range smallVariants {
		images[v.bits] = small(t, v)
	}
	for _, tt := range []struct {
		bits, off int
		data      string
		want      string
	}{
		{16, 510, "\x00", "not that of a FAT file system"},
		{16, 21, "\x00", "not that of a FAT file system"},
		{16, 11, "\x00\x00", "sectors of 0 bytes"},
		{16, 11, "\x01\x02", "sectors of 513 bytes"},
		{16, 11, "\x00\x01", "sectors of 256 bytes"},
		{16, 11, "\x00\x20", "sectors of 8192 bytes"},
		{16, 13, "\x00", "clusters of 0 sectors"},
		{16, 13, "\x03", "clusters of 3 sectors"},
		{16, 14, "\x00\x00", "it has no table"},
		{16, 16, "\x00", "it has no table"},
		{16, 17, "\x00\x00", "it has no root directory, or two"},
		{32, 17, "\x00\x02", "it has no root directory, or two"},
		{16, 19, "\x00\x00", "clusters of FAT"},
		{16, 19, "\x01\x00", "clusters of FAT"},
		{16, 19, "\xff\xff", "it is cut off: it has "},
		{16, 22, "\x01\x00", ""}, // fewer clusters
		{12, 22, "\xff\xff", "clusters of FAT"},
		{32, 36, "\x00\x00\x00\x00", "it has no table"},
		{32, 36, "\xff\xff\xff\xff", "clusters of FAT"},
		{32, 40, "\x81\x00", "only copy 1 of the table is up to date"},
		{32, 40, "\x80\x00", ""},
		{32, 40, "\x01\x00", ""}, // counts only with the bit before
		{32, 42, "\x01\x00", "unknown version 0x1 of FAT32"},
		{32, 44, "\x01\x00\x00\x00", "the root directory is in cluster 1"},
		{32, 44, "\xff\xff\xff\xff", "the root directory is in cluster 4294967295"},
		{32, 65, "\x01", ""}, // mounted, or not unmounted
	} {
		b := bytes.Clone(images[tt.bits])
		copy(b[tt.off:], tt.data)
		f, err := openBytes(t, b)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("FAT%d, % x at %d: %v, want %q", tt.bits, tt.data, tt.off, err, tt.want)
		}
		if err != nil {
			continue
		}
		if f.Unclean() != "" {
			t.Errorf("Unclean() = %q", f.Unclean())
		}
		if room := f.tableSize * 8 / int64(f.bits); int64(f.clusters)+2 > room {
			t.Errorf("FAT%d, % x at %d: %d clusters, in a table for %d", tt.bits, tt.data, tt.off, f.clusters, room)
		}
	}
}

func TestTruncated(t *testing.T) {
	for _, v := range smallVariants {
		good := small(t, v)
		for _, size := range []int{0, 1, 511, 512, 513, 1024, 5000, len(good) / 2, len(good) - 512, len(good) - 1} {
			if _, err := openBytes(t, good[:size]); err == nil {
				t.Errorf("%v: Open of %d bytes of %d is no error", v, size, len(good))
			}
		}
		// What promises more bytes than it has gives an error, and no end of a file.
		f, err := Open(bytes.NewReader(good[:len(good)/100]), int64(len(good)))
		if err != nil {
			continue
		}
		if _, err := fs.ReadFile(f, "large"); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%v: ReadFile of a file that is not there: %v", v, err)
		}
	}
}
