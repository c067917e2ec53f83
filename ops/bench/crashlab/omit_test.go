package crashlab_test

import (
	"flag"
	"slices"
	"strings"
	"testing"

	"holdfast/flash/store"
	"holdfast/ops/bench/crashlab"
)

var explore = flag.String("lab.explore", "", "which of a point's scenarios go red without it: points by their names, with commas, or all")

// candidates are the scenarios of a Tree that should show what a point is for, the best first.
var candidates = map[string][]string{
	"stage":        {"install", "install twice, full", "stage", "promote"},
	"record-made":  {"first record"},
	"record":       {"records", "install", "rotate"},
	"swap":         {"install, no backup", "install", "rotate", "install twice, full"},
	"keep":         {"stage"},
	"remove":       {"remove"},
	"unlinked":     {"remove"},
	"after-delete": {repairCut, "install twice, full", "remove", "install"},
}

// omission says what goes red on a file system without a point: a scenario's name; "-" where the lab has
// found nothing.
type omission struct {
	point string
	red   [3]string // on ext2, ext3, ext4
	why   string    // it is there all the same; "" when it is seen everywhere
}

const onExt2 = "one code for all file systems; nothing was found on ext2 in "

var omissions = []omission{
	{"stage", [3]string{"-", "install", "install"}, onExt2 + "1662 states"},
	{"record-made", [3]string{"-", "-", "-"}, "it is for vfat, whose lab (TestOmit too) finds 4 to 9 of some 55 states of the first records bad without it: a record's file shares its cluster with another"},
	{"record", [3]string{"records", "records", "records"}, ""},
	{"swap", [3]string{"install, no backup", "install", "install"}, ""},
	{"keep", [3]string{"stage", "stage", "stage"}, ""},
	{"remove", [3]string{"-", "remove", "remove"}, onExt2 + "40 states, which is all there are"},
	{"unlinked", [3]string{"-", "-", "-"}, "it is for vfat, whose lab (TestOmit too) finds 4 or 5 of some 35 states of a removal bad without it"},
	{"after-delete", [3]string{repairCut, "-", "-"}, "ext3 and ext4 have a journal for their inodes: none in 1573 and 1525 states"},
}

// recordings is how many may show nothing: one in which the kernel happened to write everything in time proves little.
const recordings = 3

// TestOmit holds that the lab sees every point that is left out.
func TestOmit(t *testing.T) {
	for i, typ := range types {
		lab := newLab(t)
		for _, o := range omissions {
			p := pointNamed(t, o.point)
			if o.red[i] == "-" {
				continue
			}
			s := scenarioNamed(t, o.red[i], typ, store.Options{Omit: p})
			var r crashlab.Result
			var err error
			for range recordings {
				if r, err = lab.Run(s, budgetFor(s)); err != nil {
					t.Fatal(err)
				}
				if len(r.Bad) > 0 {
					break
				}
			}
			if len(r.Bad) == 0 {
				t.Errorf("%s on %s without %v: no bad state in %d recordings, the last of %d states", s.Name, typ, p, recordings, r.Judged)
				continue
			}
			t.Logf("%s on %s without %v: red after %d of %d: %v", s.Name, typ, p, r.Judged, r.Found, r.Bad[0])
		}
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	}
}

// budgetFor stops at the first bad state. Whether a repair is as it should be shows when it is cut itself.
func budgetFor(s crashlab.Scenario) crashlab.Budget {
	b := crashlab.Budget{Enough: crashlab.Any, OneWay: true, Seed: theSeed}
	if s.Name == repairCut {
		b.States, b.Deep = 200, 12
	}
	return b
}

func pointNamed(t *testing.T, name string) store.Point {
	t.Helper()
	points := store.Points()
	i := slices.IndexFunc(points, func(p store.Point) bool { return p.String() == name })
	if i < 0 {
		t.Fatalf("no point %q: take it out of the table", name)
	}
	return points[i]
}

// scenarioNamed is the scenario with this name, of a Tree or of the repair.
func scenarioNamed(t *testing.T, name, fstype string, o store.Options) crashlab.Scenario {
	t.Helper()
	all := append(treeScenarios(fstype, o), repairedScenario(fstype, o))
	i := slices.IndexFunc(all, func(s crashlab.Scenario) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("no scenario %q", name)
	}
	return all[i]
}

// TestExplore looks for a scenario that goes red without a point, one after the other.
func TestExplore(t *testing.T) {
	if *explore == "" {
		t.Skip("it is for whoever asks: -lab.explore POINT")
	}
	for _, p := range store.Points() {
		if *explore != "all" && !slices.Contains(strings.Split(*explore, ","), p.String()) {
			continue
		}
		for _, typ := range types {
			lab := newLab(t)
			judged, red := 0, false
			for _, name := range candidates[p.String()] {
				s := scenarioNamed(t, name, typ, store.Options{Omit: p})
				b := budgetFor(s)
				b.States = 700
				r, err := lab.Run(s, b)
				if err != nil {
					t.Log(err)
					continue
				}
				if judged += r.Judged; len(r.Bad) > 0 && !red {
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
