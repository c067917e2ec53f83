package vfatlab

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"holdfast/ops/bench/crashlab"
)

// format is a kind of FAT, as small as it may be: the lab copies thousands of them.
type format struct {
	name string
	size int64 // bytes
	args []string
}

var (
	fat16 = format{"FAT16", 2300 << 10, []string{"-F", "16", "-s", "1", "-r", "64"}} // 4085 clusters make a FAT16
	fat32 = format{"FAT32", 34 << 20, []string{"-F", "32", "-s", "1"}}               // 65525 make a FAT32
)

// make formats a flash and fills it by mtools.
func (f format) make(t testing.TB, disk string, images map[string]string) {
	t.Helper()
	tree := workDir(t)
	files := map[string][]byte{
		"boot/grub/menu.lst":  []byte(crashlab.Menu),
		"boot/grub/default":   []byte("0\n#\n#\n#\n#\n#\n#\n#\n#\n#\n#\n# written by the lab\n"),
		"firmware/kernel.img": crashlab.NewImage("maintenance")["kernel.img"],
		"cfg/system.arg":      []byte("console=ttyS0,115200\n"),
	}
	for dir, version := range images {
		for member, data := range crashlab.NewImage(version) {
			files["system/"+dir+"/"+member] = data
		}
	}
	for name, data := range files {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(tree, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(tree, name), data, 0o644))
	}
	must(t, os.WriteFile(disk, nil, 0o600))
	must(t, os.Truncate(disk, f.size))
	tool(t, "dosfstools", "mkfs.fat", append(f.args, "-n", "HF-LAB", disk)...)
	for _, dir := range []string{"boot", "firmware", "cfg", "system"} {
		tool(t, "mtools", "mcopy", "-s", "-i", disk, filepath.Join(tree, dir), "::/")
	}
	must(t, os.Truncate(disk, f.size+sector)) // for the marks
}

// archive puts an image into a file as it is sent to the machine.
func archive(t testing.TB, version string) string {
	t.Helper()
	dir := workDir(t)
	root := filepath.Join(dir, version)
	must(t, os.Mkdir(root, 0o755))
	for member, data := range crashlab.NewImage(version) {
		must(t, os.WriteFile(filepath.Join(root, member), data, 0o644))
	}
	name := fmt.Sprintf("%s/%s.tgz", dir, version)
	tool(t, "tar", "tar", "-C", dir, "-czf", name, version)
	return name
}
