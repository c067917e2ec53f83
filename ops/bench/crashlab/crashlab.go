// Package crashlab asks of every operation on a flash: what if the power goes now? It records each
// write and each flush that the kernel sends to a disk while the operation runs, makes the disks that a
// power cut could have left from them, and has each judged twice: as GRUB reads it, without journal and
// fsck, and as Linux does after fsck and our recovery. It also makes disks fail.
//
// It is for tests and part of no program. Its judges read file systems by e2fsprogs and by the kernel,
// never by this project's own readers, which could share a mistake with what they judge.
package crashlab

import "fmt"

// Kind is what the kernel asked a disk to do.
type Kind int

// The kinds of events. A FUA write arrives as a write and a flush: a loop device has no other.
const (
	Write Kind = iota
	Flush      // what was written before is on the medium when it returns
	Mark       // no request: the operation under test has come to a place with a name
)

// Event is one entry of a recording.
type Event struct {
	Kind   Kind
	Offset int64 // bytes, of a Write
	Data   []byte
	Name   string // of a Mark
}

// Returned is the mark that an operation came back without an error: what it did must last from then on.
const Returned = "returned"

// Log is what a disk was asked, in the order in which the requests came.
type Log []Event

// Totals are the figures of a recording.
type Totals struct {
	Writes, Flushes int
	Bytes           int64
}

// Totals counts from the mark from on up to the mark to; "" is the beginning, or the end.
func (l Log) Totals(from, to string) (t Totals) {
	on := from == ""
	for _, e := range l {
		switch {
		case e.Kind == Mark && e.Name == from:
			on = true
		case e.Kind == Mark && e.Name == to:
			on = false
		case on && e.Kind == Write:
			t.Writes++
			t.Bytes += int64(len(e.Data))
		case on && e.Kind == Flush:
			t.Flushes++
		}
	}
	return t
}

// Apply makes the writes of the log in image, and gives it back: the disk when nothing was lost.
func (l Log) Apply(image []byte) []byte {
	for _, e := range l {
		if e.Kind == Write {
			copy(image[e.Offset:], e.Data)
		}
	}
	return image
}

// Fault makes the disk answer requests with an error. The zero Fault is none.
type Fault struct {
	Kind  Kind // Write or Read, see there
	At    int  // the first request of that kind that fails, counted from 1 on; 0 for none
	Times int  // how many fail from there on; 0 for all
	Errno int  // EIO, ENOSPC
}

// Read is the kind of a fault in reading. Reads are counted and never recorded.
const Read Kind = -1

func (f Fault) hits(kind Kind, n int) bool {
	return f.At > 0 && kind == f.Kind && n >= f.At && (f.Times == 0 || n < f.At+f.Times)
}

func (f Fault) String() string {
	what := "write"
	if f.Kind == Read {
		what = "read"
	}
	return fmt.Sprintf("errno %d from %s %d on", f.Errno, what, f.At)
}
