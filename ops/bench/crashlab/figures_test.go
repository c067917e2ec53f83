package crashlab_test

import (
	"context"
	"testing"

	"holdfast/flash/store"
	"holdfast/ops/bench/crashlab"
	"holdfast/ops/install"
	"holdfast/ops/rotate"
	"holdfast/ops/status"
)

// excess is how much more than the image an installation may write to the device.
const excess = 1.05

// TestFigures counts what a rotation asks of the device, and what an installation writes.
func TestFigures(t *testing.T) {
	image := crashlab.NewImageOf("v3", 24<<20)
	for _, typ := range types {
		lab := newLab(t)
		three := map[string]string{"active": "v2", "backup": "v1", "factory": "v0"}
		s := crashlab.Scenario{
			Name: "install of 24 MiB", Fixture: crashlab.Fixture{Type: typ, MiB: 64, Block: 4096, Images: three},
			Run: operation(func(ctx context.Context, r *status.Report) (plan, error) {
				return install.Request{Report: r, Source: archived("v3", image)}.Plan(ctx)
			}),
		}
		_, r, err := lab.Record(s)
		if err != nil {
			t.Fatal(err)
		}
		ratio := float64(r.Bytes) / float64(image.Size())
		t.Logf("%s: install of %d bytes: %d writes, %d flushes, %d bytes: %.4f of the image, %v", typ, image.Size(), r.Writes, r.Flushes, r.Bytes, ratio, r.Time)
		if ratio > excess {
			t.Errorf("%s: an installation writes %.3f times the image, want %.2f at the most", typ, ratio, excess)
		}
		if err := lab.Close(); err != nil {
			t.Fatal(err)
		}
		for _, o := range []store.Options{{}, {Rename: true}} {
			s.Name, s.Fixture = "rotate", crashlab.Fixture{Type: typ, Images: three}
			s.Run = operation(func(ctx context.Context, r *status.Report) (plan, error) {
				q := rotate.Request{Report: r}
				q.Session.Store = o
				return q.Plan(ctx)
			})
			_, r, err := lab.Record(s)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: rotation (by renaming: %t): %d writes, %d flushes, %d bytes, %v", typ, o.Rename, r.Writes, r.Flushes, r.Bytes, r.Time)
		}
	}
}
