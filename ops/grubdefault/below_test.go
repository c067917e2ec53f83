package grubdefault

import (
	"os"
	"path/filepath"
	"testing"

	"holdfast/flash/grub"
	"holdfast/flash/volume"
	"holdfast/kexec/kexectest"
	"holdfast/ops/status"
)

// TestBelowRoot has GRUB's files named by a directory that is not the root of their file system: the
// kernels of the menu are looked for from there, and nobody can say that one is absent.
func TestBelowRoot(t *testing.T) {
	root := t.TempDir()
	saved := string(must(grub.NewDefaultFile(3).Encode()))
	for name, text := range with(legacyTree(), "boot/grub/default", saved) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"firmware", "cfg", "system/active"} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "kernel.img"), kexectest.Kernel("6.1.0"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	flash, boot := must(volume.Open(root)), must(volume.Open(filepath.Join(root, "boot")))
	r, err := status.Read(status.Target{FS: flash.FS(), Volume: flash, GRUB: status.Place{FS: boot.FS(), Volume: boot}})
	if err != nil || r.Boot == nil {
		t.Fatal(err, r)
	}
	if next := r.Boot.Next[0]; next.Slot != "maintenance" || len(r.Problems) != 0 {
		t.Errorf("%v boots next, problems %q; want the maintenance console, none", next, r.Problems)
	}
	e, _ := r.Boot.Menu.First("maintenance")
	if err := os.RemoveAll(filepath.Join(root, "firmware")); err != nil { // nor is it on the flash
		t.Fatal(err)
	}
	if why := (Request{Report: r}).empty(e); why != "" {
		t.Errorf("the maintenance console %s", why)
	}
}
