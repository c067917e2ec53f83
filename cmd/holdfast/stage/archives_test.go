package stage

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/flash/volume"
)

// makeStick makes a file system with one archive on it.
func makeStick(t *testing.T, file, text string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "image.tgz"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("mke2fs"); err != nil {
		t.Fatal("mke2fs is missing: apt-get install e2fsprogs")
	}
	_ = os.Remove(file)
	if out, err := exec.Command("mke2fs", "-q", "-t", "ext2", "-L", "STICK", "-d", dir, file, "1M").CombinedOutput(); err != nil {
		t.Fatalf("mke2fs: %v\n%s", err, out)
	}
}

// TestArchivesOn: an archive of a volume that is not mounted is read when it is wanted, and from that very
// volume: another stick in its place is noticed.
func TestArchivesOn(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "stick.img")
	makeStick(t, disk, "first")
	v, err := volume.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	seen := volume.Seen{Name: "sdb1", Device: disk, FileSystem: v.FileSystem}
	v.Close()
	found, err := archivesOn(seen)
	if err != nil || len(found) != 1 || found[0].Path != "image.tgz" || found[0].Where != "sdb1 (STICK)" || found[0].Name != "sdb1:/image.tgz" {
		t.Fatalf("found %+v, %v", found, err)
	}
	f, err := found[0].Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(f); err != nil || string(b) != "first" {
		t.Errorf("read %q, %v", b, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	makeStick(t, disk, "other")
	if f, err := found[0].Open(t.Context()); err == nil || !strings.Contains(err.Error(), "another disk") {
		t.Errorf("of another stick it opens %v, %v", f, err)
	}
}
