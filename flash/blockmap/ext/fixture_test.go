package ext

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var packages = map[string]string{
	"mke2fs": "e2fsprogs", "debugfs": "e2fsprogs", "e2fsck": "e2fsprogs", "cpio": "cpio",
	"qemu-system-x86_64": "qemu-system-x86", "grub": "grub-legacy", "grub-fstest": "grub-common",
}

// command is a program that the tests cannot do without.
func command(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, packages[name])
	}
	return exec.CommandContext(t.Context(), path, args...)
}

// tool gives a program's output, what it says of errors as well.
func tool(t testing.TB, in, name string, args ...string) string {
	t.Helper()
	cmd := command(t, name, args...)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// debugfs gives what each of some commands prints, in one process.
func debugfs(t testing.TB, image string, commands []string) []string {
	t.Helper()
	const mark = "debugfs: "
	cmd := command(t, "debugfs", "-f", "-", image)
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("debugfs: %v\n%s", err, &errs)
	}
	answers := make([]string, len(commands))
	text := out.String()
	for i, c := range commands { // it repeats each command
		var found bool
		if _, text, found = strings.Cut(text, mark+c+"\n"); !found {
			t.Fatalf("debugfs did not come to %q:\n%s", c, &errs)
		}
		answers[i] = text
		if i+1 < len(commands) {
			answers[i], _, _ = strings.Cut(text, mark+commands[i+1]+"\n")
		}
	}
	return answers
}

// makeImage makes a file system with what is in a directory, nothing for "".
func makeImage(t testing.TB, dir, size string, args ...string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	args = append([]string{"-q", "-F"}, args...)
	if dir != "" {
		args = append(args, "-d", dir)
	}
	tool(t, "", "mke2fs", append(args, image, size)...)
	return image
}

// openImage opens a file system that lies in a file.
func openImage(t testing.TB, image string) (*FS, *os.File) {
	t.Helper()
	file, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	stat, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(file, stat.Size())
	if err != nil {
		t.Fatal(err)
	}
	return f, file
}

// writeTree puts files into a directory. A value that begins with "-> " is a link's target.
func writeTree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			if target, ok := strings.CutPrefix(data, "-> "); ok {
				err = os.Symlink(target, path)
			} else {
				err = os.WriteFile(path, []byte(data), 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// populate boots the test kernel with disks, and writes the files of testdata/tree to each. The last
// one is not unmounted.
func populate(t *testing.T, images []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	qemu := command(t, "qemu-system-x86_64")
	args := []string{
		"-accel", "tcg", "-m", "256", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
		"-kernel", kernelFile(t, "boot/vmlinuz-*"), "-initrd", archive(t), "-append", "console=ttyS0 quiet loglevel=0 panic=-1",
	}
	for _, image := range images {
		args = append(args, "-drive", "file="+image+",if=virtio,format=raw,cache=unsafe")
	}
	qemu = exec.CommandContext(ctx, qemu.Path, args...)
	out, err := qemu.CombinedOutput()
	if err != nil {
		t.Fatalf("qemu: %v\n%s", err, out)
	}
	if text := strings.ReplaceAll(string(out), "\r", ""); !strings.HasSuffix(text, "init: end: <nil>\n") ||
		!strings.Contains(text, fmt.Sprintf("init: disks %d\n", len(images))) {
		t.Fatalf("the virtual machine says\n%s", text)
	}
}

// archive is the initramfs of that machine.
func archive(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", filepath.Join(dir, "init"), "./testdata/populate")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build populate: %v\n%s", err, out)
	}
	names := []string{"init", "modules", "modules/order"}
	if err := os.Mkdir(filepath.Join(dir, "modules"), 0o755); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, path := range modules(t, "virtio_pci.ko", "virtio_blk.ko") {
		name := filepath.Base(path)
		if slices.Contains(order, name) {
			continue
		}
		order = append(order, name)
		names = append(names, "modules/"+name)
		if err := os.Symlink(path, filepath.Join(dir, "modules", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "modules/order"), []byte(strings.Join(order, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "initrd")
	cpio := command(t, "cpio", "--quiet", "-o", "-L", "-H", "newc", "-F", file)
	cpio.Dir = dir
	cpio.Stdin = strings.NewReader(strings.Join(names, "\n") + "\n")
	if out, err := cpio.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v\n%s", err, out)
	}
	return file
}

// modules is the files of kernel modules, each behind those that it needs.
func modules(t *testing.T, wanted ...string) []string {
	t.Helper()
	dep := kernelFile(t, "lib/modules/*/modules.dep")
	text, err := os.ReadFile(dep)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, name := range wanted {
		for line := range strings.Lines(string(text)) {
			module, needs, _ := strings.Cut(line, ":")
			if filepath.Base(module) != name {
				continue
			}
			all := append([]string{module}, strings.Fields(needs)...)
			for _, file := range slices.Backward(all) {
				files = append(files, filepath.Join(filepath.Dir(dep), file))
			}
		}
	}
	return files
}

// kernelFile is the path of a file of the Debian kernel that .ci/kernel fetches.
func kernelFile(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob("../../../.cache/kernel/" + pattern)
	if err != nil || len(found) != 1 {
		t.Fatal("the test kernel is missing: run .ci/kernel")
	}
	path, err := filepath.Abs(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return path
}
