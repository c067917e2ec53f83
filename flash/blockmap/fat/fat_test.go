package fat

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"holdfast/flash/blockmap"
)

const mib = 1 << 20

var variants = []variant{
	{12, 1, 512, 2 * mib}, {12, 4, 512, 7 * mib}, {12, 2, 1024, 7 * mib}, {12, 1, 2048, 6 * mib}, {12, 1, 4096, 12 * mib},
	{16, 1, 512, 8 * mib}, {16, 4, 512, 32 * mib}, {16, 64, 512, 200 * mib}, {16, 2, 1024, 32 * mib}, {16, 1, 2048, 20 * mib}, {16, 1, 4096, 32 * mib},
	{32, 1, 512, 40 * mib}, {32, 8, 512, 300 * mib}, {32, 1, 1024, 80 * mib}, {32, 2, 2048, 300 * mib}, {32, 1, 4096, 300 * mib},
}

// TestAgainstMtools compares everything with the files that were copied in and with mtools.
func TestAgainstMtools(t *testing.T) {
	for _, v := range variants {
		t.Run(fmt.Sprintf("%v,%dMiB", v, v.size/mib), func(t *testing.T) {
			t.Parallel()
			image := v.make(t)
			want := populate(t, image, v)
			f := open(t, image)
			if int(f.bits) != v.bits {
				t.Errorf("it is FAT%d, want FAT%d", f.bits, v.bits)
			}
			sameFiles(t, f, want)
			sameListing(t, f, image)
			sameClusters(t, f, image, want)
			sameFree(t, f, image)
			if why := f.Unclean(); why != "" {
				t.Errorf("Unclean() = %q", why)
			}
		})
	}
}

func sameFiles(t *testing.T, f *FS, want map[string][]byte) {
	t.Helper()
	var names []string
	sizes := map[string]int64{}
	err := fs.WalkDir(f, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() {
			info, err := d.Info()
			if err != nil {
				return err
			}
			names = append(names, name)
			sizes[name] = info.Size()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	if all := slices.Sorted(maps.Keys(want)); !slices.Equal(names, all) {
		t.Fatalf("WalkDir finds\n%q\nwant\n%q", names, all)
	}
	for _, name := range names {
		data, err := fs.ReadFile(f, name)
		if err != nil || !bytes.Equal(data, want[name]) {
			t.Errorf("ReadFile(%q) = %d bytes %.20q, %v; want %d bytes %.20q", name, len(data), data, err, len(want[name]), want[name])
		}
		if sizes[name] != int64(len(data)) {
			t.Errorf("%s has %d bytes, its entry says %d", name, len(data), sizes[name])
		}
	}
}

// sameListing compares the names, with their case, and the times.
func sameListing(t *testing.T, f *FS, image string) {
	t.Helper()
	want := strings.Split(strings.TrimSpace(tool(t, "", "", "mdir", "-i", image, "-b", "-a", "-/", "::")), "\n")
	var got []string
	fs.WalkDir(f, ".", func(name string, d fs.DirEntry, err error) error {
		line := "::/" + name
		if d.IsDir() {
			line += "/"
		}
		if name != "." {
			got = append(got, line)
		}
		return err
	})
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("names are\n%q\nmdir says\n%q", got, want)
	}
	info, err := fs.Stat(f, "UPPER.TXT")
	line := tool(t, "", "", "mdir", "-i", image, "-a", "::UPPER.TXT")
	if when := "2006-01-02  15:04"; err != nil || !strings.Contains(line, strings.Replace(info.ModTime().Format(when), "  0", "   ", 1)) {
		t.Errorf("ModTime is %v, mdir says %s", info.ModTime(), line)
	}
}

var clusterRange = regexp.MustCompile(`<(\d+)(?:-(\d+))?>`)

// sameClusters compares the extents with the clusters that mshowfat prints.
func sameClusters(t *testing.T, f *FS, image string, contents map[string][]byte) {
	t.Helper()
	args := []string{"mshowfat", "-i", image}
	for name, data := range contents {
		if len(data) > 0 {
			args = append(args, "::/"+name)
		}
	}
	if m, err := f.Map("empty"); err != nil || m.Size != 0 || len(m.Extents) != 0 {
		t.Errorf("Map of an empty file = %v, %v", m, err)
	}
	pieces, seen := 0, 0
	for line := range strings.Lines(tool(t, "", "", args...)) {
		at := strings.Index(line, "<")
		name := strings.TrimSpace(strings.TrimPrefix(line[:at], "::/"))
		want := blockmap.Map{Size: int64(len(contents[name]))}
		logical := int64(0)
		for _, m := range clusterRange.FindAllStringSubmatch(line[at:], -1) {
			first, _ := strconv.ParseInt(m[1], 10, 64)
			last, err := strconv.ParseInt(m[2], 10, 64)
			if err != nil {
				last = first
			}
			e := blockmap.Extent{Logical: logical, Physical: f.dataStart + (first-2)*f.cluster, Length: (last - first + 1) * f.cluster}
			want.Extents = append(want.Extents, e)
			logical += e.Length
		}
		got, err := f.Map(name)
		if err != nil || got.Size != want.Size || !slices.Equal(got.Extents, want.Extents) {
			t.Errorf("Map(%q) = %v, %v; mshowfat says %v", name, got, err, want)
		}
		pieces = max(pieces, len(got.Extents))
		seen++
	}
	if seen != len(args)-3 {
		t.Errorf("mshowfat names %d files of %d", seen, len(args)-3)
	}
	if pieces < 20 {
		t.Errorf("the most fragmented file has %d extents only", pieces)
	}
}

func sameFree(t *testing.T, f *FS, image string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(tool(t, "", "", "mdir", "-i", image, "-a", "::")), "\n")
	digits := strings.ReplaceAll(strings.TrimSuffix(strings.TrimSpace(lines[len(lines)-1]), " bytes free"), " ", "")
	want, err := strconv.ParseInt(digits, 10, 64)
	got, err2 := f.Free()
	if got != want || err != nil || err2 != nil {
		t.Errorf("Free() = %d, %v; mdir says %d, %v", got, err2, want, err)
	}
}

