package kmod

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// kernelRoot is the test kernel: a directory with boot/ and one lib/modules/VERSION.
func kernelRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../.cache/kernel")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "lib/modules")); err != nil {
		t.Fatal("the test kernel is missing: make test fetches it into .cache/kernel")
	}
	return root
}

// modprobe is the oracle: the files that it would load for a module, in its order.
func modprobe(t *testing.T, root, version, name string) (files []string, builtin bool) {
	t.Helper()
	program, err := exec.LookPath("modprobe")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/modprobe"); err != nil {
			t.Fatal("modprobe is missing: apt-get install kmod")
		}
	}
	var complaint bytes.Buffer
	cmd := exec.Command(program, "-d", root, "-S", version, "--show-depends", name)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("modprobe %s: %v: %s", name, err, complaint.String())
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if words[0] == "builtin" { // the module itself, or a soft dependency
			builtin = builtin || words[1] == name
			continue
		}
		_, file, _ := strings.Cut(words[1], "/lib/modules/"+version+"/")
		if !slices.Contains(files, file) { // a module with a "post" soft dependency comes twice
			files = append(files, file)
		}
	}
	return files, builtin
}

func TestLoadOrderIsModprobes(t *testing.T) {
	root := kernelRoot(t)
	tree, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"virtio_blk", "virtio-pci", "ata_piix", "sd_mod", "vfat", "ext4", "btrfs", "nfsd", "cifs", "lrw", "xts", "vfio", "libcrc32c", "virtio_net"}
	all := slices.Sorted(maps.Keys(tree.modules))
	for i := 0; i < len(all); i += 40 { // and some that nobody chose
		names = append(names, all[i])
	}
	for _, name := range names {
		want, builtin := modprobe(t, root, tree.Version, name)
		l := loader{tree: tree, visited: map[string]bool{}, listed: map[string]bool{}}
		if builtin != tree.builtin[Name(name)] {
			t.Errorf("%s is built in: %v, modprobe says %v", name, tree.builtin[Name(name)], builtin)
		}
		if builtin {
			continue
		}
		if err := l.module(Name(name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "btrfs" { // it has several lines of soft dependencies, of which modprobe takes one
			l.Files = slices.DeleteFunc(l.Files, func(f string) bool {
				return Name(f) == "sha256_ssse3" || Name(f) == "xxhash_generic"
			})
		}
		if !slices.Equal(l.Files, want) {
			t.Errorf("%s loads\n%s\nmodprobe loads\n%s", name, strings.Join(l.Files, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestLoadSeveral(t *testing.T) {
	tree, err := Open(kernelRoot(t))
	if err != nil {
		t.Fatal(err)
	}
	load, err := tree.Load([]string{"virtio-blk", "ata_piix", "vfat", "ext4"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(load.Builtin, []string{"ext4"}) {
		t.Errorf("built in: %v, want ext4", load.Builtin)
	}
	var names []string
	for _, file := range load.Files {
		names = append(names, Name(file))
	}
	before := func(a, b string) {
		t.Helper()
		if i, j := slices.Index(names, a), slices.Index(names, b); i < 0 || j < 0 || i > j {
			t.Errorf("%s does not load before %s in %v", a, b, names)
		}
	}
	before("virtio_ring", "virtio_blk")
	before("virtio_blk", "virtio_pci")
	before("libata", "ata_piix")
	before("ata_piix", "sd_mod")
	before("fat", "vfat")
	before("vfat", "nls_cp437")
	if !slices.Contains(load.Added, "sd_mod: disks behind ata_piix") {
		t.Errorf("added: %v, want sd_mod among them", load.Added)
	}
	if sorted := slices.Sorted(slices.Values(names)); len(slices.Compact(sorted)) != len(names) {
		t.Errorf("a module is listed twice: %v", names)
	}

	_, err = tree.Load([]string{"virtio_blkk"})
	if err == nil || !strings.Contains(err.Error(), "virtio_blk") {
		t.Errorf("unknown module: %v, want the near name virtio_blk", err)
	}
}

func TestCompanionPatterns(t *testing.T) {
	for _, c := range companions {
		if _, err := path.Match(c.file, "x"); err != nil {
			t.Errorf("%s: %v", c.file, err)
		}
		if strings.Contains(c.file, "[") {
			t.Errorf("%s: classes of characters are easy to get wrong here", c.file)
		}
	}
}

// fake makes a tree of the given files below a new directory.
func fake(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestOpen(t *testing.T) {
	one := fake(t, map[string]string{"lib/modules/6.1/modules.dep": ""})
	for _, dir := range []string{one, filepath.Join(one, "lib/modules/6.1")} {
		if tree, err := Open(dir); err != nil || tree.Version != "6.1" {
			t.Errorf("Open(%s) = %+v, %v", dir, tree, err)
		}
	}
	tests := []struct{ name, dir, want string }{
		{"none", t.TempDir(), "depmod"},
		{"no directory", "/nowhere", "no such file"},
		{"two", fake(t, map[string]string{"lib/modules/6.1/modules.dep": "", "lib/modules/5.10/modules.dep": ""}), "5.10, 6.1"},
	}
	for _, test := range tests {
		if _, err := Open(test.dir); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

func TestCompressedAndDashed(t *testing.T) {
	root := fake(t, map[string]string{
		"lib/modules/6.1/modules.dep": "kernel/a-b.ko.xz: kernel/c.ko.zst kernel/d.ko.gz\nkernel/c.ko.zst: kernel/d.ko.gz\nkernel/d.ko.gz:\n" +
			"kernel/loop1.ko:\nkernel/loop2.ko:\nkernel/broken.ko: kernel/gone.ko\n",
		"lib/modules/6.1/modules.softdep": "# comment\nsoftdep loop1 pre: loop2 absent\nsoftdep loop2 pre: loop1\nsoftdep a_b ignored post: loop1\n",
	})
	tree, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		want string
	}{
		{"a_b", "kernel/d.ko.gz kernel/c.ko.zst kernel/a-b.ko.xz kernel/loop2.ko kernel/loop1.ko"},
		{"a-b", "kernel/d.ko.gz kernel/c.ko.zst kernel/a-b.ko.xz kernel/loop2.ko kernel/loop1.ko"},
		{"c", "kernel/d.ko.gz kernel/c.ko.zst"},
	}
	for _, test := range tests {
		load, err := tree.Load([]string{test.name})
		if got := strings.Join(load.Files, " "); err != nil || got != test.want {
			t.Errorf("Load(%s) = %s, %v, want %s", test.name, got, err, test.want)
		}
	}
	if _, err := tree.Load([]string{"broken"}); err == nil || !strings.Contains(err.Error(), "gone.ko") {
		t.Errorf("a dependency that is not listed: %v", err)
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "adc", 1}, {"abc", "ab", 1}, {"kitten", "sitting", 3}} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
