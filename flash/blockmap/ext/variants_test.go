package ext

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"holdfast/flash/blockmap"
	"holdfast/flash/blockmap/ext/testdata/tree"
)

// variants are arguments of mke2fs. The last one is not unmounted.
var variants = []struct{ name, args string }{
	{"ext2-1k", "-t ext2 -b 1024 -I 128"},
	{"ext2-2k", "-t ext2 -b 2048 -I 128"},
	{"ext2-4k", "-t ext2 -b 4096 -I 128"},
	{"ext2-4k-256", "-t ext2 -b 4096 -I 256"},
	{"ext2-no-index", "-t ext2 -b 1024 -O ^dir_index,^filetype,^sparse_super,^resize_inode -I 128"},
	{"ext3-1k", "-t ext3 -b 1024 -I 128 -J size=1"},
	{"ext3-4k", "-t ext3 -b 4096 -I 256 -J size=4"},
	{"ext4", "-t ext4 -b 4096"},
	{"ext4-1k", "-t ext4 -b 1024 -J size=1"},
	{"ext4-2k", "-t ext4 -b 2048"},
	{"ext4-128", "-t ext4 -b 4096 -I 128"},
	{"ext4-1024", "-t ext4 -b 4096 -I 1024"},
	{"no-extents", "-t ext4 -b 1024 -O ^extents,^64bit"},
	{"no-64bit", "-t ext4 -b 4096 -O ^64bit"},
	{"meta-bg", "-t ext4 -b 1024 -g 256 -O meta_bg,^resize_inode"},
	{"meta-bg-32", "-t ext4 -b 1024 -g 512 -O meta_bg,^resize_inode,^64bit,^flex_bg,^metadata_csum"},
	{"no-flex-bg", "-t ext4 -b 1024 -O ^flex_bg"},
	{"uninit-bg", "-t ext4 -b 1024 -O ^metadata_csum,uninit_bg,64bit"},
	{"no-checksums", "-t ext4 -b 4096 -O ^metadata_csum,^uninit_bg,^dir_index"},
	{"csum-seed", "-t ext4 -b 1024 -O metadata_csum_seed -U 00112233-4455-6677-8899-aabbccddeeff"},
	{"bigalloc", "-t ext4 -b 4096 -O bigalloc -C 16384"},
	{"bigalloc-1k", "-t ext4 -b 1024 -O bigalloc -C 8192"},
	{"inline-data", "-t ext4 -b 1024 -I 256 -O inline_data"},
	{"inline-data-1024", "-t ext4 -b 4096 -I 1024 -O inline_data,ea_inode"},
	{"no-journal", "-t ext4 -b 4096 -O ^has_journal,large_dir,sparse_super2"},
	{"orphan-file", "-t ext4 -b 4096 -O orphan_file,project,verity,encrypt,stable_inodes,mmp -N 20000"},
	{"not-unmounted", "-t ext4 -b 1024"},
}

// TestVariants lets the kernel write the same tree to file systems of all kinds, and compares what we
// read with what was written, and where it is with what debugfs says.
func TestVariants(t *testing.T) {
	images := make([]string, len(variants))
	for i, v := range variants {
		images[i] = makeImage(t, "", "40M", strings.Fields("-N 2600 "+v.args)...)
	}
	populate(t, images)
	seen := map[string]int{} // how often each kind of block was among those compared
	for i, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			f, device := openImage(t, images[i])
			if i == len(variants)-1 {
				if got, want := f.Unclean(), "its journal waits for a replay"; got != want {
					t.Fatalf("Unclean() = %q, want %q", got, want)
				}
				recoverJournal(t, images[i])
				f, device = openImage(t, images[i])
			} else if got := f.Unclean(); got != "" {
				t.Errorf("Unclean() = %q of a clean file system", got)
			}
			tool(t, "", "e2fsck", "-fn", images[i])
			files := left(tree.Files(f.super.blockSize()))
			checkFiles(t, f, files)
			checkTree(t, f, files)
			checkBlocks(t, f, device, images[i], files, seen)
			checkFree(t, f, images[i])
		})
	}
	for _, kind := range []string{"IND", "DIND", "TIND", "ETB0", "ETB1", "u", "inline", "several groups"} {
		if seen[kind] == 0 {
			t.Errorf("no file has blocks of the kind %q: the test does not show what it should", kind)
		}
	}
	t.Logf("compared: %v", seen)
}

// recoverJournal lets e2fsck replay the journal. Its exit status 1 says that it has changed something.
func recoverJournal(t *testing.T, image string) {
	t.Helper()
	var exit *exec.ExitError
	out, err := command(t, "e2fsck", "-fy", image).CombinedOutput()
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		err = nil
	}
	if err != nil || !strings.Contains(string(out), "recovering journal") {
		t.Fatalf("e2fsck: %v\n%s", err, out)
	}
}

func left(files []tree.File) []tree.File {
	return slices.DeleteFunc(files, func(f tree.File) bool { return f.Gone })
}

// checkFiles compares every file with what it was made of.
func checkFiles(t *testing.T, f *FS, files []tree.File) {
	t.Helper()
	byName := map[string]tree.File{}
	for _, file := range files {
		byName[file.Name] = file
		source := file
		if file.Mode.IsRegular() && file.Target != "" {
			source = byName[file.Target]
		}
		info, err := f.Lstat(file.Name)
		if err != nil {
			t.Errorf("Lstat: %v", err)
			continue
		}
		if got := info.Mode().Type(); got != file.Mode {
			t.Errorf("%s is a %v, want %v", file.Name, got, file.Mode)
		}
		switch {
		case file.Mode.IsRegular():
			compare(t, f, file.Name, source)
		case file.Mode&fs.ModeSymlink != 0:
			if got, err := f.ReadLink(file.Name); got != file.Target || err != nil {
				t.Errorf("ReadLink(%s) = %q, %v, want %q", file.Name, got, err, file.Target)
			}
		}
		checkTime(t, f, file, info)
	}
	want := make([]byte, 11)
	byName["boot/grub/default"].Fill(want, 0)
	for _, name := range []string{"relative", "absolute", "up", "dir/default", "through", "slow", "slow-absolute"} {
		if got, err := fs.ReadFile(f, "links/"+name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("ReadFile(links/%s) = %q, %v, want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"loop", "nowhere", "loop/x", "relative/x"} {
		if _, err := f.Open("links/" + name); err == nil {
			t.Errorf("Open(links/%s) works", name)
		}
	}
}

// checkTime compares a time of modification that was set. Inodes of 128 bytes have 32 bits of seconds.
func checkTime(t *testing.T, f *FS, file tree.File, info fs.FileInfo) {
	t.Helper()
	if file.Time.IsZero() || f.super.inodeSize == 128 && file.Time.Unix() != int64(int32(file.Time.Unix())) {
		return
	}
	if !info.ModTime().Equal(file.Time) {
		t.Errorf("%s is of %v, want %v", file.Name, info.ModTime(), file.Time)
	}
}

// compare reads a file: a small one whole, of a large one what is around its pieces.
func compare(t *testing.T, f *FS, name string, source tree.File) {
	t.Helper()
	file, err := f.Open(name)
	if err != nil {
		t.Errorf("Open: %v", err)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || info.Size() != source.Length() {
		t.Errorf("%s has size %d, %v, want %d", name, info.Size(), err, source.Length())
		return
	}
	size := source.Length()
	parts := []tree.Piece{{Length: size}}
	if size > 32<<20 {
		parts = source.Pieces
	}
	for _, p := range parts {
		start := max(0, p.Offset-10_000)
		want := make([]byte, min(p.Offset+p.Length+10_000, size)-start)
		got := make([]byte, len(want)+1)
		source.Fill(want, start)
		n, err := file.(io.ReaderAt).ReadAt(got[:len(want)], start)
		if err != nil || !bytes.Equal(got[:n], want) {
			t.Errorf("%s: bytes from %d on differ, %v", name, start, err)
		}
	}
	if n, err := file.(io.ReaderAt).ReadAt(make([]byte, 10), max(0, size-5)); err != io.EOF || n != int(min(5, size)) {
		t.Errorf("%s: read over the end = %d, %v", name, n, err)
	}
}

// checkTree compares the names of all directories.
func checkTree(t *testing.T, f *FS, files []tree.File) {
	t.Helper()
	want := []string{".", "lost+found"}
	for _, file := range files {
		want = append(want, file.Name)
	}
	var got []string
	err := fs.WalkDir(f, ".", func(path string, d fs.DirEntry, err error) error {
		if path != "last" {
			got = append(got, path)
		}
		return err
	})
	slices.Sort(want)
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("the tree has %d names, %v, want %d", len(got), err, len(want))
	}
}

// checkBlocks compares the blocks of every file with what debugfs says in its two ways.
func checkBlocks(t *testing.T, f *FS, device io.ReaderAt, image string, files []tree.File, seen map[string]int) {
	t.Helper()
	var commands []string
	files = slices.DeleteFunc(slices.Clone(files), func(f tree.File) bool { return f.Mode&^fs.ModeDir != 0 })
	for _, file := range files {
		commands = append(commands, fmt.Sprintf("stat \"/%s\"", file.Name), fmt.Sprintf("blocks \"/%s\"", file.Name))
	}
	answers := debugfs(t, image, commands)
	if f.super.groups() > 64 {
		seen["several groups"]++
	}
	for i, file := range files {
		want, other := statBlocks(t, answers[2*i], seen)
		m, err := f.Map(file.Name)
		if err != nil {
			t.Errorf("Map: %v", err)
			continue
		}
		if len(m.Extents) == 1 && m.Extents[0].Flags == blockmap.Inline {
			seen["inline"]++
			m.Extents = nil
		}
		got := mapBlocks(f, m)
		if !slices.Equal(got, want) {
			t.Errorf("%s has blocks\n%v, want\n%v", file.Name, got, want)
		}
		var list []uint64 // the same as debugfs lists it, with the blocks that hold pointers
		for _, word := range strings.Fields(answers[2*i+1]) {
			n, err := strconv.ParseUint(word, 10, 64)
			if err != nil {
				t.Fatalf("blocks %s: %v", file.Name, err)
			}
			if !slices.Contains(other, n) {
				list = append(list, n)
			}
		}
		if !slices.EqualFunc(got, list, func(b mapped, n uint64) bool { return b.physical == n }) {
			t.Errorf("%s has blocks\n%v, and debugfs lists\n%v", file.Name, got, list)
		}
		checkDevice(t, device, file, m)
	}
}

// checkDevice compares the device at the places of a map with the file's bytes.
func checkDevice(t *testing.T, device io.ReaderAt, file tree.File, m blockmap.Map) {
	t.Helper()
	if !file.Mode.IsRegular() || file.Target != "" {
		return
	}
	for _, e := range m.Extents {
		n := min(e.Length, m.Size-e.Logical)
		if e.Flags != 0 || n <= 0 {
			continue
		}
		got, want := make([]byte, n), make([]byte, n)
		file.Fill(want, e.Logical)
		if _, err := device.ReadAt(got, e.Physical); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the device has other bytes at %d, %v", file.Name, e.Physical, err)
		}
	}
}

// mapped is where a block of a file lies.
type mapped struct {
	logical, physical uint64
	unwritten         bool
}

func mapBlocks(f *FS, m blockmap.Map) []mapped {
	size := uint64(f.super.blockSize())
	var list []mapped
	for _, e := range m.Extents {
		for i := range uint64(e.Length) / size {
			list = append(list, mapped{uint64(e.Logical)/size + i, uint64(e.Physical)/size + i, e.Flags == blockmap.Unwritten})
		}
	}
	return list
}

var statEntry = regexp.MustCompile(`\((?:(\d+)(?:-(\d+))?(\[u\])?|([A-Z]+\d?))\):(\d+)(?:-(\d+))?`)

// statBlocks reads the blocks that debugfs's stat prints, "(0-11):100-111, (IND):112, (13[u]):7", and
// those of pointers.
func statBlocks(t *testing.T, text string, seen map[string]int) (data []mapped, other []uint64) {
	t.Helper()
	_, list, found := strings.Cut(text, "\nBLOCKS:\n")
	if !found {
		_, list, _ = strings.Cut(text, "\nEXTENTS:\n")
	}
	number := func(s string) uint64 {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("debugfs says %q", list)
		}
		return n
	}
	for _, m := range statEntry.FindAllStringSubmatch(list, -1) {
		physical := number(m[5])
		if m[4] != "" {
			seen[m[4]]++
			other = append(other, physical)
			continue
		}
		if m[3] != "" {
			seen["u"]++
		}
		first, last := number(m[1]), number(m[1])
		if m[2] != "" {
			last = number(m[2])
		}
		for n := first; n <= last; n++ {
			data = append(data, mapped{n, physical + n - first, m[3] != ""})
		}
	}
	return data, other
}

// checkFree compares with the sum that debugfs knows.
func checkFree(t *testing.T, f *FS, image string) {
	t.Helper()
	m := regexp.MustCompile(`Free blocks: +(\d+)`).FindStringSubmatch(debugfs(t, image, []string{"stats -h"})[0])
	if m == nil {
		t.Fatal("debugfs does not say what is free")
	}
	got, err := f.Free()
	if want := m[1]; err != nil || fmt.Sprint(got/f.super.blockSize()) != want {
		t.Errorf("Free() = %d blocks, %v, want %s", got/f.super.blockSize(), err, want)
	}
}
