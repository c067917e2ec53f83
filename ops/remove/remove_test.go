package remove

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"holdfast/ops"
	"holdfast/ops/opstest"
	"holdfast/ops/status"
)

// TestUnreadable: the rules do not decide by an image that cannot be read.
func TestUnreadable(t *testing.T) {
	for _, tt := range []struct {
		name, slots, bad, remove string
		code                     int
	}{
		{"all is well", "active backup", "", "backup", 0},
		{"the other cannot be read", "active backup", "system/active/initrd.img", "backup", 3},
		{"it cannot be read itself", "active backup", "system/backup/initrd.img", "backup", 0},
		{"it cannot be read, and there is no other", "backup", "system/backup/initrd.img", "backup", 3},
		{"the only one", "backup", "", "backup", 6},
	} {
		r, err := status.Read(status.Target{FS: opstest.Failing{FS: opstest.Flash(strings.Fields(tt.slots)...), Name: tt.bad}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = Request{Report: r, Name: tt.remove}.Plan(t.Context())
		if ops.ExitCode(err) != tt.code || tt.code == 3 && !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: Plan = %v, exit code %d, want %d", tt.name, err, ops.ExitCode(err), tt.code)
		}
	}
}
