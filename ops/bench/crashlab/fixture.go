package crashlab

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"holdfast/kexec/kexectest"
)

// Image is an image of a flash: its members by their names.
type Image map[string][]byte

// NewImage makes a small valid image whose contents are all its version's own.
func NewImage(version string) Image { return NewImageOf(version, 90<<10) }

// NewImageOf makes one with an initrd of so many bytes.
func NewImageOf(version string, initrd int) Image {
	rng := rand.NewChaCha8(sha256.Sum256([]byte(version)))
	noise := func(n int) []byte {
		b := make([]byte, n)
		_, _ = rng.Read(b)
		return b
	}
	img := Image{
		"kernel.img": append(kexectest.Kernel("6.1."+strings.TrimLeft(version, "v")+"-lab"), noise(56<<10)...),
		"initrd.img": noise(initrd),
		"kernel.arg": []byte("quiet image=" + version + "\n"),
		"kernel.ver": []byte(version + "\n"),
	}
	var manifest strings.Builder
	for _, name := range slices.Sorted(img.names()) {
		sum := sha256.Sum256(img[name])
		fmt.Fprintf(&manifest, "%s  %s\n", hex.EncodeToString(sum[:]), name)
	}
	img["SHA256SUMS"] = []byte(manifest.String())
	return img
}

func (i Image) names() func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range i {
			if !yield(name) {
				return
			}
		}
	}
}

// Members are the names of its files in the order in which they are written: the manifest comes last.
func (i Image) Members() []string {
	names := slices.Sorted(i.names())
	at := slices.Index(names, "SHA256SUMS")
	return append(slices.Delete(names, at, at+1), "SHA256SUMS")
}

// Size is the bytes of its files.
func (i Image) Size() (n int64) {
	for _, data := range i {
		n += int64(len(data))
	}
	return n
}

// ID is the image's name in state records.
func (i Image) ID() [32]byte { return sha256.Sum256(i["SHA256SUMS"]) }

// sums are the hashes of the members, as the judges compare them.
func (i Image) sums() map[string]string {
	list := map[string]string{}
	for name, data := range i {
		list[name] = sum(data)
	}
	return list
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:8])
}

// Menu is the menu of GRUB Legacy on every flash of the lab, as DESIGN has it: two tries of each slot,
// then the maintenance kernel.
const Menu = `default saved
timeout 1
fallback 1 2 3 4
title Active image
	root (hd0)
	kernel /system/active/kernel.img img=active
	initrd /system/active/initrd.img
	savedefault 1
title Active image (retry)
	root (hd0)
	kernel /system/active/kernel.img img=active
	initrd /system/active/initrd.img
	savedefault 2
title Backup image
	root (hd0)
	kernel /system/backup/kernel.img img=backup
	initrd /system/backup/initrd.img
	savedefault 3
title Backup image (retry)
	root (hd0)
	kernel /system/backup/kernel.img img=backup
	initrd /system/backup/initrd.img
	savedefault 4
title Maintenance
	root (hd0)
	kernel /firmware/kernel.img img=maint
	savedefault 4
`

// Fixture is a flash to begin with.
type Fixture struct {
	Type   string            // "ext2", "ext3", "ext4"
	MiB    int               // size; 0 is 6
	Images map[string]string // version of the image in each directory below system
	Block  int               // bytes; 0 is 1024
	Blank  bool              // there are no state records yet
}

// features are what GRUB of the field reads: see FIELD of the project; ext4 is without checksums of its metadata,
// whose torn directory blocks GRUB and debugfs judge differently.
var features = map[string]string{
	"ext2": "none,filetype,sparse_super,large_file,ext_attr,dir_index",
	"ext3": "none,filetype,sparse_super,large_file,ext_attr,dir_index,has_journal",
	"ext4": "none,filetype,sparse_super,large_file,ext_attr,dir_index,has_journal,extent,huge_file,flex_bg,dir_nlink,extra_isize,64bit",
}

// Make formats the flash in the file name and fills it.
func (f Fixture) Make(name string) error {
	tree, err := os.MkdirTemp("", "crashlab-tree-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tree)
	files := map[string][]byte{
		"boot/grub/menu.lst":  []byte(Menu),
		"boot/grub/default":   []byte("0\n#\n#\n#\n#\n#\n#\n#\n#\n#\n#\n# written by the lab\n"),
		"firmware/kernel.img": kexectest.Kernel("6.1.0-maint"),
		"cfg/system.arg":      []byte("console=ttyS0,115200\n"),
	}
	if !f.Blank {
		blank := bytes.Repeat([]byte{0xff}, sector) // of zeros mke2fs would make a hole, which a record must not be
		files["cfg/slots0"], files["cfg/slots1"] = blank, blank
	}
	for dir, version := range f.Images {
		for member, data := range NewImage(version) {
			files["system/"+dir+"/"+member] = data
		}
	}
	for name, data := range files {
		path := filepath.Join(tree, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
			return err
		}
	}
	inode := "128"
	if f.Type == "ext4" {
		inode = "256"
	}
	_, err = tool("mke2fs", "-q", "-F", "-t", f.Type, "-b", fmt.Sprint(cmp.Or(f.Block, 1024)), "-I", inode, "-N", "256", "-m", "0", "-O", features[f.Type],
		"-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0", "-d", tree, name, fmt.Sprintf("%dM", cmp.Or(f.MiB, 6)))
	return err
}

// tool runs a program of e2fsprogs, which must succeed.
func tool(name string, args ...string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is missing: apt-get install e2fsprogs", name)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// readTree reads every regular file below dir.
func readTree(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[name], err = os.ReadFile(path)
		if name == "cfg/holdfast.log" && errors.Is(err, syscall.EUCLEAN) {
			err = nil // on an ext2 that no e2fsck saw: the log was being made. It is for people, and nothing hangs on it
		}
		return err
	})
	return files, err
}
