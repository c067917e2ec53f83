package disk

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// blkid is what blkid finds on an image file.
func blkid(t testing.TB, name string) FileSystem {
	t.Helper()
	value := func(tag string) string {
		path := "/usr/sbin/blkid"
		if found, err := exec.LookPath("blkid"); err == nil {
			path = found
		}
		if _, err := os.Stat(path); err != nil {
			t.Fatal("blkid is missing: apt-get install util-linux")
		}
		out, _ := exec.Command(path, "-p", "-s", tag, "-o", "value", name).Output()
		return strings.TrimRight(string(out), "\n")
	}
	return FileSystem{Type: value("TYPE"), UUID: value("UUID"), Label: value("LABEL")}
}

// formats are the programs that make a file system, and their arguments.
func formats() map[string][]string {
	mkfs := func(args ...string) []string { return append([]string{"e2fsprogs", "mke2fs", "-q", "-F"}, args...) }
	fat := func(args ...string) []string { return append([]string{"dosfstools", "mkfs.vfat"}, args...) }
	return map[string][]string{
		"ext2":                mkfs("-t", "ext2", "-L", "flash"),
		"ext2 as made here":   mkfs("-t", "ext2", "-I", "128", "-b", "4096", "-L", "sixteen letters!"),
		"ext3":                mkfs("-t", "ext3"),
		"ext4":                mkfs("-t", "ext4", "-L", "x"),
		"ext4 no journal":     mkfs("-t", "ext4", "-O", "^has_journal"),
		"ext4 big allocation": mkfs("-t", "ext4", "-O", "bigalloc"),
		"ext2 no UUID":        mkfs("-t", "ext2", "-U", "clear"),
		"FAT12":               fat("-F", "12", "-n", "FLASH"),
		"FAT16":               fat("-F", "16", "-n", "ELEVEN CHAR"),
		"FAT32":               fat("-F", "32", "-n", "FLASH", "-i", "0a0b0c0d"),
		"FAT32 no label":      fat("-F", "32"),
		"FAT16 4096":          fat("-F", "16", "-S", "4096", "-n", "BIG"),
		"journal":             mkfs("-O", "journal_dev"),
		"nothing":             {"coreutils", "true"},
		"swap":                {"util-linux", "mkswap"},
	}
}

func TestIdentifyAsBlkid(t *testing.T) {
	for name, format := range formats() {
		f := blank(t, 64<<20)
		tell(t, format[0], format[1], append(format[2:], f.Name())...)
		want := blkid(t, f.Name())
		if name == "journal" || name == "swap" {
			want = FileSystem{} // blkid knows them, but nobody mounts them
		}
		if got, err := Identify(f); err != nil || got != want {
			t.Errorf("%s: Identify = %+v, %v, want %+v", name, got, err, want)
		}
	}
}

// A removed label and one set later are entries of the root directory.
func TestIdentifyLabelOfMtools(t *testing.T) {
	f := blank(t, 64<<20)
	tell(t, "dosfstools", "mkfs.vfat", "-F", "16", "-n", "FIRST", f.Name())
	for _, label := range []string{"", "SECOND"} {
		args := []string{"-i", f.Name(), "::" + label}
		if label == "" {
			args = []string{"-c", "-i", f.Name(), "::"}
		}
		tell(t, "mtools", "mlabel", args...)
		want := blkid(t, f.Name())
		if got, err := Identify(f); err != nil || got != want || got.Label != label {
			t.Errorf("label %q: Identify = %+v, %v, want %+v", label, got, err, want)
		}
	}
	image := make([]byte, 1<<20)
	if _, err := f.ReadAt(image, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0xe5}, int64(bytes.Index(image, []byte("SECOND     \x08")))); err != nil {
		t.Fatal(err)
	}
	if got, err := Identify(f); err != nil || got != blkid(t, f.Name()) || got.Label != "" {
		t.Errorf("removed label: Identify = %+v, %v, want none", got, err)
	}
}

type broken struct{}

var errBroken = errors.New("broken")

func (broken) ReadAt([]byte, int64) (int, error) { return 0, errBroken }

func TestIdentifyTellsDiskErrors(t *testing.T) {
	if fs, err := Identify(broken{}); !errors.Is(err, errBroken) {
		t.Errorf("Identify of a broken disk = %+v, %v, want its error", fs, err)
	}
}

func FuzzIdentify(f *testing.F) {
	for name, format := range formats() {
		if !strings.HasPrefix(name, "ext2") && !strings.HasPrefix(name, "FAT") {
			continue
		}
		disk := blank(f, 64<<20)
		tell(f, format[0], format[1], append(format[2:], disk.Name())...)
		head := make([]byte, 4096)
		disk.ReadAt(head, 0)
		f.Add(head)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fs, err := Identify(bytes.NewReader(b))
		if err != nil || fs.Type == "" && fs != (FileSystem{}) {
			t.Errorf("Identify = %+v, %v", fs, err)
		}
	})
}
