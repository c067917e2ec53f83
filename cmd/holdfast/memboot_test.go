package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/kexec/kexectest"
	"holdfast/ops"
	"holdfast/ops/bench/vm"
)

// fromMemory is the /init of a machine without any disk, which boots an archive.
const fromMemory = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/holdfast boot /image.tgz --append from=memory --yes --allow-kexec > /dev/ttyS0 2>&1
echo "BOOT FAILED" > /dev/ttyS0
exec /bin/busybox sleep 1000000
`

// TestBootArchive boots an image from its archive, with no disk at all.
func TestBootArchive(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, d := range []string{"bin", "proc", "sys", "dev"} {
		must(t, os.Mkdir(filepath.Join(root, d), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(root, "init"), []byte(fromMemory), 0o755))
	tool(t, "busybox-static", "", "cp", busybox, filepath.Join(root, "bin", "busybox"))
	tool(t, "coreutils", "", "cp", made.binary, filepath.Join(root, "bin", "holdfast"))
	tool(t, "coreutils", "", "cp", packImage(t, "memory", "1.3.200", "marker=memory"), filepath.Join(root, "image.tgz"))
	initrd := filepath.Join(t.TempDir(), "initrd")
	tool(t, "cpio", root, "sh", "-c", "find . | cpio -o -H newc --quiet > "+initrd)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	m, err := vm.Start(ctx, vm.Config{Kernel: made.kernel, Initrd: initrd, Append: "console=ttyS0 quiet", Serials: 1, Memory: 512})
	must(t, err)
	defer m.Close()
	line := imageRuns(t, ctx, m)
	hasWords(t, line, "marker=memory", "img=archive", "panic=1", "from=memory", "console=ttyS0")
	if slices.ContainsFunc(line, func(w string) bool { return strings.HasPrefix(w, "flash=") }) {
		t.Errorf("there is no flash, the line says %q", line)
	}
	must(t, m.Serial(0).Wait(ctx, "THIS IS IMAGE memory"))
}

// badArchive is a tar of an image with one more member.
func badArchive(t *testing.T, h tar.Header) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "bad.tar")
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	w := tar.NewWriter(f)
	kernel := kexectest.Kernel("6.1.0-test")
	must(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "kernel.img", Size: int64(len(kernel))}))
	_, err = w.Write(kernel)
	must(t, err)
	must(t, w.WriteHeader(&h))
	must(t, w.Close())
	return name
}

// TestArchiveCommands: what reads an archive says what is wrong with it, and exits alike.
func TestArchiveCommands(t *testing.T) {
	dir := t.TempDir()
	kernel, good := filepath.Join(dir, "kernel"), filepath.Join(dir, "good.tar.zst")
	must(t, os.WriteFile(kernel, kexectest.Kernel("6.1.0-test"), 0o644))
	holdfast(t, "image", "pack", "--kernel", kernel, "--version", "1.3.200", "--args", "quiet", "-o", good)
	link := badArchive(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "initrd.img", Linkname: "/etc/shadow"})
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	flash := demoFlash(t)
	before := treeOf(t, flash)
	strict, newer := filepath.Join(dir, "strict"), filepath.Join(dir, "newer")
	must(t, os.MkdirAll(strict, 0o755))
	must(t, os.MkdirAll(newer, 0o755))
	must(t, os.WriteFile(filepath.Join(strict, "require-signature"), nil, 0o644))
	must(t, os.WriteFile(filepath.Join(newer, "min-version"), []byte("2.0\n"), 0o644))
	tests := []struct {
		args string
		code ops.Kind // 0 for success
		says string
	}{
		{"image inspect " + good, 0, "version  1.3.200"},
		{"image inspect " + server.URL + "/good.tar.zst", 0, "hashes   intact"},
		{"image inspect " + good + " --trust " + strict, 0, "against  this machine takes signed images only"},
		{"image inspect " + link, ops.Invalid, "holdfast: image inspect: initrd.img: is a symbolic link"},
		{"image inspect " + server.URL + "/absent", ops.Invalid, "404 Not Found"},
		{"image inspect " + dir, ops.Invalid, "is a folder"},
		{"image inspect " + dir + "/absent", ops.Invalid, "no such file"},
		{"boot " + good + " --print --flash " + flash, 0, "memory, nothing is saved"},
		{"boot " + server.URL + "/good.tar.zst --print --flash " + flash, 0, "img=archive"},
		{"boot " + link + " --print --flash " + flash, ops.Invalid, "initrd.img: is a symbolic link"},
		{"boot " + kernel + " --print --flash " + flash, ops.Invalid, "not an image archive"},
		{"boot " + good + " --print --trust " + strict + " --flash " + flash, ops.Invalid, "signed images only"},
		{"boot " + good + " --print --trust " + newer + " --flash " + flash, ops.Refused, "older than 2.0"},
		{"boot " + good + " --print --override --trust " + newer + " --flash " + flash, 0, "1.3.200"},
		{"boot " + good + " --print --flash " + dir, ops.NoFlash, "no flash here"},
		{"boot " + good + " --yes --flash " + flash, ops.Refused, "--allow-kexec"},
	}
	for _, tt := range tests {
		code, out, errs := cli(strings.Fields(tt.args)...)
		if code != int(tt.code) || !strings.Contains(out+errs, tt.says) {
			t.Errorf("holdfast %s: exit %d, want %d saying %q:\n%s%s", tt.args, code, tt.code, tt.says, out, errs)
		}
	}
	if after := treeOf(t, flash); !slices.Equal(after, before) {
		t.Error("the flash is not as before")
	}
	_, out, _ := cli("image", "inspect", good, "--json")
	var d inspected
	if err := json.Unmarshal([]byte(out), &d); err != nil || d.Format != "tar.zst" || *d.Version != "1.3.200" || d.Signer != nil || d.Members["kernel.img"] == 0 || len(d.ID) != 64 {
		t.Errorf("%v: %s", err, out)
	}
}

// TestBootArchiveFromStandardInput reads it once for the look and the copy.
func TestBootArchiveFromStandardInput(t *testing.T) {
	kernel, archive := filepath.Join(t.TempDir(), "kernel"), filepath.Join(t.TempDir(), "a.tgz")
	must(t, os.WriteFile(kernel, kexectest.Kernel("6.1.0-test"), 0o644))
	holdfast(t, "image", "pack", "--kernel", kernel, "--version", "1.3.200", "-o", archive)
	f, err := os.Open(archive)
	must(t, err)
	defer f.Close()
	var out, errs strings.Builder
	code := run(t.Context(), []string{"boot", "-", "--print", "--flash", demoFlash(t)}, io.Reader(f), &out, &errs)
	if code != 0 || !strings.Contains(out.String(), "read from standard input") {
		t.Error(fmt.Sprint("exit ", code, out.String(), errs.String()))
	}
}

// TestArchiveMemory reads an archive that is compressed as strongly as is taken, and looks at how much
// memory that took.
func TestArchiveMemory(t *testing.T) {
	dir := t.TempDir()
	tool(t, "coreutils", "", "cp", made.kernel, filepath.Join(dir, "kernel.img"))
	random := rand.NewChaCha8([32]byte{})
	b := make([]byte, 40<<20)
	random.Read(b)
	must(t, os.WriteFile(filepath.Join(dir, "initrd.img"), b, 0o644))
	tool(t, "zstd", dir, "bash", "-e", "-o", "pipefail", "-c", "tar cf - kernel.img initrd.img | zstd -q -1 --zstd=wlog=23 -o a.tar.zst")
	archive := readFile(t, filepath.Join(dir, "a.tar.zst"))
	cmd := exec.Command(made.binary, "image", "inspect", "-")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	// What wait4 tells counts the memory of who started it. So it is asked before its last bytes come, of
	// which no pipe holds as many.
	last := len(archive) - 1<<20
	_, err = in.Write(archive[:last])
	must(t, err)
	status := string(readFile(t, fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)))
	_, err = in.Write(archive[last:])
	must(t, err)
	must(t, in.Close())
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "41943040") {
		t.Fatalf("%v: %s", err, out.String())
	}
	var peak int // KiB
	_, after, _ := strings.Cut(status, "VmHWM:")
	if _, err := fmt.Sscan(after, &peak); err != nil || peak > 32000 {
		t.Errorf("it took %d KiB of memory, 32 MB are allowed; %v", peak, err)
	}
	t.Logf("%d KiB", peak)
}
