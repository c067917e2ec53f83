package initramfs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/initramfs/compress"
)

// TestBoot lets a real kernel unpack what we write, in every compression, with further archives behind
// it. What the kernel made of it is said by the booted /init (testdata/init).
func TestBoot(t *testing.T) {
	vmlinuz, err := filepath.Glob(filepath.Join(kernelRoot(t), "boot/vmlinuz-*"))
	if err != nil || len(vmlinuz) == 0 {
		t.Fatal("the test kernel is missing: make test fetches it into .cache/kernel")
	}
	base := bootRequest(t)
	modules := 0
	for _, e := range plan(t, base).Entries {
		if strings.HasSuffix(e.Path, ".ko") {
			modules++
		}
	}
	for _, m := range methods {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			initrd := filepath.Join(t.TempDir(), "initrd")
			if err := os.WriteFile(initrd, layered(t, base, m), 0o644); err != nil {
				t.Fatal(err)
			}
			out := boot(t, vmlinuz[0], initrd)
			for _, want := range []string{
				"node console 20600 5:1 <nil>", "node null 20666 1:3 <nil>", "node tty0 20600 4:0 <nil>", "node ttyS0 20600 4:64 <nil>",
				"node tty 20666 5:0 <nil>", "node tty1 20600 4:1 <nil>", "node ttyS1 20600 4:65 <nil>", "node kmsg 20644 1:11 <nil>",
				"tmp dtrwxrwxrwx <nil>",
				"layer over from the last archive <nil>", "layer 0 here <nil>", "layer 1 here <nil>", "layer 2 here <nil>", "layer 3 here <nil>",
				"run /bin/ls: modules, <nil>", "run /bin/sh: from busybox, <nil>", "run /opt/tools/links: script second name, <nil>",
				"vfat known: true <nil>", "end",
			} {
				if !strings.Contains(out, "PROOF "+want+"\n") {
					t.Errorf("the kernel's /init does not say %q", want)
				}
			}
			if n := strings.Count(out, ".ko <nil>\n"); n != modules {
				t.Errorf("%d modules loaded, want %d", n, modules)
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}

// bootRequest asks for a stage with our own small /init, a dynamic program, a hard-linked script.
func bootRequest(t *testing.T) Request {
	t.Helper()
	dir := files(t, t.TempDir(), map[string]string{"over": "a longer text from the first archive"})
	init := filepath.Join(dir, "init")
	tool(t, ".", nil, "go", "build", "-ldflags=-s -w", "-o", init, "./testdata/init")
	script := filepath.Join(dir, "tools/a")
	files(t, dir, map[string]string{"tools/a": "#!/bin/sh\necho script \"$1\"\n"})
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(script, filepath.Join(dir, "tools/links")); err != nil {
		t.Fatal(err)
	}
	return Request{
		Init: init, Busybox: busybox(t), KernelModules: kernelRoot(t), Modules: []string{"virtio_blk", "ata_piix", "vfat"},
		Adds: []Add{{filepath.Join(dir, "over"), "/layers/over"}, {filepath.Join(dir, "tools"), "/opt/tools"}, {"/bin/ls", "/bin/ls"}},
	}
}

// layered is the stage and five archives behind it: four of the same compression, so that streams of
// all lengths modulo four meet the next one, then a plain one that overwrites a file of the stage.
func layered(t *testing.T, base Request, m compress.Method) []byte {
	t.Helper()
	base.Compress = m
	raw := build(t, base)
	dir := t.TempDir()
	for i := range 4 {
		files(t, dir, map[string]string{fmt.Sprint(i): "here", fmt.Sprint("random", i): randomText(i * 17)})
		raw = append(raw, build(t, Request{Compress: m, Adds: []Add{
			{filepath.Join(dir, fmt.Sprint(i)), fmt.Sprint("/layers/", i)},
			{filepath.Join(dir, fmt.Sprint("random", i)), fmt.Sprint("/etc/random", i)},
		}})...)
	}
	files(t, dir, map[string]string{"over": "from the last archive"})
	return append(raw, build(t, Request{Adds: []Add{{filepath.Join(dir, "over"), "/layers/over"}}})...)
}

// randomText does not compress, and is the same every time.
func randomText(n int) string {
	var b strings.Builder
	for x := uint32(1); b.Len() < n; {
		x = x*1664525 + 1013904223
		b.WriteByte(byte(x >> 24))
	}
	return b.String()
}

// boot runs the kernel until it powers the machine off, and gives what it said on the serial line.
func boot(t *testing.T, kernel, initrd string) string {
	t.Helper()
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Fatal("qemu-system-x86_64 is missing: apt-get install qemu-system-x86")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-accel", "tcg", "-m", "256", "-nodefaults", "-display", "none",
		"-serial", "stdio", "-no-reboot", "-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 panic=-1 quiet")
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("qemu: %v\n%s", err, out.String())
	}
	return strings.ReplaceAll(out.String(), "\r\n", "\n")
}
