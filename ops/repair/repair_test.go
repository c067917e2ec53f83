package repair

import (
	"testing"

	"holdfast/ops"
)

// TestReason: what did not crash is not called interrupted.
func TestReason(t *testing.T) {
	for label, want := range map[string]string{
		"repair": "an operation was interrupted",
		"bad":    "an image has used up its tries",
		"record": "the state records are out of date",
	} {
		if got := Reason([]ops.Line{{Label: label}, {Label: "record"}}); got != want {
			t.Errorf("a plan that begins with %s: %q, want %q", label, got, want)
		}
	}
}
