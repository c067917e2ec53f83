package kexectest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/kexec/kexectest"
)

func TestKernel(t *testing.T) {
	kernel := kexectest.Kernel("6.1.0-test")
	if len(kernel) != 4096 {
		t.Errorf("%d bytes, want 4096", len(kernel))
	}
	path := filepath.Join(t.TempDir(), "kernel.img")
	if err := os.WriteFile(path, kernel, 0o644); err != nil {
		t.Fatal(err)
	}
	file, err := exec.LookPath("file")
	if err != nil {
		t.Fatal("file is missing: apt-get install file")
	}
	says, err := exec.Command(file, "-b", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := "bzImage, version 6.1.0-test (holdfast@test) #1"; !strings.Contains(string(says), want) {
		t.Errorf("file says %s, want %q in it", says, want)
	}
}

func TestLongVersion(t *testing.T) {
	if n := len(kexectest.Kernel(strings.Repeat("6.1.", 5000))); n != 4096 {
		t.Errorf("%d bytes, want 4096", n)
	}
}
