package blockmap_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/flash/blockmap"
	"holdfast/flash/blockmap/fat"
)

// disks of the test machine, in their order: vda, vdb and so on.
var disks = []struct {
	name, fstype string
	size         int64
	mkfs         []string
}{
	{"vda", "vfat", 7 << 20, []string{"mkfs.fat", "-F", "12", "-s", "4"}},
	{"vdb", "vfat", 64 << 20, []string{"mkfs.fat", "-F", "16", "-S", "4096", "-s", "1"}},
	{"vdc", "vfat", 64 << 20, []string{"mkfs.fat", "-F", "32", "-s", "8"}}, // fewer clusters than it should have
	{"vdd", "ext2", 64 << 20, []string{"mke2fs", "-q", "-t", "ext2", "-b", "1024"}},
	{"vde", "ext4", 64 << 20, []string{"mke2fs", "-q", "-t", "ext4", "-b", "4096"}},
}

// report is what testdata/mapinit says of one file.
type report struct {
	Disk, Name, Sum string
	Map             blockmap.Map
	Err             string
}

// TestMounted lets a kernel fill file systems and say where the files lie, by FIEMAP and FIBMAP. Then
// debugfs and package fat, which is tested against other tools, look at the same disks.
func TestMounted(t *testing.T) {
	dir := t.TempDir()
	args := []string{"-accel", "tcg", "-m", "512", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
		"-kernel", cached(t, "boot/vmlinuz-*"), "-initrd", mapInitrd(t)}
	var types []string
	for _, d := range disks {
		image := filepath.Join(dir, d.name)
		makeImage(t, image, d.size, d.mkfs)
		args = append(args, "-drive", "if=virtio,format=raw,cache=unsafe,file="+image)
		types = append(types, d.fstype)
	}
	reports := boot(t, append(args, "-append", "console=ttyS0 quiet loglevel=0 panic=-1 disks="+strings.Join(types, ","))...)
	for _, d := range disks {
		t.Run(d.name+","+d.fstype, func(t *testing.T) {
			image := filepath.Join(dir, d.name)
			if d.fstype == "vfat" {
				compareFAT(t, image, reports[d.name])
			} else {
				compareExt(t, image, reports[d.name])
			}
		})
	}
}

// boot runs the machine until it powers off; the reports are by disk.
func boot(t *testing.T, args ...string) map[string][]report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, need(t, "qemu-system-x86_64", "qemu-system-x86"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("qemu: %v\n%s", err, out)
	}
	reports := map[string][]report{}
	for line := range strings.Lines(string(out)) {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "FILE ")
		if !ok {
			t.Errorf("the machine says %s", line)
			continue
		}
		var r report
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if r.Err != "" {
			t.Errorf("%s %s: %s", r.Disk, r.Name, r.Err)
		}
		reports[r.Disk] = append(reports[r.Disk], r)
	}
	return reports
}

func compareFAT(t *testing.T, image string, reports []report) {
	run(t, "fsck.fat", "-n", image)
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	fsys, err := fat.Open(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	pieces := 0
	for _, r := range reports {
		want = append(want, r.Name)
		m, err := fsys.Map(r.Name)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := r.Map.Places()
		if err != nil {
			t.Fatal(err)
		}
		pieces = max(pieces, len(theirs))
		if ours, err := m.Places(); err != nil || !slices.Equal(ours, theirs) || m.Size != r.Map.Size {
			t.Errorf("%s: fat.Map = %v %v, %v; the kernel says %v %v", r.Name, m.Size, ours, err, r.Map.Size, theirs)
		}
		if data, err := fs.ReadFile(fsys, r.Name); err != nil || fmt.Sprintf("%x", sha256.Sum256(data)) != r.Sum {
			t.Errorf("%s: other contents, %v", r.Name, err)
		}
	}
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if !d.IsDir() {
			got = append(got, name)
		}
		return err
	})
	slices.Sort(want)
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) || len(got) < 30 {
		t.Errorf("names are %q, %v; the kernel says %q", got, err, want)
	}
	if pieces < 50 {
		t.Errorf("the most fragmented file has %d extents only", pieces)
	}
}

