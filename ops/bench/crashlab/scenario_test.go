package crashlab_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"holdfast/flash"
	"holdfast/flash/store"
	"holdfast/ops/bench/crashlab"
)

// now is the time in every record that the lab writes.
var now = time.Unix(1_700_000_000, 0)

// id is the ID of a version's image; zero for none.
func id(version string) flash.ID {
	if version == "" {
		return flash.ID{}
	}
	return crashlab.NewImage(version).ID()
}

func pair(s crashlab.Slots) flash.Pair { return flash.Pair{Active: id(s.Active), Backup: id(s.Backup)} }

func entry(version string, state flash.State, tries int) flash.Entry {
	return flash.Entry{ID: id(version), State: state, Tries: tries, Since: now}
}

// open opens the Tree on dir as a session does.
func open(dir, fstype string, o store.Options) (*store.Tree, error) {
	o.Type = fstype
	if fstype != "ext2" {
		o.Freeze = crashlab.Freeze{Dir: dir}
	}
	return store.Open(dir, o)
}

// with does something with the Tree on dir.
func with(dir, fstype string, o store.Options, do func(t *store.Tree) error) error {
	t, err := open(dir, fstype, o)
	if err != nil {
		return err
	}
	return errors.Join(do(t), t.Close())
}

// recoverTree is what every session begins with, nothing left out.
func recoverTree(dir, fstype string) (did []string, err error) {
	err = with(dir, fstype, store.Options{}, func(t *store.Tree) error {
		r, err := t.Recover(context.Background())
		did = r.Lines
		return err
	})
	return did, cmp.Or(err, toldToCheck(did))
}

// toldToCheck is what recovery says, without an error, of what only an e2fsck can put right.
func toldToCheck(did []string) error {
	if slices.ContainsFunc(did, func(line string) bool { return strings.Contains(line, "needs a check") }) {
		return syscall.EUCLEAN
	}
	return nil
}

// records writes a state record with these entries and this change under way.
func records(pending *flash.Pending, entries ...flash.Entry) func(dir, fstype string) error {
	return func(dir, fstype string) error {
		return with(dir, fstype, store.Options{}, func(t *store.Tree) error {
			return t.Write(func(r *flash.Record) { r.Entries, r.Pending = entries, pending })
		})
	}
}

// stage writes a version's image to incoming.
func stage(t *store.Tree, version string) (*store.Incoming, error) {
	in, err := t.Stage()
	if err != nil {
		return nil, err
	}
	image := crashlab.NewImage(version)
	for _, name := range image.Members() {
		w, err := in.Create(name, int64(len(image[name])))
		if err != nil {
			return nil, err
		}
		_, err = w.Write(image[name])
		if err := errors.Join(err, w.Close()); err != nil {
			return nil, err
		}
	}
	return in, in.Seal(context.Background(), nil)
}

// installTree installs a version, from one pair to another, as ops/install does.
func installTree(t *store.Tree, version string, before, after crashlab.Slots) error {
	if _, err := stage(t, version); err != nil {
		return err
	}
	return swap(t, flash.Installing, version, before, after)
}

// times is how often a short operation is repeated: there is little to cut in one of it, and make soak wants
// 500 states of each.
func times(sample, all int) int {
	if *full {
		return all
	}
	return sample
}

// swap moves the images, says so in the record and clears up.
func swap(t *store.Tree, op flash.Op, version string, before, after crashlab.Slots) error {
	if err := t.Arrange(flash.Pending{Op: op, Before: pair(before), After: pair(after)}); err != nil {
		return err
	}
	err := t.Write(func(r *flash.Record) {
		r.Pending = nil
		r.Last = flash.Event{Kind: flash.Installed, ID: id(version), Tries: 3, At: now}
		if op == flash.Rotating {
			r.Last.Kind = flash.Rotated
		}
		if r.Entry(id(version)).State == flash.Untold {
			r.Entries = append(r.Entries, entry(version, flash.Trial, 3))
		}
	})
	if err != nil {
		return err
	}
	return t.Clear()
}

// states checks what the record says once recovery has run: no change is under way, and the images have
// these states; those of done only when the operation had returned.
func states(always, done map[string]flash.State) func(dir string, returned bool) error {
	return func(dir string, returned bool) error {
		t, err := store.Open(dir, store.Options{})
		if err != nil {
			return err
		}
		defer t.Close()
		r, err := t.Record()
		if err != nil {
			return err
		}
		if r.Pending != nil {
			return fmt.Errorf("the record still has the change %v under way", *r.Pending)
		}
		for version, want := range always {
			if got := r.Entry(id(version)).State; got != want {
				return fmt.Errorf("%s is %v in the record, want %v", version, got, want)
			}
		}
		for version, want := range done {
			if got := r.Entry(id(version)).State; returned && got != want {
				return fmt.Errorf("%s is %v in the record, want %v", version, got, want)
			}
		}
		return nil
	}
}

