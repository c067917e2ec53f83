package volume

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const mib = 1 << 20

// tell runs a program of a package, also one that is not in an ordinary user's path.
func tell(t testing.TB, pkg, name, in string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// The trees of files on the volumes of the tests.
var (
	grubTree  = []string{"boot/grub/menu.lst", "boot/grub/default"}
	flashTree = []string{"system/active/kernel.ver", "cfg/system.arg"}
	dataTree  = []string{"data", "boot/grub/nothing"}
	oldTree   = []string{"sys/active/kernel.ver", "cfg/x"}
	bothTree  = append([]string{"grub2/grubenv"}, flashTree...)
)

// plant makes the files, each holding its own name.
func plant(t testing.TB, dir string, tree []string) {
	t.Helper()
	for _, name := range tree {
		write(t, filepath.Join(dir, name), name)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// part is a file system: "ext2", "vfat", or "" for none.
type part struct {
	fstype, label string
	tree          []string
}

const partSize = 4 * mib

// make makes the file system as a file.
func (p part) make(t testing.TB) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "part")
	write(t, file, "")
	if err := os.Truncate(file, partSize); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	plant(t, root, p.tree)
	switch p.fstype {
	case "":
	case "vfat":
		tell(t, "dosfstools", "mkfs.vfat", "", "-n", p.label, file)
		top, _ := filepath.Glob(root + "/*")
		tell(t, "mtools", "mcopy", "", append(append([]string{"-s", "-i", file}, top...), "::")...)
	default:
		tell(t, "e2fsprogs", "mke2fs", "", "-q", "-F", "-t", p.fstype, "-L", p.label, "-d", root, file)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// makeDisk makes an image of a disk: one partition behind the other from the first MiB on.
func makeDisk(t testing.TB, label string, parts ...part) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk.img")
	write(t, name, "")
	size := int64(2*mib + len(parts)*partSize)
	if err := os.Truncate(name, size); err != nil {
		t.Fatal(err)
	}
	script := "label: " + label + "\n"
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for n, p := range parts {
		start := mib + n*partSize
		script += fmt.Sprintf("start=%d, size=%d\n", start/512, partSize/512)
		if _, err := f.WriteAt(p.make(t), int64(start)); err != nil {
			t.Fatal(err)
		}
	}
	tell(t, "fdisk", "sfdisk", script, "-q", "--no-reread", name)
	return name
}

var (
	grubPart  = part{"ext2", "boot", grubTree}
	flashPart = part{"ext4", "flash", flashTree}
	dataPart  = part{"ext2", "", dataTree}
	noPart    = part{}
)

// content reads a file that holds its own name.
func checkFile(t *testing.T, v *Volume, name string) {
	t.Helper()
	if b, err := fs.ReadFile(v.FS(), name); err != nil || string(b) != name {
		t.Errorf("%s: ReadFile(%s) = %q, %v", v.Name, name, b, err)
	}
}

// fake is a made-up machine: its /sys and /dev, where the nodes are files.
type fake struct {
	t    *testing.T
	root string
	machine
}

func newFake(t *testing.T) *fake {
	root := t.TempDir()
	f := &fake{t, root, machine{sys: filepath.Join(root, "sys"), dev: filepath.Join(root, "dev"), mounts: filepath.Join(root, "mountinfo")}}
	write(t, f.mounts, "")
	return f
}

// add adds a block device: a partition when on is another one.
func (f *fake) add(name, on, number string, partition int, image []byte) {
	f.t.Helper()
	dir := filepath.Join("devices/pci0/block", on)
	if name != on {
		dir = filepath.Join(dir, name)
		write(f.t, filepath.Join(f.sys, dir, "partition"), fmt.Sprintln(partition))
		write(f.t, filepath.Join(f.sys, dir, "start"), fmt.Sprintln((mib+(partition-1)*partSize)/512))
	}
	write(f.t, filepath.Join(f.sys, dir, "size"), fmt.Sprintln(partSize/512))
	write(f.t, filepath.Join(f.sys, dir, "dev"), number+"\n")
	write(f.t, filepath.Join(f.sys, dir, "queue/logical_block_size"), "512\n")
	for link, up := range map[string]string{"class/block/" + name: "../..", "dev/block/" + number: "../.."} {
		path := filepath.Join(f.sys, link)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			f.t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(up, dir), path); err != nil {
			f.t.Fatal(err)
		}
	}
	write(f.t, f.node(name), string(image))
}

// mount says that a directory shows a device.
func (f *fake) mount(number, root, dir, options, fstype, super string) {
	b, err := os.ReadFile(f.mounts)
	if err != nil {
		f.t.Fatal(err)
	}
	line := fmt.Sprintf("36 35 %s %s %s %s shared:1 - %s /dev/root %s\n", number, root, strings.ReplaceAll(dir, " ", `\040`), options, fstype, super)
	write(f.t, f.mounts, string(b)+line)
}
