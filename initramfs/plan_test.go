package initramfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/initramfs/compress"
)

// complete asks for one thing of each kind. The test program itself serves as /init: any ELF will do.
func complete(t testing.TB) Request {
	t.Helper()
	dir := files(t, t.TempDir(), map[string]string{"keys/a.pub": "key a", "keys/deep/b.pub": "key b", "model": "M1"})
	for _, err := range []error{
		os.Symlink("a.pub", filepath.Join(dir, "keys/link")),
		os.Link(filepath.Join(dir, "keys/a.pub"), filepath.Join(dir, "keys/twin")),
		os.Mkdir(filepath.Join(dir, "keys/empty"), 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return Request{
		Init:          busybox(t),
		Command:       "holdfast",
		KernelModules: kernelRoot(t),
		Modules:       []string{"virtio_blk", "ata_piix", "vfat", "ext4"},
		Busybox:       busybox(t),
		Adds: []Add{
			{Source: filepath.Join(dir, "keys"), Dest: "/etc/holdfast/keys"},
			{Source: filepath.Join(dir, "model"), Dest: "/etc/holdfast/model"},
			{Source: "/bin/ls", Dest: "/bin/ls"},
		},
	}
}

func find(p *Plan, path string) (Entry, bool) {
	i := slices.IndexFunc(p.Entries, func(e Entry) bool { return e.Path == path })
	if i < 0 {
		return Entry{}, false
	}
	return p.Entries[i], true
}

func TestPlan(t *testing.T) {
	p := plan(t, complete(t))
	for _, want := range []string{
		"init -rwxr-xr-x init", "bin/holdfast Lrwxrwxrwx init", "dev/console Dcrw------- layout", "dev/null Dcrw-rw-rw- layout", "dev/tty0 Dcrw------- layout",
		"dev/ttyS0 Dcrw------- layout", "tmp dtrwxrwxrwx layout", "flash drwxr-xr-x layout", "bin/busybox -rwxr-xr-x busybox",
		"bin/sh Lrwxrwxrwx busybox", "bin/ls -rwxr-xr-x added", "lib64/ld-linux-x86-64.so.2 -rwxr-xr-x library",
		"etc/holdfast/keys/a.pub -rw-r--r-- added", "etc/holdfast/keys/link Lrwxrwxrwx added", "etc/holdfast/keys/empty drwx------ added",
		"etc/holdfast/model -rw-r--r-- added", "etc/holdfast/modules -rw-r--r-- module",
	} {
		path, _, _ := strings.Cut(want, " ")
		e, ok := find(p, path)
		if got := fmt.Sprint(e.Path, " ", e.header().FileMode(), " ", e.Origin); !ok || got != want {
			t.Errorf("entry %q, want %q", got, want)
		}
	}
	if !slices.IsSortedFunc(p.Entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) }) {
		t.Error("entries are not sorted")
	}
	notes := strings.Join(p.Notes, "\n")
	if !strings.Contains(notes, "ext4 is built into") || !strings.Contains(notes, "sd_mod: disks behind ata_piix") {
		t.Errorf("notes: %s", notes)
	}
	list, _ := find(p, ModuleListPath[1:])
	content, _ := list.open()
	names, err := ReadModuleList(content)
	if err != nil || len(names) < 8 {
		t.Errorf("module list has %d lines, %v", len(names), err)
	}
	for _, name := range names {
		if e, ok := find(p, strings.TrimPrefix(name, "/")); !ok || e.Origin != FromModules || e.Size == 0 {
			t.Errorf("%s of the module list: %+v", name, e)
		}
	}
	if problems, err := Check(bytes.NewReader(build(t, complete(t)))); err != nil || len(problems) > 0 {
		t.Errorf("Check of our own archive: %v, %v", problems, err)
	}
}

