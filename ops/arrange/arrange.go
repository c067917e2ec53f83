// Package arrange is what the operations have in common that move images between the slots: what becomes
// of the boot default, room that has to be made, and the comparison of a plan with what is found once the
// flash is locked.
package arrange

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"holdfast/flash"
	"holdfast/ops"
	"holdfast/ops/safety"
	"holdfast/ops/session"
	"holdfast/ops/status"
)

// Other is the other one of the slots active and backup.
func Other(slot string) string {
	if slot == flash.Active {
		return flash.Backup
	}
	return flash.Active
}

// Pair is what the slots hold.
func Pair(r *status.Report) flash.Pair {
	active, _ := r.Image(flash.Active)
	backup, _ := r.Image(flash.Backup)
	return flash.Pair{Active: active.ID, Backup: backup.ID}
}

// Describe names an image in a slot for a plan: "active, 1.3.124 (confirmed)".
func Describe(r *status.Report, slot string) string {
	i, _ := r.Image(slot)
	if !i.Present {
		return slot + ", which is empty"
	}
	text := slot
	if i.Version != "" && i.Version != slot {
		text += ", " + i.Version
	}
	return text + " (" + Standing(i) + ")"
}

// Standing is what is known of how an image boots, in a word or two.
func Standing(i status.Image) string {
	switch {
	case !safety.Whole(i):
		return "damaged"
	case i.Entry.State == flash.Trial:
		return fmt.Sprintf("trial, %s left", Tries(i.Entry.Tries))
	}
	return i.Entry.State.String()
}

// Tries is a number of tries in words.
func Tries(n int) string {
	if n == 1 {
		return "1 try"
	}
	return fmt.Sprintf("%d tries", n)
}

// Changed is the error of a plan that does not hold any more.
func Changed(op string) error {
	return &ops.Error{Kind: ops.Refused, Op: op, Err: errors.New("the flash is not as it was when the plan was made"),
		Hint: "look at the new plan: run it again"}
}

// Work does an operation's work in a session on the flash: what stops it is in the log, named after what was
// worked on, and comes back with the name of the operation.
func Work(ctx context.Context, op, what string, t status.Target, o session.Options, rep ops.Reporter, work func(*session.Session) error) error {
	s, err := session.Begin(ctx, t, o, rep)
	if err != nil {
		return Named(op, err)
	}
	defer s.End() // after a panic too
	err = s.Advise(work(s))
	s.LogEnd(what, err)
	return Named(op, errors.Join(err, s.End()))
}

// Remove takes an image off the flash at once, with its space and what the record says of it. When the
// boot default names it, the default is set elsewhere first.
func Remove(ctx context.Context, s *session.Session, name string, rep ops.Reporter) error {
	if err := Vacate(ctx, s, name, rep); err != nil {
		return err
	}
	if err := s.Tree.Remove(name); err != nil {
		return Explain("take "+name+" away", err)
	}
	if err := s.Tree.Clear(); err != nil {
		return Explain("delete "+name, err)
	}
	if err := s.Look(); err != nil {
		return err
	}
	return ForgetGone(s)
}

// ForgetGone takes images out of the state record that the flash does not hold any more.
func ForgetGone(s *session.Session) error {
	rec := s.Report.Record
	known := len(rec.Entries)
	if safety.Forget(&rec, s.Report); len(rec.Entries) == known {
		return nil
	}
	if err := s.Tree.Write(func(rec *flash.Record) { safety.Forget(rec, s.Report) }); err != nil {
		return Explain("write the state record", err)
	}
	return s.Look()
}

// Explain gives an error of the system its kind, and leaves one that has a kind alone.
func Explain(step string, err error) error {
	var known *ops.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, syscall.ENOSPC):
		return &ops.Error{Kind: ops.NoSpace, Step: step, Err: errors.New("the flash is full"),
			Hint: "remove what is not needed from it, as a staged version: holdfast remove VERSION"}
	}
	return &ops.Error{Kind: kindOf(err), Step: step, Err: err}
}

// kindOf is what sort of failure an error of the system is.
func kindOf(err error) ops.Kind {
	for _, cause := range []error{fs.ErrPermission, syscall.EROFS, syscall.EBUSY, syscall.EIO} {
		if errors.Is(err, cause) {
			return ops.NotWritable
		}
	}
	return ops.Internal
}

// Named gives an error the name of its operation.
func Named(op string, err error) error {
	var known *ops.Error
	if errors.As(err, &known) && known.Op == "" {
		named := *known
		named.Op = op
		if known.Error() != err.Error() { // something around it has more to say
			named.Step, named.Err = "", err
		}
		return &named
	}
	return err
}

// Name is what people call an image: its version, or what it is known by.
func Name(i status.Image) string { return cmp.Or(i.Version, i.Name) }
