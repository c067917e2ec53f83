package arrange

import (
	"context"
	"errors"
	"fmt"

	"holdfast/flash"
	"holdfast/ops"
	"holdfast/ops/safety"
	"holdfast/ops/session"
	"holdfast/ops/status"
)

// Change brings an image that is in incoming into a slot, or exchanges the slots.
type Change struct {
	Op      flash.Op
	Event   flash.EventKind // for the record; zero: Installed
	Slot    string          // whose image gives way; "" exchanges active and backup
	New     flash.ID        // the image in incoming, and the active one of an exchange
	Promote bool            // it becomes the active one, and what was active is the backup
	Tries   int             // of an image that has not confirmed; 0 leaves what is known of it
	Again   bool            // the image is in the slot already: it is only put on trial
	Fresh   bool            // what the record says against it does not hold any more
	OldBad  bool            // what was active is marked bad
	Taken   string          // the staged version that New is now; "" when it is in incoming, or in a slot

	Integrity flash.Integrity // of the new image, which was hashed on its way
	Signer    string
}

// after is the pair as it will be.
func (c Change) after(before flash.Pair) flash.Pair {
	switch {
	case c.Slot == "":
		return flash.Pair{Active: before.Backup, Backup: before.Active}
	case !c.Promote:
		return flash.Pair{Active: before.Active, Backup: c.New}
	case c.Slot == flash.Active:
		return flash.Pair{Active: c.New, Backup: before.Backup}
	}
	return flash.Pair{Active: c.New, Backup: before.Active}
}

// place is the slot of the new image afterwards.
func (c Change) place() string {
	if c.Promote {
		return flash.Active
	}
	return flash.Backup
}

// Apply moves the images, sets the boot default, writes the record, and deletes what fell out. It is not
// to be cancelled. What fails after the images have moved is told at the end: the rest is done all the same.
func (c Change) Apply(ctx context.Context, s *session.Session, rep ops.Reporter) error {
	was := s.Report
	// The new image is on trial before it is in its slot: recovery may have to finish this.
	if err := s.Tree.Write(func(rec *flash.Record) { c.mark(rec, was, s.Booted) }); err != nil {
		return Explain("write the state record", err)
	}
	if !c.Again {
		if err := c.move(s); err != nil {
			return errors.Join(err, putRight(ctx, s, rep))
		}
	}
	c.vouch(s)
	var errs []error
	if c.Promote {
		errs = append(errs, c.setDefault(ctx, s, rep))
	}
	if err := s.Tree.Write(func(rec *flash.Record) { c.conclude(rec, was, s.Report) }); err != nil {
		errs = append(errs, Explain("write the state record", err))
	}
	if err := s.Tree.Clear(); err != nil {
		errs = append(errs, Explain("delete the image that gave way", err))
	}
	errs = append(errs, s.Look())
	return errors.Join(errs...)
}

func (c Change) move(s *session.Session) error {
	if c.Taken != "" {
		if err := s.Tree.Take(c.Taken); err != nil {
			return err
		}
	}
	before := Pair(s.Report)
	if err := s.Tree.Arrange(flash.Pending{Op: c.Op, Before: before, After: c.after(before)}); err != nil {
		return err
	}
	return s.Look()
}

// putRight does at once what the next session would begin with.
func putRight(ctx context.Context, s *session.Session, rep ops.Reporter) error {
	done, err := s.Tree.Recover(ctx)
	for _, line := range done.Lines {
		s.Log("%s", line)
		rep.Log(line)
	}
	return Explain("put right what was begun", err)
}

// vouch puts into the report what is known of the new image, so that nobody hashes it once more.
func (c Change) vouch(s *session.Session) {
	if c.Integrity == flash.Unknown {
		return
	}
	if i, ok := s.Report.Image(c.place()); ok && i.ID == c.New {
		i.Integrity, i.Signer = c.Integrity, c.Signer
		if c.Integrity == flash.Verified && i.Broken == status.Unsigned {
			i.Broken = ""
		}
		s.Report = s.Report.Verified(i)
	}
}

// setDefault makes GRUB boot the active image. Where it cannot be set, and the plan has warned of that,
// the installation is good all the same; but what boots then has to be said.
func (c Change) setDefault(ctx context.Context, s *session.Session, rep ops.Reporter) error {
	d := PlanDefault(s.Report, flash.Active)
	if d.Problem == "" && !d.Changes {
		return nil
	}
	err := Set(ctx, s, flash.Active, rep)
	if err == nil {
		return nil
	}
	next := "what GRUB boots next is not known"
	if now, err := status.Read(s.Report.Target); err == nil {
		next = Boots(now)
	}
	s.Log("the boot default is not set: %v; %s", err, next)
	if d.Problem != "" {
		rep.Log("the boot default is not set; " + next)
		return nil
	}
	return fmt.Errorf("the images are in their slots, but the boot default is not set: %w; %s", err, next)
}

// mark writes down how the images stand.
func (c Change) mark(rec *flash.Record, r *status.Report, booted string) {
	safety.MarkBooted(rec, r, booted)
	e := rec.Entry(c.New)
	if c.Tries > 0 && e.State != flash.Confirmed && (c.Fresh || e.State != flash.Trial || e.Tries == 0) {
		safety.Mark(rec, c.New, flash.Trial, c.Tries)
	}
}

// conclude writes down that the change is made.
func (c Change) conclude(rec *flash.Record, was, now *status.Report) {
	if c.OldBad {
		safety.Mark(rec, Pair(was).Active, flash.Bad, 0)
	}
	kind := c.Event
	if kind == flash.NoEvent {
		kind = flash.Installed
	}
	rec.Last = safety.Happened(kind, c.Op, c.New, c.Tries)
	rec.Pending = nil
	safety.Forget(rec, now)
}