func TestPlanRefuses(t *testing.T) {
	dir := files(t, t.TempDir(), map[string]string{"text": "no program", "a": "a", "b": "b", "tree/init/x": "x", "tree2/bin": ""})
	in := func(name string) string { return filepath.Join(dir, name) }
	ln := in("dangling")
	if err := os.Symlink("nowhere", ln); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		r    Request
		want string
	}{
		{"no init", Request{Init: in("none")}, "no such file"},
		{"init is a text", Request{Init: in("text")}, "not an ELF program"},
		{"busybox is a text", Request{Busybox: in("text")}, "/bin/busybox: " + in("text") + ": not an ELF"},
		{"modules from nowhere", Request{Modules: []string{"vfat"}}, "no directory of kernel modules"},
		{"unknown module", Request{KernelModules: kernelRoot(t), Modules: []string{"virtio_blc"}}, "it has virtio_blk"},
		{"missing source", Request{Adds: []Add{{in("none"), "/x"}}}, "add " + in("none")},
		{"dangling source", Request{Adds: []Add{{ln, "/x"}}}, "no such file"},
		{"escape", Request{Adds: []Add{{in("a"), "/x/../../y"}}}, `".."`},
		{"two at one place", Request{Adds: []Add{{in("a"), "/x"}, {in("b"), "/x"}}}, "/x is in the archive already: " + in("a")},
		{"below a file", Request{Adds: []Add{{in("a"), "/x"}, {in("b"), "/x/y"}}}, "/x/y lies below /x, which is no directory"},
		{"file for a directory", Request{Init: busybox(t), Adds: []Add{{in("a"), "/tmp"}}}, "/tmp is in the archive already"},
		{"init twice", Request{Init: busybox(t), Adds: []Add{{in("a"), "/init"}}}, "/init is in the archive already"},
		{"below init", Request{Init: busybox(t), Adds: []Add{{in("tree"), "/"}}}, "/init is in the archive already"},
		{"file over the root", Request{Adds: []Add{{in("a"), "/"}}}, "only a directory"},
		{"a device", Request{Adds: []Add{{"/dev/null", "/x"}}}, "neither a file nor a directory"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := test.r.Plan(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestParseAdd(t *testing.T) {
	here, _ := os.Getwd()
	tests := []struct{ arg, source, dest string }{
		{"/bin/ls", "/bin/ls", "/bin/ls"},
		{"key.pub", "key.pub", here + "/key.pub"},
		{"keys:/etc/holdfast/keys", "keys", "/etc/holdfast/keys"},
		{"keys:etc/keys", "keys", "/etc/keys"},
		{"a:b:/c", "a:b", "/c"},
		{"tree:/", "tree", "/"},
		{"tree:/a/./b//c", "tree", "/a/b/c"},
		{"", "", ""},
		{":/x", "", ""},
		{"a:", "", ""},
		{"a:/b/", "", ""},
		{"a:../b", "", ""},
		{"a:/b/../../c", "", ""},
	}
	for _, test := range tests {
		a, err := ParseAdd(test.arg)
		if (err != nil) != (test.source == "") || a != (Add{test.source, test.dest}) {
			t.Errorf("ParseAdd(%q) = %q, %v, want %q to %q", test.arg, a, err, test.source, test.dest)
		}
	}
}

// What distinguishes the two trees must not be seen in the archive: times, inode numbers, the order
// in a directory, and where they lie.
func TestSameInputSameBytes(t *testing.T) {
	contents := map[string]string{}
	for i := range 20 {
		contents[fmt.Sprintf("d%d/file%d", i%3, i)] = strings.Repeat(fmt.Sprint(i), i*100)
	}
	one, two := t.TempDir(), t.TempDir()
	files(t, one, contents)
	files(t, two, map[string]string{"spare": ""})
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(contents))) {
		files(t, two, map[string]string{name: contents[name]})
		when := time.Unix(int64(len(name))*1e6, 0)
		if err := os.Chtimes(filepath.Join(two, name), when, when); err != nil {
			t.Fatal(err)
		}
	}
	os.Remove(filepath.Join(two, "spare"))
	for _, dir := range []string{one, two} {
		err := errors.Join(os.Link(filepath.Join(dir, "d1/file1"), filepath.Join(dir, "d0/hard")),
			os.Symlink("file3", filepath.Join(dir, "d0/soft")))
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range methods {
		a := build(t, Request{Adds: []Add{{one, "/t"}}, Compress: m})
		b := build(t, Request{Adds: []Add{{two, "/t"}}, Compress: m})
		if !bytes.Equal(a, b) {
			t.Errorf("%v: %d and %d bytes differ", m, len(a), len(b))
		}
	}
}

// A layer brings the directories above its files along: with the layout's modes, since the kernel
// applies them to what is there.
func TestLayerKeepsModes(t *testing.T) {
	dir := files(t, t.TempDir(), map[string]string{"f": ""})
	p := plan(t, Request{Adds: []Add{{filepath.Join(dir, "f"), "/tmp/deep/f"}}})
	var got []string
	for _, e := range p.Entries {
		got = append(got, e.header().FileMode().String()+" "+e.Path)
	}
	if want := []string{"dtrwxrwxrwx tmp", "drwxr-xr-x tmp/deep", "-rw-r--r-- tmp/deep/f"}; !slices.Equal(got, want) {
		t.Errorf("entries %v, want %v", got, want)
	}
}

// Modules go in unpacked, whatever they are compressed with.
func TestCompressedModules(t *testing.T) {
	module := strings.Repeat("a module ", 1000)
	dir := files(t, t.TempDir(), map[string]string{
		"modules.dep":    "kernel/a.ko.xz: kernel/b.ko.zst kernel/c.ko.gz\nkernel/b.ko.zst: kernel/c.ko.gz\nkernel/c.ko.gz:\nkernel/d.ko.xz:\n",
		"kernel/d.ko.xz": "not xz",
	})
	for name, pack := range map[string][]string{"a.ko.xz": {"xz"}, "b.ko.zst": {"zstd", "-q"}, "c.ko.gz": {"gzip"}} {
		files(t, dir, map[string]string{"kernel/" + name: tool(t, dir, strings.NewReader(module+name), append(pack, "-c")...)})
	}
	raw := build(t, Request{KernelModules: dir, Modules: []string{"a"}})
	for _, name := range []string{"a.ko.xz", "b.ko.zst", "c.ko.gz"} {
		if !bytes.Contains(raw, []byte(module+name)) {
			t.Errorf("%s is not there unpacked", name)
		}
	}
	version := filepath.Base(dir)
	want := fmt.Sprintf("/lib/modules/%[1]s/kernel/c.ko\n/lib/modules/%[1]s/kernel/b.ko\n/lib/modules/%[1]s/kernel/a.ko\n", version)
	if !bytes.Contains(raw, []byte(want)) {
		t.Errorf("the module list is not\n%s", want)
	}
	if _, err := (Request{KernelModules: dir, Modules: []string{"d"}}).Plan(); err == nil || !strings.Contains(err.Error(), "d.ko.xz") {
		t.Errorf("a damaged module: %v", err)
	}
}

func TestReadModuleList(t *testing.T) {
	const list = "# c\n\n/a.ko\n  /b.ko  \r\n  #/c.ko\n/d#1.ko\n/e.ko"
	want := []string{"/a.ko", "/b.ko", "/d#1.ko", "/e.ko"}
	if got, err := ReadModuleList(strings.NewReader(list)); err != nil || !slices.Equal(got, want) {
		t.Errorf("ReadModuleList = %v, %v, want %v", got, err, want)
	}
	got, err := ReadModuleList(strings.NewReader(list + "\n" + strings.Repeat("x", 1<<17)))
	if err == nil || !slices.Equal(got, want) {
		t.Errorf("ReadModuleList of an endless line = %v, %v, want %v and an error", got, err, want)
	}
}

// The applets found in the bytes are those that busybox itself lists.
func TestBusyboxApplets(t *testing.T) {
	list := strings.Fields(tool(t, ".", nil, busybox(t), "--list"))
	var want []string
	for _, name := range applets {
		if slices.Contains(list, name) {
			want = append(want, name)
		}
	}
	got, err := busyboxApplets(busybox(t))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("found %v, %v, busybox has %v", got, err, want)
	}
	for _, name := range []string{"sh", "ls", "cat", "mount", "umount", "dmesg", "vi", "ps", "kill", "cp", "mv", "rm", "mkdir",
		"df", "free", "hexdump", "less", "more", "grep", "lsmod", "reboot"} {
		if !slices.Contains(got, name) {
			t.Errorf("no link for %s", name)
		}
	}
	if !slices.IsSorted(applets) {
		t.Error("the table of applets is not sorted")
	}
}

// A source that is another one than the plan saw would make an archive that lies about its sizes.
func TestWriteNoticesAChangedSource(t *testing.T) {
	dir := t.TempDir()
	files(t, dir, map[string]string{"in": "content"})
	p := plan(t, Request{Adds: []Add{{filepath.Join(dir, "in"), "/in"}}})
	for _, content := range []string{"", "longer than before"} {
		files(t, dir, map[string]string{"in": content})
		if err := p.Write(io.Discard); err == nil {
			t.Errorf("content %q goes unnoticed", content)
		}
	}
}

// What the usual tools see in our archive is the plan.
func TestToolsList(t *testing.T) {
	r := complete(t)
	r.Modules, r.Adds = r.Modules[:1], r.Adds[:2] // a small one is enough
	p := plan(t, r)
	var want []string
	for _, e := range p.Entries {
		want = append(want, e.Path)
	}
	slices.Sort(want)
	link := regexp.MustCompile(` -> .*`)
	for _, m := range methods {
		p.Compress = m
		name := filepath.Join(t.TempDir(), "archive")
		var archive bytes.Buffer
		if err := p.Write(&archive); err != nil {
			t.Fatal(err)
		}
		raw := archive.Bytes()
		if err := os.WriteFile(name, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		var out string
		switch m {
		case compress.None:
			out = tool(t, ".", bytes.NewReader(raw), "cpio", "-it", "--quiet")
		case compress.LZ4: // lsinitramfs believes the lz4 program, which does not know the kernel's end mark
			if err := os.WriteFile(name, withoutLZ4End(raw), 0o644); err != nil {
				t.Fatal(err)
			}
			fallthrough
		default:
			out = tool(t, ".", nil, "lsinitramfs", name)
		}
		got := strings.Split(strings.TrimSpace(link.ReplaceAllString(out, "")), "\n")
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%v: %d names are listed, %d planned:\n%v", m, len(got), len(want), got)
		}
	}
}
