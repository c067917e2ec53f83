package flash

import (
	"encoding/hex"
	"errors"
	"strings"
	"time"
)

// ID names an image by its content: the SHA-256 of its manifest, or, without one, of what can be read
// of its files at once. Names of directories change hands, contents do not.
type ID [32]byte

// IsZero reports that there is no image.
func (i ID) IsZero() bool { return i == ID{} }

// String is the beginning of the ID in hexadecimal, enough for people.
func (i ID) String() string { return hex.EncodeToString(i[:4]) }

// State is what is known of how an image boots.
type State int

// The states. Untold is an image that no record speaks of; it is "unknown" to scripts.
const (
	Untold    State = iota
	Confirmed       // it booted well and said so
	Trial           // it has tries left to do so
	Bad             // it used them up
)

var states = []string{"unknown", "confirmed", "trial", "bad"}

func (s State) String() string { return states[s] }

// Entry is what a record says of one image.
type Entry struct {
	ID    ID
	State State
	Tries int       // left, of a Trial; at most 255
	Since time.Time // of the state, to the second
}

// Op is what a pending change is part of.
type Op int

// The operations that move images.
const (
	NoOp Op = iota
	Installing
	Rotating
	Removing
)

var opNames = []string{"", "install", "rotate", "remove"}

func (o Op) String() string { return opNames[o] }

// Pair says which images are under active and under backup; a zero ID is an empty slot.
type Pair struct{ Active, Backup ID }

// Pending is a change of the slots that has begun: where they were and where they are going. Recovery
// goes on to After where active is that of After already, and else back to Before.
type Pending struct {
	Op            Op
	Before, After Pair
}

// EventKind is what happened last.
type EventKind int

// The events that a first screen tells of.
const (
	NoEvent    EventKind = iota
	Installed            // the image was installed and is on trial
	Rotated              // the operator exchanged active and backup
	RolledBack           // the image did not confirm in Tries tries; the other one boots
	Undone               // an operation was interrupted, and recovery went back
	Finished             // likewise, and recovery went on
)

// Event is what happened last to the slots.
type Event struct {
	Kind  EventKind
	Op    Op // of Undone and Finished
	ID    ID // of the image that it is about
	Tries int
	At    time.Time // to the second
}

// MaxEntries is how many images a record can speak of.
const MaxEntries = 8

// RecordSize is the size of a state record, in bytes: one sector.
const RecordSize = 512

// RecordFiles are the two files, below the root of the flash, that hold the record by turns. Each is
// RecordSize bytes and is overwritten in place; the one with the higher Seq counts.
var RecordFiles = [2]string{"cfg/slots0", "cfg/slots1"}

// BootID tells one start of a kernel from all others, whatever the clock says: the beginning of
// /proc/sys/kernel/random/boot_id (Documentation/admin-guide/sysctl/kernel.rst). Zero is not known.
type BootID [8]byte

// ParseBootID reads what that file says; what is no such text is zero.
func ParseBootID(text string) (id BootID) {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(text), "-", ""))
	if err == nil && len(b) == 16 {
		copy(id[:], b)
	}
	return id
}

// LogFile is what Holdfast did to the flash, in lines: see ops/history.
const LogFile = "cfg/holdfast.log"

// Made are the files that get their names when all of them is in its place: until then their names end in
// Unfinished.
var Made = [...]string{RecordFiles[0], RecordFiles[1], LogFile}

// Record is what Holdfast remembers of the images of a flash. It is a hint: what the slots hold decides.
type Record struct {
	Seq     uint64
	Entries []Entry
	Pending *Pending // nil: no change of the slots is under way
	Last    Event
	Changed [2]BootID // under which kernel active, and backup, got another image last: its img= does not mean that one
}

// ErrNoRecord means bytes that are no state record, or one that was torn.
var ErrNoRecord = errors.New("no valid state record")

// Entry gives what the record says of an image; Untold when it says nothing.
func (r Record) Entry(id ID) Entry {
	for _, e := range r.Entries {
		if e.ID == id && !id.IsZero() {
			return e
		}
	}
	return Entry{ID: id}
}
