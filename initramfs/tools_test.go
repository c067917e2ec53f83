package initramfs

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"holdfast/initramfs/compress"
)

var methods = []compress.Method{compress.None, compress.Gzip, compress.Zstd, compress.XZ, compress.LZ4}

// packages says which Debian package has a tool.
var packages = map[string]string{
	"cpio": "cpio", "lsinitramfs": "initramfs-tools-core", "busybox": "busybox-static",
	"qemu-system-x86_64": "qemu-system-x86", "xz": "xz-utils", "gzip": "gzip", "zstd": "zstd", "go": "golang",
}

// tool runs a program on in and gives its output; it must succeed.
func tool(t testing.TB, dir string, in io.Reader, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", args[0], packages[args[0]])
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Stdin = dir, in
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC", "CGO_ENABLED=0")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v: %s", args, err, complaint.String())
	}
	return out.String()
}

// kernelRoot is the test kernel: a directory with boot/ and lib/modules/VERSION.
func kernelRoot(t testing.TB) string {
	t.Helper()
	root, err := filepath.Abs("../.cache/kernel")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "lib/modules")); err != nil {
		t.Fatal("the test kernel is missing: make test fetches it into .cache/kernel")
	}
	return root
}

func busybox(t testing.TB) string {
	t.Helper()
	name, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal("busybox is missing: apt-get install busybox-static")
	}
	return name
}

// files makes files with their contents below root.
func files(t testing.TB, root string, contents map[string]string) string {
	t.Helper()
	for name, text := range contents {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func plan(t testing.TB, r Request) *Plan {
	t.Helper()
	p, err := r.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func build(t testing.TB, r Request) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := plan(t, r).Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withoutLZ4End cuts off what only the kernel takes for an end: a block of length zero, and zeros.
func withoutLZ4End(raw []byte) []byte {
	at := uint32(4)
	for {
		n := binary.LittleEndian.Uint32(raw[at:])
		if n == 0 {
			return raw[:at]
		}
		at += 4 + n
	}
}