// compareExt asks debugfs for every block of every file.
func compareExt(t *testing.T, image string, reports []report) {
	run(t, "e2fsck", "-fn", image)
	block := blockSize(t, image)
	var script strings.Builder
	for _, r := range reports {
		for n := range (r.Map.Size + block - 1) / block {
			fmt.Fprintf(&script, "bmap \"/%s\" %d\n", r.Name, n)
		}
	}
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var answers []string
	for line := range strings.Lines(run(t, "debugfs", "-f", file, image)) {
		if !strings.HasPrefix(line, "debugfs") {
			answers = append(answers, strings.TrimSpace(line))
		}
	}
	pieces := 0
	for _, r := range reports {
		pieces = max(pieces, len(r.Map.Extents))
		for n := range (r.Map.Size + block - 1) / block {
			if len(answers) == 0 {
				t.Fatalf("debugfs says too little, at %s %d", r.Name, n)
			}
			if got := bmap(r.Map, n*block, block); got != answers[0] {
				t.Errorf("%s: block %d is %s, debugfs says %s", r.Name, n, got, answers[0])
			}
			answers = answers[1:]
		}
	}
	if len(answers) != 0 || pieces < 50 || len(reports) < 30 {
		t.Errorf("%d files, %d pieces of one, %d answers left", len(reports), pieces, len(answers))
	}
}

// bmap is what debugfs prints for the block at an offset.
func bmap(m blockmap.Map, off, block int64) string {
	for _, e := range m.Extents {
		if off >= e.Logical && off < e.Logical+e.Length {
			text := fmt.Sprint((e.Physical + off - e.Logical) / block)
			if e.Flags == blockmap.Unwritten {
				text += " (uninit)"
			}
			return text
		}
	}
	return "0"
}

func blockSize(t *testing.T, image string) int64 {
	t.Helper()
	for line := range strings.Lines(run(t, "dumpe2fs", "-h", image)) {
		if text, ok := strings.CutPrefix(line, "Block size:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("dumpe2fs names no block size")
	return 0
}

func makeImage(t *testing.T, image string, size int64, mkfs []string) {
	t.Helper()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	run(t, append(slices.Clone(mkfs), image)...)
}

// mapInitrd makes the machine's archive: testdata/mapinit as /init, and the modules it loads.
func mapInitrd(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", filepath.Join(dir, "init"), "./testdata/mapinit")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build mapinit: %v\n%s", err, out)
	}
	if err := os.Mkdir(filepath.Join(dir, "modules"), 0o755); err != nil {
		t.Fatal(err)
	}
	names := "init\nmodules\nmodules/list\n"
	list := modules(t, "virtio_pci", "virtio_blk", "nls_cp437", "nls_ascii", "nls_iso8859-1", "vfat")
	loaded := ""
	for _, path := range list {
		base := filepath.Base(path)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "modules", base), data, 0o644); err != nil {
			t.Fatal(err)
		}
		names += "modules/" + base + "\n"
		loaded += base + "\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "modules/list"), []byte(loaded), 0o644); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "initrd")
	cpio := exec.Command(need(t, "cpio", "cpio"), "--quiet", "-o", "-H", "newc", "-F", archive)
	cpio.Dir, cpio.Stdin = dir, strings.NewReader(names)
	if out, err := cpio.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v\n%s", err, out)
	}
	return archive
}

// modules are the files of modules and of what they need, in load order.
func modules(t *testing.T, wanted ...string) []string {
	t.Helper()
	dep := cached(t, "lib/modules/*/modules.dep")
	text, err := os.ReadFile(dep)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, name := range wanted {
		for line := range strings.Lines(string(text)) {
			module, needs, _ := strings.Cut(line, ":")
			if filepath.Base(module) != name+".ko" {
				continue
			}
			all := append([]string{module}, strings.Fields(needs)...)
			for _, file := range slices.Backward(all) {
				path := filepath.Join(filepath.Dir(dep), file)
				if !slices.Contains(list, path) {
					list = append(list, path)
				}
			}
		}
	}
	return list
}

// cached is the one file of the test kernel that matches.
func cached(t *testing.T, pattern string) string {
	t.Helper()
	found, _ := filepath.Glob("../../.cache/kernel/" + pattern)
	if len(found) != 1 {
		t.Fatal("the test kernel is missing: run .ci/kernel")
	}
	return found[0]
}

var packages = map[string]string{
	"mkfs.fat": "dosfstools", "fsck.fat": "dosfstools", "mke2fs": "e2fsprogs", "e2fsck": "e2fsprogs",
	"debugfs": "e2fsprogs", "dumpe2fs": "e2fsprogs", "filefrag": "e2fsprogs",
}

func need(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	return path
}

// run runs a tool, which must succeed, and gives its output.
func run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(need(t, args[0], packages[args[0]]), args[1:]...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", args, err, out, complaint.String())
	}
	return string(out)
}
