package crashlab_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/flash/store"
	"holdfast/ops/bench/crashlab"
)

// naive is how an update is written by somebody whose power never went: copy, delete, rename.
func naive(dir, _ string, _ func(string)) error {
	system := filepath.Join(dir, "system")
	incoming := filepath.Join(system, "incoming")
	if err := os.Mkdir(incoming, 0o755); err != nil {
		return err
	}
	image := crashlab.NewImage("v3")
	for _, name := range image.Members() {
		if err := os.WriteFile(filepath.Join(incoming, name), image[name], 0o644); err != nil {
			return err
		}
	}
	return errors.Join(
		os.RemoveAll(filepath.Join(system, "backup")),
		os.Rename(filepath.Join(system, "active"), filepath.Join(system, "backup")),
		os.Rename(incoming, filepath.Join(system, "active")),
		store.SyncFileSystem(dir))
}

// TestCanary holds that the lab sees what is wrong with a naive rotation. That it all lasts in the end
// is no comfort, and nothing recovers it: GRUB's eye alone must find images that are broken.
func TestCanary(t *testing.T) {
	lab := newLab(t)
	for _, typ := range types {
		s := crashlab.Scenario{
			Name:    "naive",
			Fixture: crashlab.Fixture{Type: typ, Images: map[string]string{"active": "v2", "backup": "v1", "factory": "v0"}},
			Run:     naive,
			Recover: func(string, string) ([]string, error) { return nil, nil },
			Law: crashlab.Law{
				Known: versions, Keep: []string{"v2"}, Legal: []crashlab.Slots{{"v2", "v1"}}, Done: crashlab.Slots{"v3", "v2"},
			},
		}
		r, err := lab.Run(s, crashlab.Budget{First: true, Seed: theSeed})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Bad) == 0 || !strings.HasPrefix(r.Bad[0].Wrong[0], "GRUB's eye: ") {
			t.Errorf("%s: GRUB's eye sees nothing wrong with a naive rotation in %d states", typ, r.Judged)
			continue
		}
		t.Logf("%s: red after %d of %d states: %v", typ, r.Judged, r.Found, r.Bad[0])
	}
}
