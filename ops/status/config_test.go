package status

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"holdfast/flash"
	"holdfast/initramfs/compress"
	"holdfast/ops"
)

// etc is a directory with five members below it, and six with itself.
func etc(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "etc")
	for name, text := range map[string]string{"passwd": "root:x:0:0\n", "net/hosts": "127.0.0.1\n", "net/long": strings.Repeat("x", 5000)} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("net/hosts", filepath.Join(dir, "hosts")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// shell runs a line of a shell in dir and gives what it writes.
func shell(t testing.TB, dir, pkg, line string) []byte {
	t.Helper()
	if name, _, _ := strings.Cut(pkg, " "); name != "" {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%s is missing: apt-get install %s", name, pkg)
		}
	}
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return out
}

func packed(t testing.TB, m compress.Method, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := compress.NewWriter(&b, m)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func verifyConfig(t testing.TB, data []byte) Config {
	t.Helper()
	m := fstest.MapFS{"cfg/config.cur": {Data: data}}
	c := Config{Config: flash.Config{Name: "cur", Present: true, Size: int64(len(data))}}
	c, err := c.Verify(context.Background(), m, ops.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConfig(t *testing.T) {
	dir := etc(t)
	tarred := shell(t, dir, "tar", "tar cf - .")
	cpio := shell(t, dir, "cpio", "find . | cpio -o -H newc --quiet")
	targz := shell(t, dir, "gzip", "tar czf - .")
	cut := func(b []byte, n int) []byte { return b[:len(b)-n] }
	flipped := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 0x40
		return b
	}
	tests := []struct {
		name  string
		data  []byte
		files int
		says  string // of a damaged one
	}{
		{"tar", tarred, 6, ""},
		{"tar.gz", targz, 6, ""},
		{"tar.gz of pax", shell(t, dir, "tar", "tar czf - --format=pax ."), 6, ""},
		{"tar.xz", shell(t, dir, "xz", "tar cf - . | xz --check=crc32"), 6, ""},
		{"tar.zst", packed(t, compress.Zstd, tarred), 6, ""},
		{"cpio", cpio, 6, ""},
		{"cpio.gz", packed(t, compress.Gzip, cpio), 6, ""},
		{"cpio.xz", packed(t, compress.XZ, cpio), 6, ""},
		{"padded as by XMODEM", append(bytes.Clone(targz), bytes.Repeat([]byte{0x1a}, 100)...), 6, ""},
		{"tar.gz, one file", shell(t, dir, "tar", "tar czf - passwd"), 1, ""},

		{"nothing", nil, 0, "empty"},
		{"text", []byte("demonstration"), 0, "neither a tar nor a cpio archive"},
		{"gzip of text", packed(t, compress.Gzip, []byte("demonstration")), 0, "neither a tar nor a cpio archive"},
		{"gzip of nothing", packed(t, compress.Gzip, nil), 0, "empty"},
		{"gzip cut off", cut(targz, 20), 0, "cut off"},
		{"gzip's checksum cut off", cut(targz, 4), 0, "cut off"},
		{"gzip's checksum", flipped(targz, len(targz)-8), 0, "invalid checksum"},
		{"tar cut off within a file", tarred[:3*512+10], 0, "cut off"},
		{"tar cut off between two files", tarred[:512], 0, "cut off"},
		{"tar's header", flipped(tarred, 513), 0, "invalid tar header"},
		{"cpio cut off", cut(cpio, len(cpio)/2), 0, "ends"},
		{"cpio without a trailer", cpio[:bytes.Index(cpio, []byte("TRAILER!!!"))-110], 0, "trailer"},
	}
	for _, tt := range tests {
		c := verifyConfig(t, tt.data)
		want := flash.Intact
		if tt.says != "" {
			want = flash.Damaged
		}
		if c.Integrity != want || c.Files != tt.files || !strings.Contains(c.Problem, tt.says) || (c.Problem == "") != (tt.says == "") {
			t.Errorf("%s: %v, %d files, problem %q; want %v, %d, %q", tt.name, c.Integrity, c.Files, c.Problem, want, tt.files, tt.says)
		}
	}
}

// TestConfigBounded has an archive of a few KiB that unpacks to more than anybody's /etc.
func TestConfigBounded(t *testing.T) {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "zeros", Mode: 0o644, Size: maxConfig}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(w, zeros{}, maxConfig); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	if c := verifyConfig(t, b.Bytes()); c.Problem != "cfg/config.cur: holds more than 256 MiB" {
		t.Errorf("an archive of %d bytes: %v, problem %q", b.Len(), c.Integrity, c.Problem)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestConfigCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := Config{Config: flash.Config{Name: "cur", Present: true}}
	m := fstest.MapFS{"cfg/config.cur": {Data: []byte("x")}}
	if c, err := c.Verify(ctx, m, ops.Discard); !errors.Is(err, context.Canceled) || c.Integrity != flash.Unknown {
		t.Errorf("Verify = %v, %v; want %v", c.Integrity, err, context.Canceled)
	}
}

func FuzzConfig(f *testing.F) {
	dir := etc(f)
	tarred := shell(f, dir, "tar", "tar cf - .")
	f.Add(tarred)
	f.Add(packed(f, compress.Gzip, tarred))
	f.Add(packed(f, compress.LZ4, tarred))
	f.Add(shell(f, dir, "cpio", "find . | cpio -o -H newc --quiet"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := verifyConfig(t, data)
		if (c.Integrity == flash.Damaged) != (c.Problem != "") || c.Integrity == flash.Unknown {
			t.Errorf("%v, problem %q", c.Integrity, c.Problem)
		}
	})
}
