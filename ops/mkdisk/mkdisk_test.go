package mkdisk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"holdfast/flash"
	"holdfast/flash/disk"
	"holdfast/flash/store"
	"holdfast/initramfs/newc"
	"holdfast/ops"
	"holdfast/ops/pack"
)

func testKernel(t *testing.T) string {
	t.Helper()
	names, _ := filepath.Glob("../../.cache/kernel/boot/vmlinuz-*")
	if len(names) == 0 {
		t.Fatal("the test kernel is missing: make test fetches it into .cache/kernel")
	}
	name, err := filepath.Abs(names[0])
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// need fails the test when a tool is not there.
func need(t *testing.T, name, pkg string) {
	t.Helper()
	if _, err := lookPath(name); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
}

func tell(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := run(t.Context(), "", name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// marker makes an initramfs whose /init prints name and its command line, and waits.
func marker(t *testing.T, name string) string {
	t.Helper()
	need(t, "busybox", "busybox-static")
	need(t, "cpio", "cpio")
	root := t.TempDir()
	busybox, _ := exec.LookPath("busybox")
	program, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/busybox sh\n/bin/busybox mkdir -p /proc\n/bin/busybox mount -t proc proc /proc\n" +
		"/bin/busybox echo \"MARKER " + name + " $(/bin/busybox cat /proc/cmdline) END\"\nread line\n"
	for path, content := range map[string][]byte{"bin/busybox": program, "init": []byte(script)} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, path), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	archive := filepath.Join(t.TempDir(), name+".cpio")
	cmd := exec.Command("sh", "-c", "cd "+root+" && find . | cpio --quiet -o -H newc >"+archive)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v\n%s", err, out)
	}
	addConsole(t, archive)
	return archive
}

// addConsole puts an archive with /dev/console behind another one: cpio would need root for a node.
func addConsole(t *testing.T, archive string) {
	t.Helper()
	f, err := os.OpenFile(archive, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	w := newc.NewWriter(f)
	for _, h := range []newc.Header{
		{Name: "dev", Mode: newc.TypeDir | 0o755, Ino: 1, NLink: 2},
		{Name: "dev/console", Mode: newc.TypeChar | 0o600, Ino: 2, NLink: 1, RdevMajor: 5, RdevMinor: 1},
	} {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// archived packs an image whose /init prints name.
func archived(t *testing.T, name, version, args string) string {
	t.Helper()
	r := pack.Request{Kernel: testKernel(t), Initrd: marker(t, name), Version: version, Args: args, Output: filepath.Join(t.TempDir(), name+".tgz")}
	p, err := r.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Apply(t.Context(), ops.Discard); err != nil {
		t.Fatal(err)
	}
	return r.Output
}

func create(t *testing.T, r Request) *Plan {
	t.Helper()
	p, err := r.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Apply(t.Context(), ops.Discard); err != nil {
		t.Fatal(err)
	}
	return p
}

// request is a disk with an active and a backup image.
func request(t *testing.T, loader Loader) Request {
	t.Helper()
	return Request{
		Output: filepath.Join(t.TempDir(), "disk.img"), Loader: loader, Kernel: testKernel(t), Console: marker(t, "console"),
		Images: map[string]string{
			"active": archived(t, "active", "1.3.124", "quiet note=\"a b\" console=ttyS9 # not this"),
			"backup": archived(t, "backup", "1.3.123", "quiet"),
		},
		SystemArgs: "net.ifnames=0\n",
	}
}

// loaders are what most tests are run with.
var loaders = [...]Loader{GRUBLegacy, GRUB2}

func TestDiskIsWhole(t *testing.T) {
	for _, loader := range loaders {
		t.Run(string(loader), func(t *testing.T) {
			r := request(t, loader)
			p := create(t, r)
			checkTable(t, r, p)
			for i, part := range []region{p.layout.boot, p.layout.flash} {
				fs := fmt.Sprintf("%s?offset=%d", r.Output, part.start)
				tell(t, "e2fsck", "-fn", fs)
				if head := tell(t, "dumpe2fs", "-h", fs); !regexp.MustCompile(`(?m)^Inode size:\s+128$`).MatchString(head) {
					t.Errorf("partition %d: want inodes of 128 bytes\n%s", i+1, head)
				}
			}
			checkContent(t, r, p)
		})
	}
}

func checkTable(t *testing.T, r Request, p *Plan) {
	t.Helper()
	f, err := os.Open(r.Output)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := disk.ReadTable(f, r.Size|DefaultSize, 0)
	list := table.Partitions
	want := []disk.Partition{
		{Number: 1, Start: p.layout.boot.start, Size: p.layout.boot.size}, {Number: 2, Start: p.layout.flash.start, Size: p.layout.flash.size},
	}
	if err != nil || !slices.Equal(list, want) || want[1].Start+want[1].Size != DefaultSize {
		t.Fatalf("ReadTable = %v, %v, want %v", list, err, want)
	}
	if got, want := tell(t, "partx", "-g", "-n", "2", "-o", "UUID", r.Output), fmt.Sprintf("%08x-02\n", binary.LittleEndian.Uint32(p.id.signature[:])); got != want {
		t.Errorf("PARTUUID = %q, want %q", got, want)
	}
	w, err := disk.NewWindow(f, list[1].Start, list[1].Size)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := disk.Identify(w); err != nil || got.Type != "ext2" || "LABEL="+got.Label != p.id.flash() {
		t.Errorf("Identify of the flash = %+v, %v, want ext2 and %s", got, err, p.id.flash())
	}
}

// checkRecords wants two files for state records that say nothing, with a block each.
func checkRecords(t *testing.T, r Request, p *Plan, dir string) {
	t.Helper()
	f, err := flash.Read(os.DirFS(dir))
	if err != nil || len(f.Problems) != 0 || len(store.Interrupted(f)) != 0 {
		t.Fatalf("the flash has problems %q, interrupted %q, %v", f.Problems, store.Interrupted(f), err)
	}
	for _, name := range flash.RecordFiles {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := flash.DecodeRecord(b); err != nil || !reflect.DeepEqual(got, flash.Record{}) {
			t.Errorf("%s is %+v, %v, want a record that says nothing", name, got, err)
		}
		stat := tell(t, "debugfs", "-R", "stat /"+name, fmt.Sprintf("%s?offset=%d", r.Output, p.layout.flash.start))
		if !regexp.MustCompile(`(?m)Blockcount: [1-9]`).MatchString(stat) {
			t.Errorf("%s has no block:\n%s", name, stat)
		}
	}
}

// checkContent reads the file systems by debugfs.
func checkContent(t *testing.T, r Request, p *Plan) {
	t.Helper()
	boot, flashDir := dump(t, r, p.layout.boot), dump(t, r, p.layout.flash)
	for name, want := range map[string]string{
		boot + "/firmware/kernel.img": r.Kernel, boot + "/firmware/initrd.img": r.Console, flashDir + "/system/backup/kernel.img": r.Kernel,
	} {
		tell(t, "cmp", name, want)
	}
	for name, want := range map[string]string{"system/active/kernel.ver": "1.3.124\n", "cfg/system.arg": r.SystemArgs} {
		if got, err := os.ReadFile(filepath.Join(flashDir, name)); string(got) != want {
			t.Errorf("%s = %q, %v, want %q", name, got, err, want)
		}
	}
	cmd := exec.Command("sha256sum", "-c", "SHA256SUMS")
	cmd.Dir = flashDir + "/system/active"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
	checkRecords(t, r, p, flashDir)
	place, saved := savedDefault(t, boot)
	if saved.Entry() != "0" {
		t.Errorf("saved default %+v, want entry 0", saved)
	}
	m, err := place.Menu(os.DirFS(boot))
	if err != nil || len(m.Entries) != len(p.menu.entries) {
		t.Fatalf("Menu = %+v, %v, want %d entries", m, err, len(p.menu.entries))
	}
	for i, slot := range []string{"active", "active", "backup", "backup", "maintenance"} {
		got, want := m.Entries[i], p.menu.entries[i]
		words := want.line.String()
		if r.Loader == GRUB2 {
			words = strings.ReplaceAll(words, `"`, "")
		}
		if got.Slot != slot || got.Title != want.title || got.Kernel != want.kernel || strings.Join(got.Words, " ") != words {
			t.Errorf("entry %d = %+v, want slot %s of %+v", i, got, slot, want)
		}
	}
	stat := tell(t, "debugfs", "-R", "stat /system/active/kernel.img", fmt.Sprintf("%s?offset=%d", r.Output, p.layout.flash.start))
	if !strings.Contains(stat, "ctime: 0x00000000") {
		t.Errorf("want the change time to be zero:\n%s", stat)
	}
	list := tell(t, "debugfs", "-R", "ls -l /system/active", fmt.Sprintf("%s?offset=%d", r.Output, p.layout.flash.start))
	if files := regexp.MustCompile(`(?m)^ *\d+ +100644 \(1\) +0 +0 `).FindAllString(list, -1); len(files) != 5 {
		t.Errorf("want 5 files of root with mode 644:\n%s", list)
	}
}

// dump copies a file system's files into a folder.
func dump(t *testing.T, r Request, part region) string {
	t.Helper()
	dir := t.TempDir()
	tell(t, "debugfs", "-R", "rdump / "+dir, fmt.Sprintf("%s?offset=%d", r.Output, part.start))
	return dir
}

// GRUB's shell sees the files where the menu has them, and `default` in one plain sector.
func TestGRUBLegacyReadsTheDisk(t *testing.T) {
	r := request(t, GRUBLegacy)
	create(t, r)
	deviceMap := filepath.Join(t.TempDir(), "map")
	if err := os.WriteFile(deviceMap, []byte("(hd0) "+r.Output+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	script := "find /firmware/kernel.img\nfind /system/backup/initrd.img\nblocklist (hd0,0)/boot/grub/default\nquit\n"
	out, err := run(t.Context(), script, "grub", "--batch", "--no-floppy", "--device-map="+deviceMap)
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?s)kernel.img\s+\(hd0,0\)\s.*initrd.img\s+\(hd0,1\)\s.*default\s+\(hd0,0\)\d+\+1\s`)
	if !want.MatchString(out) {
		t.Errorf("grub said %s, want %s", out, want)
	}
}

// What may go wrong with the console is in the plan: here an archive that replaces /init by a
// shorter one.
func TestPlanNotesWarnings(t *testing.T) {
	r := request(t, GRUBLegacy)
	if text := mustPlan(t, r).String(); strings.Contains(text, "warning") {
		t.Fatalf("the plan of a good console warns:\n%s", text)
	}
	f, err := os.OpenFile(r.Console, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	w := newc.NewWriter(f)
	err = w.WriteHeader(newc.Header{Name: "init", Mode: newc.TypeRegular | 0o755, Ino: 1, NLink: 1, Size: 4})
	if _, werr := w.Write([]byte("#!/\n")); err != nil || werr != nil {
		t.Fatal(err, werr)
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if text := mustPlan(t, r).String(); !strings.Contains(text, "console: warning: /init: archive 3 overwrites") {
		t.Errorf("the plan does not warn:\n%s", text)
	}
}

func TestSameRequestSameBytes(t *testing.T) {
	for _, loader := range loaders {
		r := request(t, loader)
		create(t, r)
		again := r
		again.Output = filepath.Join(t.TempDir(), "again.img")
		create(t, again)
		tell(t, "cmp", r.Output, again.Output)
		again.SystemArgs = "other"
		if one, other := mustPlan(t, r).id, mustPlan(t, again).id; one.label == other.label || one.flashUUID == other.flashUUID {
			t.Errorf("another disk has the same identity: %+v", other)
		}
	}
}

func mustPlan(t *testing.T, r Request) *Plan {
	t.Helper()
	r.Force = true
	p, err := r.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlanRefuses(t *testing.T) {
	good := request(t, GRUBLegacy)
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	onlyConsole := filepath.Join(t.TempDir(), "console.cpio")
	if err := os.WriteFile(onlyConsole, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	addConsole(t, onlyConsole)
	tests := []struct {
		name   string
		change func(*Request)
		kind   ops.Kind
		want   string
	}{
		{"loader", func(r *Request) { r.Loader = "lilo" }, ops.Usage, "lilo"},
		{"slot", func(r *Request) { r.Images["other"] = text }, ops.Usage, "other"},
		{"default", func(r *Request) { r.Default = "factory" }, ops.Usage, "factory"},
		{"default empty", func(r *Request) { delete(r.Images, "backup"); r.Default = "backup" }, ops.Refused, "empty slot backup"},
		{"no images", func(r *Request) { r.Images = nil }, ops.Refused, "empty slot active"},
		{"no kernel", func(r *Request) { r.Kernel = text }, ops.Invalid, "maintenance kernel"},
		{"console not named", func(r *Request) { r.Console = "" }, ops.Usage, "no console given"},
		{"no console", func(r *Request) { r.Console = "/absent" }, ops.Invalid, "absent"},
		{"text as console", func(r *Request) { r.Console = text }, ops.Invalid, "console " + text},
		{"console without init", func(r *Request) { r.Console = onlyConsole }, ops.Invalid, "/init: not there"},
		{"no archive", func(r *Request) { r.Images["active"] = "/absent" }, ops.Invalid, "active image"},
		{"text as archive", func(r *Request) { r.Images["backup"] = text }, ops.Invalid, "backup image"},
		{"output exists", func(r *Request) { r.Output = text }, ops.Refused, "exists"},
		{"control character", func(r *Request) { r.ConsoleArgs = "a\x1bb" }, ops.Invalid, "control character"},
		{"long line", func(r *Request) { r.SystemArgs = strings.Repeat("x", 200) }, ops.Invalid, "GRUB Legacy passes only the first 255"},
		{"backslash", func(r *Request) { r.Loader = GRUB2; r.SystemArgs = `a\b` }, ops.Invalid, "GRUB 2 cannot pass"},
		{"small", func(r *Request) { r.Size = 40 << 20 }, ops.NoSpace, "the images do not fit: the disk has 40 MiB"},
		{"tiny", func(r *Request) { r.Size = 1 }, ops.NoSpace, "do not fit"},
		{"negative", func(r *Request) { r.Size = -1 }, ops.NoSpace, "do not fit"},
		{"large", func(r *Request) { r.Size = 1<<41 + 1 }, ops.Usage, "2 TiB"},
	}
	for _, test := range tests {
		r := good
		r.Images = maps.Clone(good.Images)
		test.change(&r)
		_, err := r.Plan(t.Context())
		if err == nil || ops.ExitCode(err) != int(test.kind) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Plan() = %v (kind %d), want kind %d with %q", test.name, err, ops.ExitCode(err), test.kind, test.want)
		}
	}
}

// The size that an error asks for is enough.
func TestNeededSizeIsEnough(t *testing.T) {
	r := request(t, GRUB2)
	r.Size = 1
	_, err := r.Plan(t.Context())
	var e *ops.Error
	if !errors.As(err, &e) {
		t.Fatalf("Plan() = %v, want an *ops.Error", err)
	}
	var need int64
	if _, err := fmt.Sscanf(e.Hint, "give --size %dM", &need); err != nil {
		t.Fatalf("hint %q: %v", e.Hint, err)
	}
	r.Size = need << 20
	p := create(t, r)
	tell(t, "e2fsck", "-fn", fmt.Sprintf("%s?offset=%d", r.Output, p.layout.flash.start))
	r.Size -= 1 << 20
	r.Force = true
	if _, err := r.Plan(t.Context()); ops.ExitCode(err) != int(ops.NoSpace) {
		t.Errorf("Plan() of one MiB less = %v, want NoSpace", err)
	}
}

func TestSpaceForManyFiles(t *testing.T) {
	for _, files := range [][]int64{nil, {0}, {1}, {200 << 20}, slices.Repeat([]int64{5000}, 1000), {130 << 20, 130 << 20, 3}} {
		from := t.TempDir()
		for i, size := range files {
			f, err := os.Create(filepath.Join(from, fmt.Sprint("file", i)))
			if err != nil {
				t.Fatal(err)
			}
			// One byte in every block, so that mke2fs leaves no hole.
			for at := int64(0); at < size; at += blockSize {
				if _, err := f.WriteAt([]byte{1}, at); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
				t.Fatal(err)
			}
		}
		image := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(image, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		fs := fileSystem{label: "x", uuid: "11111111-2222-8333-8444-555555555555", partition: region{size: spaceFor(files)}}
		if err := fs.make(t.Context(), image, from); err != nil {
			t.Errorf("%d files, %d MiB: %v", len(files), fs.partition.size>>20, err)
		}
	}
}

func TestApplyCancelledLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	r := request(t, GRUBLegacy)
	for _, at := range []string{"copy kernel.img", "unpack backup image", "make file system boot", "install grub-legacy"} {
		ctx, cancel := context.WithCancel(t.Context())
		err := mustPlan(t, r).Apply(ctx, &cancelAt{step: at, cancel: cancel})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Apply cancelled at %q = %v, want context.Canceled", at, err)
		}
		for _, dir := range []string{filepath.Dir(r.Output), os.Getenv("TMPDIR")} {
			left, _ := filepath.Glob(dir + "/*holdfast*")
			more, _ := filepath.Glob(dir + "/*disk*")
			hidden, _ := filepath.Glob(dir + "/.*")
			if all := slices.Concat(left, more, hidden); len(all) != 0 {
				t.Errorf("cancelled at %q, left behind: %q", at, all)
			}
		}
		cancel()
	}
}

// cancelAt cancels when a step begins.
type cancelAt struct {
	step   string
	cancel func()
}

func (c *cancelAt) Progress(p ops.Progress) {
	if p.Step == c.step {
		c.cancel()
	}
}
func (c *cancelAt) Log(string) {}

func TestMissingToolIsNamed(t *testing.T) {
	for _, name := range []string{"no-such-program", "/no/such/file"} {
		err := tool{name, "some-package"}.missing()
		var e *ops.Error
		if !errors.As(err, &e) || e.Hint != "apt-get install some-package" || !strings.Contains(e.Error(), name) {
			t.Errorf("missing(%s) = %v, want its package in the hint", name, err)
		}
	}
}
