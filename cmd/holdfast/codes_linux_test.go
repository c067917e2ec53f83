package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/ops"
)

// TestCodesOfOperations: every operation on images, where there is no flash, where it cannot be written, and
// where nobody confirms. What the rules refuse is in TestRefusals, a full flash in TestFull.
func TestCodesOfOperations(t *testing.T) {
	s := newShelf(t, "ext2", "6M", 300<<10)
	image := s.archives["1.3.125"]
	s.do(t, "install "+image+" --stage-only --yes")
	frozen := strings.TrimSpace(tool(t, "mount", "", "losetup", "--find", "--show", "--read-only", s.flash))
	_, before := s.tree(t)
	for _, tt := range []struct {
		line                 string
		absent, frozen, asks ops.Kind // 0: there is nothing to do, or to ask
	}{
		{"install " + image, ops.NoFlash, ops.NotWritable, ops.NotConfirmed},
		{"install " + image + " --stage-only", ops.NoFlash, 0, 0}, // it is staged
		{"rotate", ops.NoFlash, ops.NotWritable, ops.NotConfirmed},
		{"rotate 1.3.125", ops.NoFlash, ops.NotWritable, ops.NotConfirmed},
		{"remove 1.3.125", ops.NoFlash, ops.NotWritable, ops.NotConfirmed},
		{"repair", ops.NoFlash, 0, 0},
		{"verify", ops.NoFlash, 0, 0},
	} {
		for flash, code := range map[string]ops.Kind{filepath.Join(s.dir, "absent"): tt.absent, frozen: tt.frozen} {
			other := shelf{flash: flash}
			if got, out, errs := other.cli(tt.line + " --yes"); got != int(code) {
				t.Errorf("%s on %s: exit %d, want %d\n%s%s", tt.line, flash, got, code, out, errs)
			}
		}
		if tt.asks == 0 {
			continue
		}
		for _, flash := range []string{frozen, s.flash} {
			other := shelf{flash: flash}
			if got, out, errs := other.cli(tt.line); got != int(tt.asks) {
				t.Errorf("%s, not confirmed, on %s: exit %d, want %d\n%s%s", tt.line, flash, got, tt.asks, out, errs)
			}
		}
	}
	tool(t, "mount", "", "losetup", "--detach", frozen)
	if _, after := s.tree(t); !maps.Equal(before, after) {
		t.Errorf("the flash is not as it was: %q", after)
	}
}

// TestFull: on a full flash nothing is installed, and everything else can be done: where there has been an
// operation before, as that makes the state records.
func TestFull(t *testing.T) {
	s := newShelf(t, "ext2", "6M", 300<<10)
	s.do(t, "install "+s.archives["1.3.125"]+" --stage-only --yes")
	fill(t, s.flash)
	_, before := s.tree(t)
	for line, says := range map[string]string{
		"install " + packed(t, s.dir, "1.3.126", 300<<10): "--make-room",
		"rotate": "hint: remove what is not needed", // the first record needs a block
	} {
		if code, out, errs := s.cli(line + " --yes"); code != int(ops.NoSpace) || !strings.Contains(errs, says) {
			t.Errorf("%s: exit %d\n%s%s", line, code, out, errs)
		}
	}
	if _, after := s.tree(t); !maps.Equal(before, after) {
		t.Errorf("the flash is not as it was: %q", after)
	}
	for _, line := range []string{"verify", "remove 1.3.125 --yes", "rotate --yes"} {
		s.do(t, line)
	}
	fill(t, s.flash)
	for _, line := range []string{"rotate --yes", "rotate --bad --yes", "repair --clear backup --yes"} {
		s.do(t, line)
	}
	s.holds(t, "1.3.123", "1.3.124")
}

// fill takes all the room of a file system in an image file.
func fill(t testing.TB, image string) {
	t.Helper()
	dir := t.TempDir()
	tool(t, "mount", "", "mount", "-o", "loop", image, dir)
	defer tool(t, "mount", "", "umount", dir)
	f, err := os.Create(filepath.Join(dir, fmt.Sprint("filler", time.Now().UnixNano())))
	must(t, err)
	defer f.Close()
	for n := 0; err == nil; n++ {
		_, err = fmt.Fprintf(f, "%1024d", n)
	}
}
