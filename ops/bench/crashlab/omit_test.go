package crashlab_test

import (
	"flag"
	"slices"
	"strings"
	"testing"

	"holdfast/flash/store"
	"holdfast/ops/bench/crashlab"
)

var explore = flag.String("lab.explore", "", "look for scenarios that go red without this point, or without all")

// omissions names, for every point of store.Points, a scenario that goes red without it on each file
// system; "-" where the lab has found none.
var omissions = []struct {
	point            string
	ext2, ext3, ext4 string
}{}

// scenarioNamed is the scenario of a Tree with this name.
func scenarioNamed(t *testing.T, name, fstype string, o store.Options) crashlab.Scenario {
	t.Helper()
	all := treeScenarios(fstype, o)
	i := slices.IndexFunc(all, func(s crashlab.Scenario) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("no scenario %q", name)
	}
	return all[i]
}

// TestExplore looks for a scenario that goes red without a point, one after the other.
func TestExplore(t *testing.T) {
	if *explore == "" {
		return
	}
	for _, p := range store.Points() {
		if *explore != "all" && !slices.Contains(strings.Split(*explore, ","), p.String()) {
			continue
		}
		for _, typ := range types {
			lab := newLab(t)
			judged, red := 0, false
			for _, s := range treeScenarios(typ, store.Options{Omit: p}) {
				r, err := lab.Run(s, crashlab.Budget{First: true, OneWay: true, States: 400, Seed: theSeed})
				if err != nil {
					t.Log(err)
					continue
				}
				if judged += r.Judged; len(r.Bad) > 0 {
					t.Logf("RED %v %s in %q after %d: %.400s", p, typ, s.Name, r.Judged, r.Bad[0])
					red = true
					break
				}
			}
			if !red {
				t.Logf("NOT SEEN %v %s in %d states", p, typ, judged)
			}
			if err := lab.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
