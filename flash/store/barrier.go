package store

import "fmt"

// Point names a place where a Tree waits for the device. The crash lab leaves out one at a time and
// must see the difference.
type Point int

// The points.
const (
	Everywhere Point = iota // none is left out
	AfterStage
	RecordMade
	RecordWritten
	AfterSwap
	AfterKeep
	AfterRemove
	Unlinked
	AfterDelete
)

var points = []struct{ name, purpose string }{
	Everywhere:    {"none", "nothing is left out"},
	AfterStage:    {"stage", "a new image is in its final place, for GRUB too, before a record or a slot speaks of it"},
	RecordMade:    {"record-made", "a new file for state records is on the device before it has its name"},
	RecordWritten: {"record", "what is about to happen is on the device before it happens"},
	AfterSwap:     {"swap", "the slots are on the device before the record and the boot default speak of them, and before what fell out is deleted"},
	AfterKeep:     {"keep", "a staged version has its name before somebody is told"},
	AfterRemove:   {"remove", "an image is out of its slot before it is deleted"},
	Unlinked:      {"unlinked", "on vfat, names are gone before what they led to is free"},
	AfterDelete:   {"after-delete", "freed inodes are given to no new file while names still lead to them"},
}

// Points lists the points that can be left out.
func Points() []Point {
	all := make([]Point, 0, len(points)-1)
	for p := Everywhere + 1; int(p) < len(points); p++ {
		all = append(all, p)
	}
	return all
}

// String is the name of a point, one word.
func (p Point) String() string { return points[p].name }

// Purpose says what the point is for.
func (p Point) Purpose() string { return points[p].purpose }

// barrier returns when all that was done to the file system is on the device, in the place where
// GRUB, which replays no journal, looks for it.
//
// Freezing is what empties the journal of ext3 and ext4. vfat must not be told to sync the directory
// first: a new entry would reach the device without its start cluster (fs/fat/namei_vfat.c). syncfs
// need not flush the device's own cache; the fsync behind it does.
func (t *Tree) barrier(p Point) error {
	if t.options.Omit == p {
		return nil
	}
	var err error
	switch t.options.Type {
	case "ext2":
		err = inOrder(t.images.Sync, t.syncAll, t.images.Sync)
	case "ext3", "ext4":
		if t.options.Freeze != nil {
			err = inOrder(t.images.Sync, t.options.Freeze.Freeze)
			break
		}
		err = inOrder(t.images.Sync, t.syncAll, t.images.Sync)
	default:
		err = inOrder(t.syncAll, t.images.Sync)
	}
	if err != nil {
		return fmt.Errorf("wait for the device (%s): %w", p, cause(err))
	}
	return nil
}

func (t *Tree) syncAll() error { return syncfs(t.images) }

// sync is one fsync.
func (t *Tree) sync(p Point, fsync func() error) error {
	if t.options.Omit == p {
		return nil
	}
	return fsync()
}

func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
