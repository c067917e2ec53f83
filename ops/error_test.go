package ops

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestStopped(t *testing.T) {
	other := errors.New("input/output error")
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"nothing", nil, false},
		{"stopped", context.Canceled, true},
		{"wrapped", &Error{Op: "install", Err: fmt.Errorf("read back: %w", context.Canceled)}, true},
		{"stopped twice", errors.Join(context.Canceled, context.Canceled), true},
		{"stopped, and not cleaned up", errors.Join(context.Canceled, other), false},
		{"too late", context.DeadlineExceeded, false},
		{"failed", &Error{Err: other}, false},
	} {
		if got := Stopped(tt.err); got != tt.want {
			t.Errorf("%s: Stopped(%v) = %v, want %v", tt.name, tt.err, got, tt.want)
		}
	}
}
