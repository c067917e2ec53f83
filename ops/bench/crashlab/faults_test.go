package crashlab_test

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"holdfast/flash/store"
	"holdfast/ops"
	"holdfast/ops/bench/crashlab"
)

// suffering are the operations that meet a failing disk, and the file systems on which.
var suffering = []string{"install", "rotate", "remove", "repair, tries used up"}

// TestFaults has the disk fail at every read and every write of an operation, once or from there on. The
// operation must say so with an exit code of its own, and a repair must find everything legal when the
// disk works again.
func TestFaults(t *testing.T) {
	stride := 29 // make test takes a sample, another one each time
	if *full {
		stride = 1
	}
	for _, typ := range types {
		lab := newLab(t)
		for _, s := range opsScenarios(typ, store.Options{}) {
			if !slices.Contains(suffering, s.Name) {
				continue
			}
			for _, f := range []crashlab.Fault{
				{Kind: crashlab.Write, Errno: int(syscall.EIO)},
				{Kind: crashlab.Write, Errno: int(syscall.EIO), Times: 1},
				{Kind: crashlab.Write, Errno: int(syscall.ENOSPC)},
				{Kind: crashlab.Read, Errno: int(syscall.EIO)},
				{Kind: crashlab.Read, Errno: int(syscall.EIO), Times: 1},
			} {
				if *full || f.Times == 0 {
					suffer(t, lab, s, f, stride)
				}
			}
		}
	}
}

// suffer moves a fault through an operation, until it is behind its end.
func suffer(t *testing.T, lab *crashlab.Lab, s crashlab.Scenario, f crashlab.Fault, stride int) {
	t.Helper()
	image, err := lab.Begin(s)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[int]int{}
	for f.At = 1 + int(theSeed)%stride; ; f.At += stride {
		r, err := lab.Suffer(s, image, f)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("%s on %s, %v, %d times", s.Name, s.Fixture.Type, f, f.Times)
		for _, what := range r.Wrong {
			t.Errorf("%s: %s (operation: %v)", name, what, r.Err)
		}
		code := ops.ExitCode(r.Err)
		codes[code]++
		// What could not be written back cannot be read either, and an operation may see that first.
		unreadable := code == int(ops.NoFlash) && strings.Contains(r.Err.Error(), ": read /dev/")
		if f.Kind == crashlab.Write && !unreadable && !slices.Contains([]int{0, 1, 4, 5}, code) || r.Err != nil && len(r.Err.Error()) < 10 {
			t.Errorf("%s: exit code %d, %q", name, code, r.Err)
		}
		if f.Kind == crashlab.Read && f.Times == 0 && slices.Contains([]int{int(ops.Invalid), int(ops.Refused)}, code) {
			t.Errorf("%s: exit code %d, %q: what cannot be read is called damaged", name, code, r.Err)
		}
		if !r.Hit {
			if r.Err != nil {
				t.Errorf("%s: nothing failed, and yet: %v", name, r.Err)
			}
			break
		}
	}
	t.Logf("%s on %s, %v, %d times: exit codes %v", s.Name, s.Fixture.Type, f, f.Times, codes)
}
