package pack

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type item struct {
	name, text string
	kind       byte // 0 for a plain file
}

func tarOf(t testing.TB, items ...item) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, i := range items {
		h := tar.Header{Name: i.name, Size: int64(len(i.text)), Mode: 0o644, Typeflag: i.kind}
		if i.kind != 0 {
			h.Size, h.Linkname = 0, i.text
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if i.kind == 0 {
			io.WriteString(w, i.text)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipOf(b []byte) []byte {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(b)
	w.Close()
	return z.Bytes()
}

func sum(name, text string) string { return fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(text)), name) }

func TestUnpack(t *testing.T) {
	kernel := item{name: "top/kernel.img", text: "K"}
	sums := item{name: "top/SHA256SUMS", text: sum("kernel.img", "K")}
	dir := item{name: "top/", kind: tar.TypeDir}
	whole := zipOf(tarOf(t, dir, kernel, sums))
	tests := []struct {
		name    string
		archive []byte
		want    string // the error; "" for none
	}{
		{"gzip", whole, ""},
		{"plain tar", tarOf(t, dir, kernel, sums), ""},
		{"no folder", zipOf(tarOf(t, item{name: "kernel.img", text: "K"})), ""},
		{"folder is .", zipOf(tarOf(t, item{name: "./", kind: tar.TypeDir}, item{name: "./kernel.img", text: "K"})), ""},
		{"folder not listed", zipOf(tarOf(t, kernel)), ""},
		{"XMODEM padding", append(bytes.Clone(whole), bytes.Repeat([]byte{0x1a}, 100)...), ""},
		{"padding behind a plain tar", append(tarOf(t, kernel), bytes.Repeat([]byte{0x1a}, 100)...), ""},
		{"another gzip stream behind it", append(bytes.Clone(whole), whole...), ""},
		{"all members", tarOf(t, kernel, item{name: "top/initrd.img"}, item{name: "top/kernel.arg", text: "a"}, item{name: "top/system.ver", text: "2"},
			item{name: "top/system.sig"}), ""},

		{"empty", nil, "empty"},
		{"text", []byte(strings.Repeat("text\n", 500)), "tar"},
		{"truncated", whole[:len(whole)/2], "EOF"},
		{"truncated checksum", whole[:len(whole)-2], "EOF"},
		{"no kernel", tarOf(t, item{name: "top/kernel.ver", text: "1"}), "no kernel.img"},
		{"two folders", tarOf(t, kernel, item{name: "other/kernel.ver", text: "1"}), "one top folder"},
		{"folder and none", tarOf(t, kernel, item{name: "kernel.ver", text: "1"}), "one top folder"},
		{"deeper", tarOf(t, item{name: "top/a/kernel.img", text: "K"}), "does not belong"},
		{"above", tarOf(t, item{name: "../kernel.img", text: "K"}), "does not belong"},
		{"above through the folder", tarOf(t, item{name: "top/../kernel.img", text: "K"}), "does not belong"},
		{"absolute", tarOf(t, item{name: "/kernel.img", text: "K"}), "does not belong"},
		{"unknown", tarOf(t, kernel, item{name: "top/passwd", text: "x"}), "does not belong"},
		{"symbolic link", tarOf(t, item{name: "top/kernel.img", text: "/etc/shadow", kind: tar.TypeSymlink}), "not a plain file"},
		{"hard link", tarOf(t, kernel, item{name: "top/initrd.img", text: "/etc/shadow", kind: tar.TypeLink}), "not a plain file"},
		{"device", tarOf(t, item{name: "top/kernel.img", kind: tar.TypeBlock}), "not a plain file"},
		{"twice", tarOf(t, kernel, kernel), "twice"},
		{"large text", tarOf(t, kernel, item{name: "top/kernel.arg", text: strings.Repeat("a", maxText+1)}), "too large"},
		{"bad version", tarOf(t, kernel, item{name: "top/kernel.ver", text: "../.."}), "version"},
		{"other hash", tarOf(t, kernel, item{name: "top/SHA256SUMS", text: sum("kernel.img", "k")}), "kernel.img: hash differs"},
		{"unlisted", tarOf(t, kernel, item{name: "top/kernel.arg", text: "a"}, sums), "kernel.arg is not listed"},
		{"missing", tarOf(t, kernel, item{name: "top/SHA256SUMS", text: sum("kernel.img", "K") + sum("initrd.img", "")}), "initrd.img is missing"},
		{"manifest of text", tarOf(t, kernel, item{name: "top/SHA256SUMS", text: "no hash\n"}), "SHA256SUMS"},
	}
	for _, test := range tests {
		dir := t.TempDir()
		_, err := Unpack(bytes.NewReader(test.archive), dir)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: Unpack = %v, want %q", test.name, err, test.want)
		}
		if got, _ := os.ReadFile(filepath.Join(dir, "kernel.img")); err == nil && string(got) != "K" {
			t.Errorf("%s: kernel.img = %q, want K", test.name, got)
		}
	}
}

func TestUnpackOfPack(t *testing.T) {
	r := Request{Kernel: testKernel(t), Version: "2.0-rc1", Args: "a=b # no\nc", Output: filepath.Join(t.TempDir(), "o.tgz")}
	apply(t, r)
	f, err := os.Open(r.Output)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := Inspect(f)
	if err != nil || img.Version != "2.0-rc1" || img.Args != "a=b # no\nc\n" || !img.Checked || img.Sizes[kernelName] < 1<<20 {
		t.Errorf("Inspect = %+v, %v", img, err)
	}
}

func FuzzInspect(f *testing.F) {
	kernel := item{name: "top/kernel.img", text: "K"}
	f.Add(tarOf(f, kernel, item{name: "top/SHA256SUMS", text: sum("kernel.img", "K")}))
	f.Add(zipOf(tarOf(f, kernel)))
	f.Add([]byte{0x1f, 0x8b})
	f.Fuzz(func(t *testing.T, b []byte) {
		img, err := Inspect(bytes.NewReader(b))
		if err == nil && img.Sizes == nil {
			t.Error("no error and no sizes")
		}
	})
}
