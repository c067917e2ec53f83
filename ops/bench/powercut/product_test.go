package powercut

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// product is what is made once for all tests: the program, the test kernel and the console.
type product struct {
	binary, kernel, modules, console string
}

const (
	busybox = "/bin/busybox"
	// drivers are what an image needs to see the disks of the machine.
	drivers = "virtio_blk"
)

// made makes the product below the directory of the test binary's run, which TestMain removes.
var made = sync.OnceValues(func() (product, error) {
	cache, err := filepath.Abs("../../../.cache/kernel")
	if err != nil {
		return product{}, err
	}
	kernels, _ := filepath.Glob(cache + "/boot/vmlinuz-*")
	if len(kernels) != 1 {
		return product{}, fmt.Errorf("no test kernel in .cache/kernel: make kernel")
	}
	p := product{binary: scratch + "/holdfast", kernel: kernels[0], modules: cache, console: scratch + "/console"}
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", p.binary, "holdfast/cmd/holdfast")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return p, fmt.Errorf("go build: %v\n%s", err, out)
	}
	_, err = p.run("initramfs", "create", "-o", p.console, "--kernel-modules", p.modules, "--module", drivers, "--busybox", busybox)
	return p, err
})

// scratch lives as long as the test binary.
var scratch string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "powercut")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func (p product) run(args ...string) (string, error) {
	out, err := exec.Command(p.binary, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("holdfast %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// tool runs a program of another hand.
func tool(t testing.TB, pkg, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// appliance is the life of every image: it says who it is, and does what the second disk says.
const appliance = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /job /flash
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
exec >/dev/ttyS0 2>&1
echo "
IMAGE $(/bin/busybox cat /etc/version) $(/bin/busybox cat /proc/cmdline) :"
for module in $(/bin/busybox cat /etc/holdfast/modules); do /bin/busybox insmod $module; done
/bin/busybox mount -o ro -t ext2 /dev/vdb /job
. /job/run
exec /bin/busybox sleep 1000000
`

// image packs a version of the appliance. The program is not in it but on the second disk: what the emulated
// machine loads, hashes and installs in every cycle is small then. /init has to be a program, so a word says what is run.
func (p product) image(t testing.TB, version string) archive {
	t.Helper()
	dir := t.TempDir()
	script, initrd := filepath.Join(dir, "appliance"), filepath.Join(dir, "initrd")
	a := archive{version: version, path: filepath.Join(dir, version+".tgz")}
	write(t, script, appliance)
	write(t, filepath.Join(dir, "version"), version)
	for _, args := range [][]string{
		{"initramfs", "create", "-o", initrd, "--init", busybox, "--busybox", busybox, "--kernel-modules", p.modules, "--module", drivers,
			"--add", script + ":/bin/appliance", "--add", filepath.Join(dir, "version") + ":/etc/version"},
		{"image", "pack", "--kernel", p.kernel, "--initrd", initrd, "--version", version, "--args", "quiet rdinit=/bin/appliance", "-o", a.path},
	} {
		if _, err := p.run(args...); err != nil {
			t.Fatal(err)
		}
	}
	content := filepath.Join(dir, "content")
	must(t, os.Mkdir(content, 0o755))
	tool(t, "tar", "tar", "-C", content, "--strip-components=1", "-xf", a.path)
	a.content = readSlot(t, content)
	return a
}

// archive is an image of a version, and what its slot holds once it is installed.
type archive struct {
	version, path string
	content       slot
}

// slot is what a directory holds: the hash of every file by its name.
type slot map[string][sha256.Size]byte

func readSlot(t testing.TB, dir string) slot {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	s := slot{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, err)
		s[e.Name()] = sha256.Sum256(data)
	}
	return s
}

func write(t testing.TB, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o755))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
