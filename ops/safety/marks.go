package safety

import (
	"slices"
	"time"

	"holdfast/flash"
	"holdfast/ops/status"
)

// Mark says in a record how an image boots. Untold forgets it. Since when an image is in a state does not
// change while its tries go by.
func Mark(rec *flash.Record, id flash.ID, state flash.State, tries int) {
	if id.IsZero() {
		return
	}
	old := rec.Entry(id)
	if old.State == state && old.Tries == tries {
		return // since when is kept
	}
	since := now()
	if old.State == state && tries < old.Tries {
		since = old.Since
	}
	rec.Entries = slices.DeleteFunc(slices.Clone(rec.Entries), func(e flash.Entry) bool { return e.ID == id })
	if state != flash.Untold {
		rec.Entries = append(rec.Entries, flash.Entry{ID: id, State: state, Tries: tries, Since: since})
	}
}

// MarkBooted writes down what only the running system proves: that the image it was booted from has
// booted. Once images have moved, the name of a slot proves nothing any more.
func MarkBooted(rec *flash.Record, r *status.Report, booted string) {
	if i, ok := r.Image(booted); ok && isPair(booted) && Whole(i) && rec.Entry(i.ID).State == flash.Untold {
		Mark(rec, i.ID, flash.Confirmed, 0)
	}
}

// Forget drops the entries of images that the flash does not hold any more, so that there is room for others.
func Forget(rec *flash.Record, r *status.Report) {
	rec.Entries = slices.DeleteFunc(slices.Clone(rec.Entries), func(e flash.Entry) bool { return !Holds(r, e.ID) })
}

// Holds reports that the flash has an image with this content.
func Holds(r *status.Report, id flash.ID) bool {
	return slices.ContainsFunc(r.Images, func(i status.Image) bool { return i.Present && i.ID == id }) ||
		slices.ContainsFunc(r.Left, func(i flash.Image) bool { return i.Present && i.ID == id })
}

// Happened is an event of this moment.
func Happened(kind flash.EventKind, op flash.Op, id flash.ID, tries int) flash.Event {
	return flash.Event{Kind: kind, Op: op, ID: id, Tries: tries, At: now()}
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }
