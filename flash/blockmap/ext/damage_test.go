package ext

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

	"holdfast/flash/blockmap"
)

// base is a small tree that the tests damage.
var base = map[string]string{
	"boot/grub/default":  "0\n#\n#\n#\n#\n",
	"boot/grub/menu.lst": strings.Repeat("title x\n", 700),
	"big":                strings.Repeat("0123456789abcdef", 25_000), // 400 KB: double indirect with 1 KiB blocks
	"short":              "-> boot/grub/default",
	"long":               "-> " + strings.Repeat("./", 60) + "boot",
	"loop":               "-> loop",
	"a":                  "-> b",
	"b":                  "-> boot/../a",
}

// edit has debugfs change an image.
func edit(t testing.TB, image string, commands ...string) {
	t.Helper()
	out := tool(t, strings.Join(commands, "\n")+"\n", "debugfs", "-w", "-f", "-", image)
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "debugfs") && !strings.HasPrefix(line, "Allocated inode") {
			t.Fatalf("debugfs says %s", line)
		}
	}
}

// attempt does all that a caller does with a file, and gives the first error.
func attempt(f *FS, name string) error {
	_, err := fs.ReadFile(f, name)
	if err != nil {
		return err
	}
	_, err = f.Map(name)
	return err
}

// TestDamaged damages one thing of a file system in each case.
func TestDamaged(t *testing.T) {
	for _, tt := range []struct {
		name, args string
		edits      []string
		file       string
		want       string // in the error
	}{
		{"missing", "-t ext2", nil, "boot/grub/none", "file does not exist"},
		{"link to itself", "-t ext2", nil, "loop", "too many symbolic links"},
		{"two links", "-t ext4", nil, "a", "too many symbolic links"},
		{"file as a directory", "-t ext4", nil, "boot/grub/default/x", "not a directory"},
		{"direct block outside", "-t ext2 -b 1024", []string{"sif /boot/grub/default block[0] 8192"}, "boot/grub/default", "1 blocks from 8192 on are outside"},
		{"direct block far outside", "-t ext2 -b 1024", []string{"sif /boot/grub/default block[0] 4294967295"}, "boot/grub/default", "outside of the file system"},
		{"superblock as data", "-t ext2 -b 1024", []string{"sif /boot/grub/default block[0] 1"}, "boot/grub/default", "outside of the file system"},
		{"indirect block outside", "-t ext2 -b 1024", []string{"sif /big block[IND] 9000"}, "big", "block of pointers"},
		{"double indirect block outside", "-t ext2 -b 1024", []string{"sif /big block[DIND] 9000"}, "big", "block of pointers"},
		{"double indirect block is a bitmap", "-t ext2 -b 1024", []string{"sif /big block[DIND] 2"}, "big", "outside of the file system"},
		{"no extents", "-t ext4 -O ^metadata_csum", []string{"sif /big block[0] 0"}, "big", "not a node of an extent tree"},
		{"too many extents", "-t ext4 -O ^metadata_csum", []string{"sif /big block[0] 0x5f30a"}, "big", "5 entries of 4"},
		{"deep extents", "-t ext4 -O ^metadata_csum", []string{"sif /big block[1] 0x60004"}, "big", "depth 6"},
		{"extent of other blocks", "-t ext4 -O ^metadata_csum", []string{"sif /big block[1] 0x10004"}, "big", "outside of the file system"},
		{"empty extent", "-t ext4 -O ^metadata_csum", []string{"sif /big block[4] 0"}, "big", "entry 0 is empty"},
		{"extent outside", "-t ext4 -O ^metadata_csum", []string{"sif /big block[5] 8192"}, "big", "outside of the file system"},
		{"extent far outside", "-t ext4 -O ^metadata_csum", []string{"sif /big block[4] 0xffff0001"}, "big", "outside of the file system"},
		{"checksum of an inode", "-t ext4", []string{"sif /big checksum 1"}, "big", "its checksum is wrong"},
		{"deleted inode", "-t ext4", []string{"sif /big links_count 0"}, "big", "not in use"},
		{"no inode", "-t ext4", []string{"clri /big"}, "big", "it is not in use"},
		{"encrypted", "-t ext4 -O encrypt", []string{"sif /big flags 0x80800"}, "big", "its data is encrypted"},
		{"compressed", "-t ext4", []string{"sif /big flags 0x80004"}, "big", "its data is compressed"},
		{"directory in itself", "-t ext4", []string{"ln /boot /boot/again"}, "boot/again/again/again/grub/default", ""},
		{"inode table outside", "-t ext2", []string{"set_bg 0 inode_table 500000"}, "boot/grub/default", "outside of the file system"},
		{"root is a file", "-t ext4", []string{"sif <2> mode 0100644"}, "boot/grub/default", "the root is not a directory"},
		{"root has no blocks", "-t ext2", []string{"sif <2> block[0] 0"}, "boot/grub/default", "file does not exist"},
		{"directory of another file's bytes", "-t ext2 -b 1024", []string{"sif /boot mode 040755", "sif /big mode 040755"}, "big/x", "an entry of"},
		{"huge directory", "-t ext2 -b 1024", []string{"sif /boot size 0x7ffffc00"}, "boot/none", "file does not exist"},
		{"huge file", "-t ext4", []string{"sif /big size 0x7fffffffffffffff"}, "big/x", "not a directory"},
		{"file of an inode for the system", "-t ext4", []string{"ln <8> /journal"}, "journal", "which is no file's"},
		{"long link", "-t ext4", []string{"sif /long size 5000"}, "long", "a target of 5000 bytes"},
		{"inline data outside", "-t ext4 -O inline_data -I 256", []string{"sif /boot/grub/default size 300"}, "boot/grub/default", "of inline data for a size of 300"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			image := makeImage(t, writeTree(t, base), "8M", strings.Fields(tt.args)...)
			if tt.edits != nil {
				edit(t, image, tt.edits...)
			}
			f, _ := openImage(t, image)
			err := attempt(f, tt.file)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%s: %v, want %q", tt.file, err, tt.want)
			}
		})
	}
}

// TestMapFlags looks at files that are not plain.
func TestMapFlags(t *testing.T) {
	for _, tt := range []struct {
		name, args string
		edits      []string
		want       blockmap.Flags
		plain      string // in the error of Plain
	}{
		{"plain", "-t ext4", nil, 0, ""},
		{"inline", "-t ext4 -O inline_data -I 256", nil, blockmap.Inline, "inline"},
		{"unwritten", "-t ext4 -O ^metadata_csum", []string{"sif /boot/grub/default block[4] 0x8001"}, blockmap.Unwritten, "unwritten"},
		{"encrypted", "-t ext4 -O encrypt", []string{"sif /boot/grub/default flags 0x80800"}, blockmap.Encrypted, "encrypted"},
		{"compressed", "-t ext4", []string{"sif /boot/grub/default flags 0x80004"}, blockmap.Compressed, "compressed"},
		{"shared", "-t ext4 -O ^metadata_csum", []string{"ssv feature_ro_compat 0x4042"}, blockmap.Shared, "shared"},
		{"hole", "-t ext2", []string{"sif /boot/grub/default block[0] 0"}, 0, "a hole"},
		{"longer than its blocks", "-t ext2 -b 1024", []string{"sif /boot/grub/default size 2000"}, 0, "ends with a hole"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			image := makeImage(t, writeTree(t, base), "8M", strings.Fields(tt.args)...)
			if tt.edits != nil {
				edit(t, image, tt.edits...)
			}
			f, _ := openImage(t, image)
			m, err := f.Map("short")
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Extents) > 0 && m.Extents[0].Flags != tt.want {
				t.Errorf("flags = %v, want %v", m.Extents[0].Flags, tt.want)
			}
			_, err = m.Plain()
			if tt.plain == "" && err != nil || tt.plain != "" && (!errors.Is(err, blockmap.ErrNotPlain) || !strings.Contains(err.Error(), tt.plain)) {
				t.Errorf("Plain() = %v, want %q", err, tt.plain)
			}
		})
	}
}

// TestUnclean has debugfs leave what a power cut or the kernel would.
func TestUnclean(t *testing.T) {
	for _, tt := range []struct {
		args, edit, want, damage string
	}{
		{"-t ext4", "ssv state 1", "", ""},
		{"-t ext4", "feature needs_recovery", "its journal waits for a replay", ""},
		{"-t ext3", "feature needs_recovery", "its journal waits for a replay", ""},
		{"-t ext4", "ssv state 3", "", "the kernel found errors on it: e2fsck is due"},
		{"-t ext2", "ssv state 0", "", ""},
		{"-t ext4", "ssv last_orphan 20", "", ""},
	} {
		image := makeImage(t, "", "8M", strings.Fields(tt.args)...)
		tool(t, tt.edit+"\n", "debugfs", "-w", "-f", "-", image)
		f, _ := openImage(t, image)
		if got, damage := f.Unclean(), f.Damage(); got != tt.want || damage != tt.damage {
			t.Errorf("%s with %q: Unclean() = %q, Damage() = %q, want %q, %q", tt.args, tt.edit, got, damage, tt.want, tt.damage)
		}
	}
}

// patch is r with some bytes replaced.
type patch struct {
	io.ReaderAt
	offset int64
	data   []byte
}

func (p patch) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.ReaderAt.ReadAt(b, off)
	for i, c := range p.data {
		if at := p.offset + int64(i) - off; at >= 0 && at < int64(n) {
			b[at] = c
		}
	}
	return n, err
}

// TestSuperblock puts wrong numbers into the superblock, with checksums and without.
func TestSuperblock(t *testing.T) {
	plain := makeImage(t, writeTree(t, base), "8M", "-t", "ext4", "-b", "1024", "-O", "^metadata_csum")
	summed := makeImage(t, writeTree(t, base), "8M", "-t", "ext4", "-b", "1024")
	_, file := openImage(t, plain)
	_, summedFile := openImage(t, summed)
	const size = 8 << 20
	for _, tt := range []struct {
		name  string
		at    int64
		bytes int
		value uint64
		want  string
	}{
		{"inodes", 0x0, 4, 1, "inodes in"},
		{"blocks", 0x4, 4, 8193, "it is cut off"},
		{"no blocks", 0x4, 4, 0, "the first block is"},
		{"blocks, upper half", 0x150, 4, 1, "it is cut off"},
		{"first block", 0x14, 4, 2, "the first block is"},
		{"block size", 0x18, 4, 7, "blocks of 2^17 bytes"},
		{"huge block size", 0x18, 4, 1<<32 - 1, "blocks of 2^4294967305 bytes"},
		{"blocks of a group", 0x20, 4, 0, "0 blocks in a group"},
		{"blocks of a group", 0x20, 4, 8193, "8193 blocks in a group"},
		{"inodes of a group", 0x28, 4, 0, "0 inodes in a group"},
		{"inodes of a group", 0x28, 4, 8193, "8193 inodes in a group"},
		{"magic", 0x38, 2, 0xef54, "not an ext file system"},
		{"revision", 0x4c, 4, 2, "revision 2"},
		{"first inode", 0x54, 4, 2, "first inode"},
		{"inode size", 0x58, 2, 64, "inodes of 64 bytes"},
		{"inode size", 0x58, 2, 200, "inodes of 200 bytes"},
		{"inode size", 0x58, 2, 2048, "inodes of 2048 bytes"},
		{"journal device", 0x60, 4, 0x8, "the journal of another"},
		{"unknown feature", 0x60, 4, 0x80000040, "incompat bit 0x80000000"},
		{"two unknown features", 0x60, 4, 0x41040, "dirdata, incompat bit 0x40000"},
		{"descriptor size", 0xfe, 2, 0, "group descriptors of 0 bytes"},
		{"descriptor size", 0xfe, 2, 2048, "group descriptors of 2048 bytes"},
		{"checksum type", 0x175, 1, 2, ""}, // of no use without checksums
	} {
		t.Run(fmt.Sprint(tt.name, " ", tt.value), func(t *testing.T) {
			data := binary.LittleEndian.AppendUint64(nil, tt.value)[:tt.bytes]
			_, err := Open(patch{file, superOffset + tt.at, data}, size)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Open = %v, want %q", err, tt.want)
			}
			if _, err := Open(patch{summedFile, superOffset + tt.at, data}, size); err == nil {
				t.Error("Open with a wrong checksum works")
			}
		})
	}
}

// TestChecksums changes a byte of each thing that has a checksum.
func TestChecksums(t *testing.T) {
	image := makeImage(t, writeTree(t, base), "8M", "-t", "ext4", "-b", "1024")
	f, file := openImage(t, image)
	d, err := f.descriptor(0)
	if err != nil {
		t.Fatal(err)
	}
	root, err := f.inode(rootInode)
	if err != nil {
		t.Fatal(err)
	}
	m, err := f.mapInode(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		offset int64
		want   string
	}{
		{superOffset + 0x78, "the superblock's checksum is wrong"}, // label
		{2*1024 + 0xe, "the descriptor of group 0 is wrong"},
		{int64(d.inodeTable)*1024 + 256, "inode 2: its checksum is wrong"},
		{int64(d.inodeTable)*1024 + 256 + 200, "inode 2: its checksum is wrong"},
		{m.Extents[0].Physical + 30, "block 0: its checksum is wrong"},
	} {
		var b [1]byte
		if _, err := file.ReadAt(b[:], tt.offset); err != nil {
			t.Fatal(err)
		}
		b[0] ^= 0x10
		f, err := Open(patch{file, tt.offset, b[:]}, 8<<20)
		if err == nil {
			err = attempt(f, "boot/grub/default")
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("with a changed byte at %d: %v, want %q", tt.offset, err, tt.want)
		}
	}
}

// TestTruncated cuts an image off at many lengths: told to Open, or only found by reading.
func TestTruncated(t *testing.T) {
	image := makeImage(t, writeTree(t, base), "4M", "-t", "ext2", "-b", "1024")
	data, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	for size := 0; size < len(data); size = size*9/8 + 511 {
		if _, err := Open(bytes.NewReader(data[:size]), int64(size)); err == nil {
			t.Errorf("Open of %d bytes works", size)
		}
		f, err := Open(bytes.NewReader(data[:size]), int64(len(data)))
		if err != nil {
			continue
		}
		if err := attempt(f, "big"); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("with %d bytes: %v", size, err)
		}
	}
	if _, err := Open(bytes.NewReader(data), -1); err == nil {
		t.Error("Open of -1 bytes works")
	}
}
