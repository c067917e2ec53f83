package ext

import (
	"fmt"
	"os"
	"testing"
)

// BenchmarkMap opens a file system of 4 GiB with 1500 files in a directory, and maps one of them.
func BenchmarkMap(b *testing.B) {
	files := map[string]string{"boot/grub/default": "0\n"}
	for i := range 1500 {
		files[fmt.Sprintf("boot/grub/file %d", i)] = ""
	}
	image := makeImage(b, writeTree(b, files), "4G", "-t", "ext4")
	file, err := os.Open(image)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	b.ReportAllocs()
	for b.Loop() {
		f, err := Open(file, 4<<30)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.Map("boot/grub/default"); err != nil {
			b.Fatal(err)
		}
		if _, err := f.Free(); err != nil {
			b.Fatal(err)
		}
	}
}
