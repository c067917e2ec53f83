package rotate

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"holdfast/ops"
	"holdfast/ops/opstest"
	"holdfast/ops/status"
)

// TestUnreadable: what cannot be read is not called damaged. The image that steps aside may be unreadable: that is
// what one rolls back from.
func TestUnreadable(t *testing.T) {
	for _, tt := range []struct {
		name, slots, bad string
		code             int
	}{
		{"all is well", "active backup", "", 0},
		{"active cannot be read", "active backup", "system/active/initrd.img", 0},
		{"backup cannot be read", "active backup", "system/backup/initrd.img", 3},
		{"its kernel", "active backup", "system/backup/kernel.img", 3},
		{"no backup", "active", "", 6},
	} {
		r, err := status.Read(status.Target{FS: opstest.Failing{FS: opstest.Flash(strings.Fields(tt.slots)...), Name: tt.bad}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = Request{Report: r}.Plan(t.Context())
		if ops.ExitCode(err) != tt.code || tt.code == 3 && !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: Plan = %v, exit code %d, want %d", tt.name, err, ops.ExitCode(err), tt.code)
		}
	}
}