// TestIsAnFS lets the standard library try everything that an fs.FS should do.
func TestIsAnFS(t *testing.T) {
	for _, v := range []variant{{12, 4, 512, mib}, {16, 4, 512, 32 * mib}, {32, 1, 512, 40 * mib}} {
		t.Run(v.String(), func(t *testing.T) {
			image := v.make(t)
			tree := t.TempDir()
			files(t, tree, map[string][]byte{"a/b/deep file.text": text("deep", 5000), "top": nil, "a/KERNEL.IMG": text("k", 70000)})
			tool(t, tree, "", "mcopy", "-i", image, "-s", "a", "top", "::")
			if err := fstest.TestFS(open(t, image), "a/b/deep file.text", "top", "a/KERNEL.IMG"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLookup(t *testing.T) {
	v := variant{16, 4, 512, 32 * mib}
	image := v.make(t)
	populate(t, image, v)
	f := open(t, image)
	for _, tt := range []struct{ name, want string }{
		{"upper.txt", "UPPER.TXT"},
		{"LOWER.txt", "lower.TXT"},
		{"MIXED.TXT", "Mixed.Txt"},
		{"SYSTEM/Active/KERNEL.IMG", "kernel.img"},
		{"LONGDI~1/ANDANO~1/X", "x"},
		{"grüße AUS KöLN.TXT", "Grüße aus Köln.txt"},
		{"GRÜßE AUS KÖLN.TXT", "file does not exist"}, // as Linux with utf8, and GRUB
		{"LABEL", "file does not exist"},
		{"small/00", "file does not exist"},
		{"one/two", "file does not exist"},
		{"none/two", "file does not exist"},
		{"boot/..", "invalid argument"},
		{"boot/.", "invalid argument"},
		{".", "."},
	} {
		info, err := f.Stat(tt.name)
		var got string
		if err != nil {
			got = strings.TrimPrefix(err.Error(), "stat "+tt.name+": ")
		} else {
			got = info.Name()
		}
		if got != tt.want {
			t.Errorf("Stat(%q) = %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestGRUB asks the grub shell where the saved default lies.
func TestGRUB(t *testing.T) {
	v := variant{16, 4, 512, 32 * mib}
	image := v.make(t)
	populate(t, image, v)
	deviceMap := filepath.Join(t.TempDir(), "map")
	if err := os.WriteFile(deviceMap, []byte("(fd0) "+image+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"boot/grub/default", "sector", "torn.bin"} {
		m, err := open(t, image).Map(name)
		if err != nil {
			t.Fatal(err)
		}
		places, err := m.Places()
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, p := range places {
			list = append(list, p.String())
		}
		want := "(fd0)" + strings.Join(list, ",")
		out := tool(t, "", "blocklist (fd0)/"+name+"\nquit\n", "grub", "--batch", "--device-map="+deviceMap)
		if !strings.Contains(strings.Join(strings.Fields(out), " "), " "+want+" ") {
			t.Errorf("Map(%s) is %s, grub says\n%s", name, want, out)
		}
	}
}
