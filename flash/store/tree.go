package store

import (
	"context"
	"errors"
	"io"

	"holdfast/flash"
)

// Freezer makes a file system put everything in its final place: FIFREEZE and at once FITHAW, with
// somebody else who thaws should this process die in between.
type Freezer interface{ Freeze() error }

// Options says what is below a Tree.
type Options struct {
	Type   string  // "ext2", "ext3", "ext4", "vfat", by what is mounted; "" for any other
	Freeze Freezer // nil where freezing is not allowed: see access.Access
	Omit   Point   // for the crash lab: this one write barrier is left out
	Rename bool    // for the crash lab: never exchange, always rename
}

// Tree is a flash that is mounted for writing. Whoever has one holds the flash's lock.
type Tree struct{}

// Open opens the flash mounted on dir.
func Open(dir string, o Options) (*Tree, error) { return nil, errors.ErrUnsupported }

// Close closes what is open. It undoes nothing and syncs nothing.
func (t *Tree) Close() error { return nil }

// Incoming is an image on its way to the flash, in the directory incoming.
type Incoming struct{}

// Stage begins an image; what an earlier attempt left is deleted first.
func (t *Tree) Stage() (*Incoming, error) { return nil, errors.ErrUnsupported }

// Create makes a file of the image. Its Close makes the file durable.
func (i *Incoming) Create(name string, size int64) (io.WriteCloser, error) {
	return nil, errors.ErrUnsupported
}

// Seal makes all of it durable, reads every file back past the page cache and compares. progress, when
// not nil, is told the bytes compared so far.
func (i *Incoming) Seal(ctx context.Context, progress func(done int64)) error {
	return errors.ErrUnsupported
}

// Keep gives the sealed image the name of a version beside the slots.
func (i *Incoming) Keep(version string) error { return errors.ErrUnsupported }

// Discard deletes the image. After Keep, or after Arrange has moved it, it does nothing.
func (i *Incoming) Discard() error { return errors.ErrUnsupported }

// Take makes a staged version the incoming image, for Arrange.
func (t *Tree) Take(version string) error { return errors.ErrUnsupported }

// Arrange moves whole images between incoming, active and backup, so that afterwards the pair is p.After:
// record, barrier, swap, barrier. At every instant each of active and backup is what it was or what it
// becomes. What fell out is in incoming or trash, for Clear.
func (t *Tree) Arrange(p flash.Pending) error { return errors.ErrUnsupported }

// Remove takes an image out of sight, durably; Clear deletes it.
func (t *Tree) Remove(name string) error { return errors.ErrUnsupported }

// Clear deletes what operations leave: incoming, hold and trash.
func (t *Tree) Clear() error { return errors.ErrUnsupported }

// Record is the newest state record of the flash; the zero Record when there is none.
func (t *Tree) Record() (flash.Record, error) { return flash.Record{}, errors.ErrUnsupported }

// Write makes change to the state record and writes it, over the older of the two.
func (t *Tree) Write(change func(*flash.Record)) error { return errors.ErrUnsupported }

// Recovered is what recovery did.
type Recovered struct {
	Event flash.Event // Undone, Finished, or NoEvent when no operation had been interrupted
	Lines []string    // what was done, in plain words; empty when there was nothing to do
}

// Recover finishes or undoes what a crash interrupted, by the contents of the directories; the record
// is a hint. To run it twice, or to be cut during it, changes nothing more. An image that is the only
// whole one is never deleted, whatever its directory is called.
func (t *Tree) Recover(ctx context.Context) (Recovered, error) {
	return Recovered{}, errors.ErrUnsupported
}

// Interrupted says, without writing, what Recover would do: nil when there is nothing to do. root is
// the root of a flash, however it is read.
func Interrupted(f *flash.Flash) []string { return nil }

// Point names a place where a Tree waits for the device. The crash lab leaves out one at a time and
// must see the difference.
type Point int

// The points.
const (
	Everywhere Point = iota // none is left out
)
