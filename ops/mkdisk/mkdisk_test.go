package mkdisk

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/ops"
	"holdfast/ops/pack"
)

func testKernel(t *testing.T) string {
	t.Helper()
	names, _ := filepath.Glob("../../.cache/kernel/boot/vmlinuz-*")
	if len(names) == 0 {
		t.Fatal("the test kernel is missing: make test fetches it into .cache/kernel")
	}
	name, err := filepath.Abs(names[0])
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// need fails the test when a tool is not there.
func need(t *testing.T, name, pkg string) {
	t.Helper()
	if _, err := lookPath(name); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
}

func tell(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := run(t.Context(), "", name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// marker makes an initramfs whose /init prints name and its command line, and restarts.
func marker(t *testing.T, name string) string {
	t.Helper()
	need(t, "busybox", "busybox-static")
	need(t, "cpio", "cpio")
	root := t.TempDir()
	busybox, _ := exec.LookPath("busybox")
	program, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/busybox sh\n/bin/busybox mkdir -p /proc\n/bin/busybox mount -t proc proc /proc\n" +
		"/bin/busybox echo \"MARKER " + name + " $(/bin/busybox cat /proc/cmdline) END\"\n/bin/busybox reboot -f\n"
	for path, content := range map[string][]byte{"bin/busybox": program, "init": []byte(script)} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, path), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// The kernel opens /dev/console of the archive that it has built in.
	archive := filepath.Join(t.TempDir(), name+".cpio")
	cmd := exec.Command("sh", "-c", "cd "+root+" && find . | cpio --quiet -o -H newc >"+archive)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v\n%s", err, out)
	}
	return archive
}

// archive packs an image whose /init prints name.
func archive(t *testing.T, name, version, args string) string {
	t.Helper()
	r := pack.Request{Kernel: testKernel(t), Initrd: marker(t, name), Version: version, Args: args, Output: filepath.Join(t.TempDir(), name+".tgz")}
	p, err := r.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Apply(t.Context(), ops.Discard); err != nil {
		t.Fatal(err)
	}
	return r.Output
}

func create(t *testing.T, r Request) *Plan {
	t.Helper()
	p, err := r.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Apply(t.Context(), ops.Discard); err != nil {
		t.Fatal(err)
	}
	return p
}

func request(t *testing.T, loader Loader) Request {
	return Request{
		Output: filepath.Join(t.TempDir(), "disk.img"), Loader: loader, Kernel: testKernel(t), Console: marker(t, "console"),
		Images: map[string]string{
			"active": archive(t, "active", "1.3.124", "acpi=off console=ttyS9 quiet"),
			"backup": archive(t, "backup", "1.3.123", "quiet"),
		},
		SystemArgs: "net.ifnames=0\n",
	}
}

func TestProto(t *testing.T) {
	for _, l := range []Loader{GRUBLegacy, GRUB2} {
		r := request(t, l)
		p := create(t, r)
		t.Log(p)
		for _, part := range []region{p.layout.boot, p.layout.flash} {
			t.Log(tell(t, "e2fsck", "-fn", fmt.Sprintf("%s?offset=%d", r.Output, part.start)))
		}
		os.Rename(r.Output, "/tmp/dd/"+string(l)+".img")
	}
	_ = strings.Join
}
