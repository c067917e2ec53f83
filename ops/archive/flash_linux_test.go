package archive_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/flash/volume"
	"holdfast/ops"
	"holdfast/ops/archive"
	"holdfast/ops/install"
	"holdfast/ops/status"
)

// TestAttacksOnFlash installs every attack to a flash: each is refused with exit code 2, and the hash of
// every file is what it was. Each comes twice: as it is, when mostly the plan refuses it; and behind a plan
// that was shown a good archive, when it is the writing that has to.
func TestAttacksOnFlash(t *testing.T) {
	dir := smallFlash(t)
	before := hashes(t, dir)
	for _, tt := range archive.Attacks(t) {
		for when, first := range map[string][]byte{"at the plan": tt.Archive, "behind the plan": archive.Good(t)} {
			code, says := ops.Invalid, tt.Says
			if tt.Name == "beyond the limit" && when == "at the plan" {
				code, says = ops.NoSpace, "the image takes about 1.0 MiB" // an honest one, as far as a plan knows
			}
			err := installed(t, dir, first, tt.Archive)
			if ops.ExitCode(err) != int(code) || !strings.Contains(fmt.Sprint(err), says) {
				t.Errorf("%s, %s: %v (exit %d), want exit %d saying %q", tt.Name, when, err, ops.ExitCode(err), code, says)
			}
			if after := hashes(t, dir); !maps.Equal(before, after) {
				t.Fatalf("%s, %s, changed the flash:\n%q\nbefore\n%q", tt.Name, when, after, before)
			}
		}
	}
	if err := installed(t, dir, archive.Good(t), archive.Good(t)); err != nil {
		t.Errorf("what is no attack: %v", err)
	}
}

// installed installs an archive that is the first one for as long as it is only looked at.
func installed(t testing.TB, dir string, first, then []byte) error {
	t.Helper()
	v, err := volume.Open(dir)
	must(t, err)
	defer v.Close()
	r, err := status.Read(status.Target{FS: v.FS(), Volume: v, Name: dir, Type: "ext2", Access: "rw", GRUB: status.Place{FS: v.FS(), Volume: v}})
	must(t, err)
	now := first
	src := archive.Source{Name: "archive", Size: int64(len(first)), Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(now)), nil
	}}
	p, err := install.Request{Report: r, Source: src}.Plan(t.Context())
	if err != nil {
		return err
	}
	now = then
	return p.Apply(t.Context(), ops.Discard)
}

// smallFlash mounts a flash with two images and little room.
func smallFlash(t testing.TB) string {
	t.Helper()
	root, dir, disk := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "disk.img")
	for _, slot := range []string{"active", "backup"} {
		to := filepath.Join(root, "system", slot)
		must(t, os.MkdirAll(to, 0o755))
		must(t, os.WriteFile(filepath.Join(to, "kernel.img"), archive.Kernel, 0o644))
		must(t, os.WriteFile(filepath.Join(to, "kernel.ver"), []byte(slot+"-1"), 0o644))
	}
	must(t, os.Mkdir(filepath.Join(root, "cfg"), 0o755))
	run(t, "e2fsprogs", "mke2fs", "-q", "-t", "ext2", "-b", "1024", "-m", "0", "-d", root, disk, "800K")
	run(t, "mount", "mount", "-o", "loop", disk, dir)
	t.Cleanup(func() { run(t, "mount", "umount", dir) })
	return dir
}

func run(t testing.TB, pkg, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// hashes is every file below dir but the log, by its hash, and every directory.
func hashes(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		switch {
		case err != nil || name == "cfg/holdfast.log":
		case d.IsDir():
			all[name] = "directory"
		default:
			var b []byte
			b, err = os.ReadFile(path)
			all[name] = fmt.Sprintf("%x", sha256.Sum256(b))
		}
		return err
	}))
	return all
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
