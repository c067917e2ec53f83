// Package flashtest is for tests of what reads bytes that anybody may have written.
package flashtest

import (
	"runtime/metrics"
	"testing"
)

// Bounded runs read, and fails the test when that allocates more than limit bytes, all taken together:
// a few wrong bytes must not cost a small machine its memory. Nothing else may run beside it.
func Bounded(t testing.TB, limit uint64, read func()) {
	t.Helper()
	before := allocated()
	read()
	if n := allocated() - before; n > limit {
		t.Errorf("%d bytes were allocated, want %d at the most", n, limit)
	}
}

// allocated counts all bytes that this process ever allocated on the heap.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