type (
	is    = map[string]flash.State
	slots = crashlab.Slots
)

// treeScenarios are the operations on a Tree.
func treeScenarios(fstype string, o store.Options) []crashlab.Scenario {
	tree := func(do func(t *store.Tree) error) func(dir, fstype string, mark func(string)) error {
		return func(dir, fstype string, _ func(string)) error { return with(dir, fstype, o, do) }
	}
	before, after := slots{"v2", "v1"}, slots{"v3", "v2"}
	three := map[string]string{"active": "v2", "backup": "v1", "factory": "v0"}
	fixture := func(images map[string]string) crashlab.Fixture {
		return crashlab.Fixture{Type: fstype, Images: images}
	}
	confirmed := records(nil, entry("v2", flash.Confirmed, 0))
	return []crashlab.Scenario{{
		Name: "install", Fixture: fixture(three), Prepare: confirmed, Recover: recoverTree,
		Run: tree(func(t *store.Tree) error { return installTree(t, "v3", before, after) }),
		Law: crashlab.Law{Known: versions, Keep: []string{"v2"}, Legal: []slots{before}, Done: after,
			Check: states(is{"v2": flash.Confirmed}, is{"v3": flash.Trial})},
	}, {
		Name: "install over a trial", Fixture: fixture(three), Recover: recoverTree,
		Prepare: records(nil, entry("v2", flash.Trial, 2), entry("v1", flash.Confirmed, 0)),
		Run:     tree(func(t *store.Tree) error { return installTree(t, "v3", before, slots{"v3", "v1"}) }),
		Law: crashlab.Law{Known: versions, Keep: []string{"v1"}, Legal: []slots{before}, Done: slots{"v3", "v1"},
			Check: states(is{"v1": flash.Confirmed}, is{"v3": flash.Trial})},
	}, {
		Name: "install, no backup", Fixture: fixture(map[string]string{"active": "v2", "factory": "v0"}), Prepare: confirmed, Recover: recoverTree,
		Run: tree(func(t *store.Tree) error { return installTree(t, "v3", slots{"v2", ""}, after) }),
		Law: crashlab.Law{Known: versions, Keep: []string{"v2"}, Legal: []slots{{"v2", ""}}, Done: after,
			Check: states(is{"v2": flash.Confirmed}, is{"v3": flash.Trial})},
	}, {
		// What was there before is in a record whose file is new: the older one was lost.
		Name: "install, a record lost", Fixture: fixture(three), Recover: recoverTree,
		Prepare: func(dir, fstype string) error {
			return errors.Join(confirmed(dir, fstype), os.Remove(filepath.Join(dir, flash.RecordFiles[1])))
		},
		Run: tree(func(t *store.Tree) error { return installTree(t, "v3", before, after) }),
		Law: crashlab.Law{Known: versions, Keep: []string{"v2"}, Legal: []slots{before}, Done: after,
			Check: states(is{"v2": flash.Confirmed}, is{"v3": flash.Trial})},
	}, {
		// The second image takes the blocks that the first made free.
		Name: "install twice, full", Fixture: fixture(three), Recover: recoverTree,
		Prepare: func(dir, fstype string) error {
			return errors.Join(confirmed(dir, fstype), crashlab.Fill(dir, crashlab.NewImage("v3").Size()>>10+40))
		},
		Run: tree(func(t *store.Tree) error {
			return errors.Join(installTree(t, "v3", before, after), installTree(t, "v4", after, slots{"v4", "v2"}))
		}),
		Law: crashlab.Law{Known: versions, Keep: []string{"v2"}, Legal: []slots{before, after}, Done: slots{"v4", "v2"},
			Check: states(is{"v2": flash.Confirmed}, is{"v4": flash.Trial})},
	}, {
		Name: "rotate", Fixture: fixture(three), Recover: recoverTree,
		Prepare: records(nil, entry("v2", flash.Confirmed, 0), entry("v1", flash.Confirmed, 0)),
		Run: tree(func(t *store.Tree) error {
			was, is := slots{"v2", "v1"}, slots{"v1", "v2"}
			for range times(3, 21) {
				if err := swap(t, flash.Rotating, is.Active, was, is); err != nil {
					return err
				}
				was, is = is, was
			}
			return nil
		}),
		Law: crashlab.Law{Known: versions, Keep: []string{"v2", "v1"}, Legal: []slots{before}, Done: slots{"v1", "v2"},
			Check: states(is{"v2": flash.Confirmed, "v1": flash.Confirmed}, nil)},
	}, {
		Name: "promote", Fixture: fixture(map[string]string{"active": "v2", "backup": "v1", "factory": "v0", "v3": "v3"}), Prepare: confirmed, Recover: recoverTree,
		Run: tree(func(t *store.Tree) error {
			if err := t.Take("v3"); err != nil {
				return err
			}
			return swap(t, flash.Rotating, "v3", before, after)
		}),
		Law: crashlab.Law{Known: versions, Keep: []string{"v2"}, Legal: []slots{before}, Done: after, Beside: []string{"v3"},
			Check: states(is{"v2": flash.Confirmed}, is{"v3": flash.Trial})},
	}, {
		Name: "stage", Fixture: fixture(three), Prepare: confirmed, Recover: recoverTree,
		Run: tree(func(t *store.Tree) error {
			in, err := stage(t, "v3")
			if err != nil {
				return err
			}
			return in.Keep("v3")
		}),
		Law: crashlab.Law{Known: versions, Keep: []string{"v2"}, Done: before, Beside: []string{"v3"},
			Check: wholeBeside("v3", states(is{"v2": flash.Confirmed}, nil))},
	}, {
		Name: "remove", Fixture: fixture(map[string]string{"active": "v2", "backup": "v1", "factory": "v0", "v3": "v3"}), Prepare: confirmed, Recover: recoverTree,
		Run: tree(func(t *store.Tree) error {
			for _, name := range []string{"backup", "v3"} {
				if err := errors.Join(t.Remove(name), t.Clear()); err != nil {
					return err
				}
			}
			return nil
		}),
		Law: crashlab.Law{Known: versions, Keep: []string{"v2"}, Legal: []slots{before}, Done: slots{"v2", ""}, Beside: []string{"v3"},
			Check: removed("v3", states(is{"v2": flash.Confirmed}, nil))},
	}, {
		Name: "records", Fixture: fixture(three), Prepare: confirmed, Recover: recoverTree,
		Run: tree(func(t *store.Tree) error {
			for tries := times(20, 250); tries > 0; tries-- {
				err := t.Write(func(r *flash.Record) {
					r.Entries = []flash.Entry{entry("v2", flash.Confirmed, 0), entry("v1", flash.Trial, tries)}
				})
				if err != nil {
					return err
				}
			}
			return t.Write(func(r *flash.Record) {
				r.Entries = []flash.Entry{entry("v2", flash.Confirmed, 0), entry("v1", flash.Confirmed, 0)}
			})
		}),
		Law: crashlab.Law{Known: versions, Keep: []string{"v2", "v1"}, Done: before,
			Check: states(is{"v2": flash.Confirmed}, is{"v1": flash.Confirmed})},
	}, {
		Name: "first record", Fixture: crashlab.Fixture{Type: fstype, Images: three, Blank: true}, Recover: recoverTree,
		Run: tree(func(t *store.Tree) error {
			return t.Write(func(r *flash.Record) { r.Entries = []flash.Entry{entry("v2", flash.Confirmed, 0)} })
		}),
		Law: crashlab.Law{Known: versions, Keep: []string{"v2", "v1"}, Done: before, Check: states(nil, is{"v2": flash.Confirmed})},
	}, {
		Name: "recovery, back", Recover: recoverTree,
		Fixture: fixture(map[string]string{"active": "v2", "backup": "v3", "incoming": "v1", "factory": "v0"}),
		Prepare: records(&flash.Pending{Op: flash.Installing, Before: pair(before), After: pair(after)}, entry("v2", flash.Confirmed, 0)),
		Run: func(dir, fstype string, _ func(string)) error {
			return with(dir, fstype, o, func(t *store.Tree) error { _, err := t.Recover(context.Background()); return err })
		},
		Law: crashlab.Law{Known: versions, Keep: []string{"v2"}, Done: before,
			Check: states(is{"v2": flash.Confirmed}, nil)},
	}, {
		Name: "recovery, on", Recover: recoverTree,
		Fixture: fixture(map[string]string{"active": "v3", "hold": "v2", "backup": "v1", "factory": "v0"}),
		Prepare: records(&flash.Pending{Op: flash.Installing, Before: pair(before), After: pair(after)}, entry("v2", flash.Confirmed, 0)),
		Run: func(dir, fstype string, _ func(string)) error {
			return with(dir, fstype, o, func(t *store.Tree) error { _, err := t.Recover(context.Background()); return err })
		},
		Law: crashlab.Law{Known: versions, Done: after, // v2 was in no slot when the power went the first time
			Check: states(is{"v2": flash.Confirmed}, nil)},
	}}
}
