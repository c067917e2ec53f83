package archive

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"holdfast/flash"
	"holdfast/flash/signature"
)

// TestForms reads what the real programs make.
func TestForms(t *testing.T) {
	dir := folder(t, content())
	tests := []struct{ name, shell, format string }{
		{"tar.gz", "tar czf - 1.3.125", "tar.gz"},
		{"tar.zst", "tar cf - 1.3.125 | zstd -q", "tar.zst"},
		{"tar.zst -19", "tar cf - 1.3.125 | zstd -q -19", "tar.zst"},
		{"tar.zst of a file of known size", "tar cf x.tar 1.3.125; zstd -q -19 -c x.tar", "tar.zst"},
		{"tar.xz", "tar cf - 1.3.125 | xz -0", "tar.xz"},
		{"tar.xz -T2 in blocks", "tar cf - 1.3.125 | xz -0 -T2 --block-size=300k", "tar.xz"},
		{"tar.xz -6", "tar cf - 1.3.125 | xz --lzma2=preset=0,dict=8MiB", "tar.xz"},
		{"tar", "tar cf - 1.3.125", "tar"},
		{"no folder", "tar czf - -C 1.3.125 kernel.img initrd.img kernel.arg kernel.ver SHA256SUMS", "tar.gz"},
		{"folder is .", "tar czf - -C 1.3.125 .", "tar.gz"},
		{"./folder", "tar czf - ./1.3.125", "tar.gz"},
		{"ustar", "tar czf - --format=ustar 1.3.125", "tar.gz"},
		{"v7", "tar czf - --format=v7 1.3.125", "tar.gz"},
		{"pax", "tar czf - --format=pax 1.3.125", "tar.gz"},
		{"pax with a global header", "tar czf - --format=pax --pax-option=globexthdr.name=g,comment=hello 1.3.125", "tar.gz"},
		{"oldgnu", "tar czf - --format=oldgnu 1.3.125", "tar.gz"},
		{"blocks of 1 MiB", "tar czf - -b 2048 1.3.125", "tar.gz"},
		{"manifest first", "tar czf - 1.3.125/SHA256SUMS 1.3.125/kernel.img 1.3.125/initrd.img 1.3.125/kernel.arg 1.3.125/kernel.ver", "tar.gz"},
		{"manifest last", "tar czf - 1.3.125/kernel.img 1.3.125/initrd.img 1.3.125/kernel.arg 1.3.125/kernel.ver 1.3.125/SHA256SUMS", "tar.gz"},
		{"busybox", "busybox tar cf - 1.3.125 | busybox gzip", "tar.gz"},
		{"cpio.gz", "find 1.3.125 | cpio --quiet -o -H newc | gzip", "cpio.gz"},
		{"cpio.gz with sums", "find 1.3.125 | cpio --quiet -o -H crc | gzip", "cpio.gz"},
		{"cpio.gz of .", "cd 1.3.125; find . | cpio --quiet -o -H newc | gzip", "cpio.gz"},
		{"cpio.zst", "find 1.3.125 | cpio --quiet -o -H newc | zstd -q", "cpio.zst"},
		{"cpio.xz", "find 1.3.125 | cpio --quiet -o -H newc | xz -0", "cpio.xz"},
		{"cpio", "find 1.3.125 | cpio --quiet -o -H newc", "cpio"},
		{"padded by XMODEM", "tar czf - 1.3.125; printf '\\032%.0s' $(seq 99)", "tar.gz"},
		{"padded by zeros", "tar czf - 1.3.125; head -c 1000 /dev/zero", "tar.gz"},
		{"zst padded by XMODEM", "tar cf - 1.3.125 | zstd -q; printf '\\032%.0s' $(seq 99)", "tar.zst"},
		{"xz padded by XMODEM", "tar cf - 1.3.125 | xz -0; printf '\\032%.0s' $(seq 99)", "tar.xz"},
		{"tar padded by XMODEM", "tar cf - 1.3.125; printf '\\032%.0s' $(seq 99)", "tar"},
		{"cpio padded by XMODEM", "find 1.3.125 | cpio --quiet -o -H newc; printf '\\032%.0s' $(seq 99)", "cpio"},
		{"gzip in two members", "tar cf x.tar 1.3.125; head -c 1000000 x.tar | gzip; tail -c +1000001 x.tar | gzip", "tar.gz"},
		{"zstd in two frames", "tar cf x.tar 1.3.125; head -c 1000000 x.tar | zstd -q; tail -c +1000001 x.tar | zstd -q", "tar.zst"},
	}
	for _, pkg := range []string{"zstd", "cpio", "busybox"} {
		tool(t, pkg, dir, "sh", "-c", "command -v "+pkg)
	}
	want := content()
	sums, err := os.ReadFile(filepath.Join(dir, "1.3.125", "SHA256SUMS"))
	must(t, err)
	want["SHA256SUMS"] = string(sums)
	for _, tt := range tests {
		made := tool(t, "bash", dir, "bash", "-e", "-o", "pipefail", "-c", tt.shell)
		img, got, err := copied(made, signature.Trust{}, 0)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		for name, text := range want {
			if got[name] == nil || got[name].String() != text || img.Sizes[name] != int64(len(text)) {
				t.Errorf("%s: %s is not what was packed", tt.name, name)
			}
		}
		if len(got) != len(want) || img.Size() != sizeOf(want) {
			t.Errorf("%s: %d members, %d bytes", tt.name, len(got), img.Size())
		}
		img.Sizes = nil
		if img.Format != tt.format || img.Version != "1.3.125" || img.Arguments != "acpi=off\n" || img.Kernel != "6.1.0-test" ||
			img.Integrity != flash.Intact || img.ID != sha256.Sum256(sums) || img.Notes != nil {
			t.Errorf("%s: %+v", tt.name, img)
		}
	}
}

func sizeOf(files map[string]string) (n int64) {
	for _, text := range files {
		n += int64(len(text))
	}
	return n
}
