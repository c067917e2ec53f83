package kexec_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const secondCmdline = `console=ttyS0 quiet loglevel=0 panic=-1 test.second marker="one two" "odd=a b" bare -- "for init" img=x`

// What the kernel itself makes of that line; TestParam has the same words.
const secondArguments = `arguments ["bare" "for init" "img=x"], marker "one two", odd "a b"`

// TestJump boots a kernel whose /init loads the same kernel again and jumps: what the second
// kernel's /init prints is the proof.
func TestJump(t *testing.T) {
	initrd := buildInitrd(t)
	for _, tt := range []struct {
		method string
		want   []string // lines of the first kernel's init, timings left out
	}{
		{"kexec_file_load", []string{
			"load /kernel", "loaded by kexec_file_load: <nil>", "kexec_loaded 1 <nil>",
			"load /text", "loaded by none: load kernel: kexec_file_load: not a kernel that this one can start (exec format error); " +
				"kexec_load: parsing bzImage Linux kernel: unexpected EOF", "kexec_loaded 0 <nil>",
			"jump: start the loaded kernel: invalid argument",
			"load /kernel", "loaded by kexec_file_load: <nil>", "kexec_loaded 1 <nil>",
		}},
		{"kexec_load", []string{
			"load /kernel", "loaded by kexec_load: <nil>", "kexec_loaded 1 <nil>",
		}},
	} {
		t.Run(tt.method, func(t *testing.T) {
			got := bootLines(t, initrd, "console=ttyS0 quiet loglevel=0 panic=-1 test.load="+tt.method)
			want := append(tt.want, "second kernel: "+secondCmdline, secondArguments, "end: <nil>")
			if !slices.Equal(got, want) {
				t.Errorf("serial line says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// bootLines is what init printed on the serial line until the machine powered off. A line of anyone
// else is kept as it is: nothing but init may speak.
func bootLines(t *testing.T, initrd, cmdline string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	qemu := exec.CommandContext(ctx, tool(t, "qemu-system-x86_64", "qemu-system-x86"),
		"-accel", "tcg", "-m", "512", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
		"-kernel", testKernel(t), "-initrd", initrd, "-append", cmdline)
	out, err := qemu.CombinedOutput()
	if err != nil {
		t.Fatalf("qemu: %v\n%s", err, out)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		said, _ := strings.CutPrefix(line, "init: ")
		if strings.HasPrefix(said, "took ") {
			t.Log(said)
			continue
		}
		lines = append(lines, said)
	}
	return lines
}

// buildInitrd makes the first kernel's archive: init, and what it loads.
func buildInitrd(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", filepath.Join(dir, "init"), "./testdata/jumpinit")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build jumpinit: %v\n%s", err, out)
	}
	if err := os.Symlink(testKernel(t), filepath.Join(dir, "kernel")); err != nil {
		t.Fatal(err)
	}
	pack(t, dir, filepath.Join(dir, "initrd"), "init")
	first := filepath.Join(t.TempDir(), "first.cpio")
	pack(t, dir, first, "init", "kernel", "initrd")
	return first
}

// pack writes the named files of dir, links followed, to an archive.
func pack(t *testing.T, dir, archive string, names ...string) {
	t.Helper()
	cpio := exec.Command(tool(t, "cpio", "cpio"), "--quiet", "-o", "-L", "-H", "newc", "-F", archive)
	cpio.Dir = dir
	cpio.Stdin = strings.NewReader(strings.Join(names, "\n") + "\n")
	if out, err := cpio.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v\n%s", err, out)
	}
}

// tool is the path of a program the tests cannot do without.
func tool(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	return path
}

// testKernel is the path of the Debian kernel that .ci/kernel fetches.
func testKernel(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("../.cache/kernel/boot/vmlinuz-*-cloud-amd64")
	if err != nil || len(found) == 0 {
		t.Fatal("the test kernel is missing: run .ci/kernel")
	}
	path, err := filepath.Abs(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return path
}
