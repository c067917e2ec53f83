package ext

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

// TestFS has the standard library try everything that an fs.FS promises.
func TestFS(t *testing.T) {
	tree := writeTree(t, map[string]string{
		"boot/grub/default": "0\n", "boot/grub/menu.lst": strings.Repeat("title x\n", 4000), "empty": "",
		"abs": "-> /boot/grub", "boot/rel": "-> ../boot/grub/default", "long": "-> " + strings.Repeat("./", 50) + "boot",
	})
	for _, args := range []string{"-t ext2 -O ^filetype", "-t ext4", "-t ext4 -O inline_data -I 256", "-t ext4 -b 65536"} {
		t.Run(args, func(t *testing.T) {
			f, _ := openImage(t, makeImage(t, tree, "16M", strings.Fields(args)...))
			if err := fstest.TestFS(f, "boot/grub/default", "boot/grub/menu.lst", "empty", "abs", "boot/rel", "long"); err != nil {
				t.Error(err)
			}
			for _, name := range []string{"abs/default", "boot/rel", "long/grub/default"} {
				if got, err := fs.ReadFile(f, name); string(got) != "0\n" || err != nil {
					t.Errorf("ReadFile(%s) = %q, %v", name, got, err)
				}
			}
		})
	}
}

// TestSeek reads on from other places.
func TestSeek(t *testing.T) {
	f, _ := openImage(t, makeImage(t, writeTree(t, map[string]string{"file": "0123456789"}), "1M", "-t", "ext2"))
	file, err := f.Open("file")
	if err != nil {
		t.Fatal(err)
	}
	seeker := file.(io.Seeker)
	for _, tt := range []struct {
		offset int64
		whence int
		want   string
	}{{4, io.SeekStart, "456789"}, {-3, io.SeekEnd, "789"}, {-2, io.SeekCurrent, "89"}, {1 << 40, io.SeekStart, ""}} {
		if _, err := seeker.Seek(tt.offset, tt.whence); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(file); string(got) != tt.want || err != nil {
			t.Errorf("after Seek(%d, %d): %q, %v, want %q", tt.offset, tt.whence, got, err, tt.want)
		}
	}
	if _, err := seeker.Seek(-1, io.SeekStart); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("Seek(-1) = %v", err)
	}
}
