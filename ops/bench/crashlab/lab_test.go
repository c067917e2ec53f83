package crashlab_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"holdfast/flash/store"
	"holdfast/ops/bench/crashlab"
)

// budget is what make test judges of a recording, or everything.
func budget() crashlab.Budget {
	if *full {
		return crashlab.Budget{Deep: 12, Seed: theSeed}
	}
	return crashlab.Budget{States: 20, OneWay: true, Deep: 2, Cuts: 5, Seed: theSeed}
}

// adder adds a line to the table.
type adder func(name, fstype string, recordings int, r crashlab.Result)

// table prints what was judged.
func table(t *testing.T) adder {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "operation\tfile system\trecordings\twrites\tflushes\tKiB\tms\tstates\tjudged\tfsck -y\tstuck\tbad")
	t.Cleanup(func() {
		w.Flush()
		fmt.Fprintf(os.Stdout, "crash lab, -lab.seed %d\n%s", theSeed, text.String())
	})
	return func(name, fstype string, recordings int, r crashlab.Result) {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", name, fstype, recordings, r.Writes, r.Flushes, r.Bytes>>10, r.Time.Milliseconds(), r.Found, r.Judged, r.Manual, r.Stuck, len(r.Bad))
	}
}

// enough is how many states of each scenario make soak judges, at least.
const enough = 500

// judge has a scenario judged. A recording of a short operation has fewer states than make soak wants: the operation
// is recorded as often as it takes then. The counts are of all recordings; writes, flushes and time are those of the last.
func judge(lab *crashlab.Lab, s crashlab.Scenario) (all crashlab.Result, recordings int, err error) {
	for again := true; again; again = *full && all.Judged < enough && len(all.Bad) == 0 {
		b := budget()
		b.Seed += uint64(recordings)
		r, err := lab.Run(s, b)
		if err != nil {
			return r, recordings, err
		}
		r.Found, r.Judged, r.Manual, r.Stuck = r.Found+all.Found, r.Judged+all.Judged, r.Manual+all.Manual, r.Stuck+all.Stuck
		all = r
		recordings++
	}
	return all, recordings, nil
}

// run judges a scenario, and tells of the first bad states.
func run(t *testing.T, lab *crashlab.Lab, s crashlab.Scenario, add adder) {
	t.Run(strings.ReplaceAll(s.Name, " ", "-"), func(t *testing.T) {
		r, recordings, err := judge(lab, s)
		if err != nil {
			t.Fatal(err)
		}
		add(s.Name, s.Fixture.Type, recordings, r)
		for _, bad := range r.Bad[:min(len(r.Bad), 3)] {
			t.Errorf("%s on %s, -lab.seed %d: %v", s.Name, s.Fixture.Type, theSeed, bad)
		}
	})
}

// inOperations are the scenarios of a Tree that the operations' own repeat; make soak judges them all.
var inOperations = []string{"install", "install over a trial", "install, no backup", "install twice, full", "rotate", "promote", "remove"}

// TestTree judges what a Tree does on every file system.
func TestTree(t *testing.T) {
	add := table(t)
	for _, typ := range types {
		t.Run(typ, func(t *testing.T) {
			lab := newLab(t)
			for _, s := range treeScenarios(typ, store.Options{}) {
				if *full || !slices.Contains(inOperations, s.Name) {
					run(t, lab, s, add)
				}
			}
			for _, s := range renaming(typ) {
				run(t, lab, s, add)
			}
		})
	}
}

// renaming are scenarios on a file system that does not exchange names.
func renaming(fstype string) (list []crashlab.Scenario) {
	for _, s := range treeScenarios(fstype, store.Options{Rename: true}) {
		if s.Name == "install" || s.Name == "rotate" && fstype == "ext2" {
			s.Name += ", by renaming"
			s.Law.Keep = s.Law.Keep[:1]                          // of two that change places by renaming one has to stand aside
			s.Law.Legal = append(s.Law.Legal, slots{"v1", "v2"}) // it rotates three times
			list = append(list, s)
		}
	}
	return list
}

// TestOperations judges the operations as the program has them.
func TestOperations(t *testing.T) {
	add := table(t)
	for _, typ := range types {
		t.Run(typ, func(t *testing.T) {
			lab := newLab(t)
			for _, s := range opsScenarios(typ, store.Options{}) {
				run(t, lab, s, add)
			}
		})
	}
}
