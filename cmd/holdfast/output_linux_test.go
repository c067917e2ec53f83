package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"holdfast/ops"
)

// smallDisk is a mounted file system of one MiB.
func smallDisk(t *testing.T, flags uintptr) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", flags, "size=1m"); err != nil {
		t.Fatalf("mount a small disk: %v: this test needs root", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
	return dir
}

// TestUnwritableOutput: where a file cannot be written, the exit code says why, for every command
// that writes one, and nothing is left there.
func TestUnwritableOutput(t *testing.T) {
	active := packImage(t, "active", "1", "")
	commands := map[string]string{
		"image pack":       "--kernel " + made.kernel + " --version 1",
		"initramfs create": "--init " + made.binary,
		"disk create":      "--kernel " + made.kernel + " --console " + made.console + " --image active=" + active,
	}
	places := []struct {
		name, dir string
		kind      ops.Kind
	}{
		{"full", smallDisk(t, 0), ops.NoSpace},
		{"read-only", smallDisk(t, unix.MS_RDONLY), ops.NotWritable},
		{"absent", filepath.Join(t.TempDir(), "absent"), ops.NotWritable},
		{"not a folder", filepath.Join(made.binary, "below"), ops.NotWritable},
	}
	for command, flags := range commands {
		for _, p := range places {
			args := strings.Fields(command + " " + flags + " -o " + p.dir + "/out")
			code, _, errs := cli(args...)
			if code != int(p.kind) || !strings.HasPrefix(errs, "holdfast: "+command+": ") {
				t.Errorf("%s where it is %s: exit %d, want %d:\n%s", command, p.name, code, p.kind, errs)
			}
			if left, _ := os.ReadDir(p.dir); len(left) != 0 {
				t.Errorf("%s where it is %s left %v", command, p.name, left)
			}
		}
	}
}
