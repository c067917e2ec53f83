package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/flash/signature"
	"holdfast/kexec/kexectest"
	"holdfast/ops"
)

// tool runs a program that the tests cannot do without, in dir, and gives what it prints.
func tool(t testing.TB, pkg, dir, name string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	cmd := exec.Command(name, args...)
	var errs bytes.Buffer
	cmd.Dir, cmd.Stderr = dir, &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, errs.Bytes())
	}
	return out
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// kernel is a valid kernel of a size that is no multiple of anything.
var kernel = string(kexectest.Kernel("6.1.0-test"))

// initrd is longer than all the buffers. Its beginning compresses, the rest does not: to compress it
// well takes the real programs long.
func initrd() string {
	var b bytes.Buffer
	seed := sha256.Sum256([]byte("initrd"))
	for b.Len() < 100<<10 {
		fmt.Fprintln(&b, "a line of text, number", b.Len())
	}
	for b.Len() < 1300<<10 {
		seed = sha256.Sum256(seed[:])
		b.Write(seed[:])
	}
	return b.String()
}

// content is a whole image, without a manifest.
func content() map[string]string {
	return map[string]string{"kernel.img": kernel, "initrd.img": initrd(), "kernel.arg": "acpi=off\n", "kernel.ver": "1.3.125\n"}
}

// folder writes files to a new folder named 1.3.125, adds SHA256SUMS by the real program, and gives the
// folder around it.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	in := filepath.Join(dir, "1.3.125")
	must(t, os.Mkdir(in, 0o755))
	var names []string
	for name, text := range files {
		names = append(names, name)
		must(t, os.WriteFile(filepath.Join(in, name), []byte(text), 0o644))
	}
	must(t, os.WriteFile(filepath.Join(in, "SHA256SUMS"), tool(t, "coreutils", in, "sha256sum", names...), 0o644))
	return dir
}

// kept is a Put that keeps everything.
type kept map[string]*bytes.Buffer

func (k kept) put(name string, size int64) (io.WriteCloser, error) {
	k[name] = &bytes.Buffer{}
	return nowhere{k[name]}, nil
}

// copied runs Copy on bytes.
func copied(archive []byte, trust signature.Trust, limit int64) (Image, kept, error) {
	k := kept{}
	img, err := Copy(context.Background(), Reader("archive", bytes.NewReader(archive)), trust, limit, k.put, ops.Discard)
	return img, k, err
}

// item is a member of a tar that the test writes itself.
type item struct {
	name, text string
	kind       byte
	link       string
	pax        map[string]string
}

// tarOf is a tar of items, by the standard library.
func tarOf(t testing.TB, items ...item) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, i := range items {
		h := tar.Header{Typeflag: i.kind, Name: i.name, Linkname: i.link, Mode: 0o644, Size: int64(len(i.text)), PAXRecords: i.pax}
		if i.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		must(t, w.WriteHeader(&h))
		_, err := io.WriteString(w, i.text)
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

func zipOf(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// sumsOf is SHA256SUMS of a text.
func sumsOf(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256([]byte(pairs[i+1])), pairs[i])
	}
	return b.String()
}

func md5Of(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "%x  %s\n", md5.Sum([]byte(pairs[i+1])), pairs[i])
	}
	return b.String()
}
