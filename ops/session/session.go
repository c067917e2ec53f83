// Package session is what every operation that rewrites files of a flash begins with: the locks, the
// flash mounted for writing, what a crash had interrupted put right, a fresh look at everything, and
// the log. It ends with everything as it was before.
package session

import (
	"context"
	"errors"

	"holdfast/flash/store"
	"holdfast/ops"
	"holdfast/ops/status"
)

// Options is what the machine and the operator say about sessions. The zero value waits for locks and
// has no guard: it is for a flash that is mounted for writing already.
type Options struct {
	Guard  []string      // command of the guard process: see access.Guard
	NoWait bool          // a lock that somebody holds is an error of kind Refused
	Booted string        // slot that the running system was booted from (img=); "" when not known
	Store  store.Options // for the crash lab: Omit and Rename
}

// Session is a flash in the hands of one operation.
type Session struct {
	Report *status.Report // as things are under the lock; its Target is where the files can be written
	Tree   *store.Tree
	Dir    string // the flash's root
	Booted string
}

// Begin takes the locks, makes the flash writable, and repairs it: what it did then is in the log and
// told to rep.
func Begin(ctx context.Context, t status.Target, o Options, rep ops.Reporter) (*Session, error) {
	return nil, errors.ErrUnsupported
}

// Log adds an event to cfg/holdfast.log. What keeps it from that is told to the reporter, and is no error.
func (s *Session) Log(format string, args ...any) {}

// Look reads the flash again, after something was written. Hashes known before hold for what has the same ID.
func (s *Session) Look() error { return errors.ErrUnsupported }

// End gives the flash back. It is safe to call twice.
func (s *Session) End() error { return nil }
