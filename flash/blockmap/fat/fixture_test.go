package fat

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var packages = map[string]string{
	"mkfs.fat": "dosfstools", "fsck.fat": "dosfstools", "grub": "grub-legacy",
	"mcopy": "mtools", "mdel": "mtools", "mdir": "mtools", "mmd": "mtools", "mshowfat": "mtools", "mattrib": "mtools",
}

// tool runs a program in dir and gives its output; it must succeed.
func tool(t testing.TB, dir, in string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(args[0])
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", args[0], packages[args[0]])
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(in)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC", "MTOOLSRC=/dev/null", "MTOOLS_SKIP_CHECK=0")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v: %s%s", args, err, out.String(), complaint.String())
	}
	return out.String()
}

// variant is a file system as mkfs.fat makes it.
type variant struct {
	bits    int
	cluster int // sectors
	sector  int // bytes
	size    int64
}

func (v variant) String() string {
	return fmt.Sprintf("FAT%d,%dx%d", v.bits, v.cluster, v.sector)
}

// make makes it, empty, and gives its path.
func (v variant) make(t testing.TB) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "fat.img")
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(v.size); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	tool(t, "", "", "mkfs.fat", "-n", "LABEL", "-F", fmt.Sprint(v.bits), "-s", fmt.Sprint(v.cluster), "-S", fmt.Sprint(v.sector), image)
	return image
}

// text is n bytes that differ from one sector to the next and from one file to another.
func text(seed string, n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%s %d\n", seed, i)
	}
	return b.Bytes()[:n]
}

// files makes files with their contents below root.
func files(t testing.TB, root string, contents map[string][]byte) {
	t.Helper()
	for name, data := range contents {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// populate fills an image by mtools: small files of which every second is deleted, a large one in the
// holes between them, names of all sorts, a directory of many files. It gives what was written.
func populate(t testing.TB, image string, v variant) map[string][]byte {
	t.Helper()
	cluster := v.cluster * v.sector
	first, second := t.TempDir(), t.TempDir()
	contents := map[string][]byte{}
	copySmall := []string{"mcopy", "-i", image}
	for i := range 60 {
		name := fmt.Sprintf("small/%02d", i)
		contents[name] = text(name, cluster/2)
		copySmall = append(copySmall, name)
	}
	files(t, first, contents)
	tool(t, "", "", "mmd", "-i", image, "::small")
	tool(t, first, "", append(copySmall, "::small")...)
	var doomed []string
	for i := 0; i < 60; i += 2 {
		name := fmt.Sprintf("small/%02d", i)
		delete(contents, name)
		doomed = append(doomed, "::"+name)
	}
	tool(t, "", "", append([]string{"mdel", "-i", image}, doomed...)...)
	if v.bits == 32 {
		// Without the hint where to look for free clusters, the large file takes the holes.
		patch(t, image, int64(v.sector)+492, 0xff, 0xff, 0xff, 0xff)
	}

	later := map[string][]byte{
		"torn.bin":                             text("torn", 30*cluster-7),
		"empty":                                nil,
		"one":                                  []byte("1"),
		"sector":                               text("sector", 512),
		"cluster":                              text("cluster", cluster),
		"cluster+1":                            text("cluster+1", cluster+1),
		"UPPER.TXT":                            text("upper", 10),
		"lower.TXT":                            text("lower base", 10),
		"UPPER2.txt":                           text("lower extension", 10),
		"Mixed.Txt":                            text("mixed", 10),
		"noext":                                text("noext", 10),
		".hidden":                              text("hidden", 10),
		"a.b.c":                                text("dots", 10),
		"with space.and dot":                   text("space", 10),
		"a+b,c;d=e":                            text("signs", 10),
		"Grüße aus Köln.txt":                   text("umlaut", 10),
		"日本語の名前":                               text("japanese", 10),
		strings.Repeat("long", 62) + ".longer": text("longest", 10), // 255 characters
		"thirteen.lets":                        text("13", 10),
		"boot/grub/default":                    text("default", 600),
		"system/active/kernel.img":             text("kernel", 50*cluster+1),
		"Long Directory Name/and another/x":    text("x", 100),
	}
	files(t, second, later)
	for i := range v.many() {
		name := fmt.Sprintf("many/%04d is the number of this file", i)
		later[name] = []byte(fmt.Sprint(i))
	}
	files(t, second, later)
	entries, err := os.ReadDir(second)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"mcopy", "-i", image, "-s", "torn.bin"}
	for _, e := range entries {
		if e.Name() != "torn.bin" {
			args = append(args, e.Name())
		}
	}
	tool(t, second, "", append(args, "::")...)
	for name, data := range later {
		contents[name] = data
	}
	tool(t, "", "", "fsck.fat", "-n", image)
	return contents
}

// patch writes some bytes of an image.
func patch(t testing.TB, image string, off int64, data ...byte) {
	t.Helper()
	f, err := os.OpenFile(image, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(data, off); err != nil {
		t.Fatal(err)
	}
}

// many is the number of files in a large directory. Their names begin differently because mtools takes
// its time to make short names of those that begin alike.
func (v variant) many() int {
	if v.size == 32*mib && v.sector == 1024 {
		return 1500
	}
	return 50
}

// open opens an image.
func open(t testing.TB, image string) *FS {
	t.Helper()
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	v, err := Open(bounded{t, f, info.Size()}, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// bounded fails the test when something outside of size is read.
type bounded struct {
	t    testing.TB
	r    io.ReaderAt
	size int64
}

func (b bounded) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > b.size {
		b.t.Errorf("ReadAt(%d bytes, %d), of %d", len(p), off, b.size)
	}
	return b.r.ReadAt(p, off)
}
