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
	if err := s.Tree.Write(func(rec *flash.Record) { c.mark(rec, was, s.Booted, s.Boot) }); err != nil {
		return errors.Join(Explain("write the state record", err), putRight(ctx, s, rep))
	}
	if !c.Again {
		back := c.lead(ctx, s, rep)
		if err := c.move(s); err != nil {
			return errors.Join(err, putRight(ctx, s, rep), back())
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

// Lead is what the boot default is set to before active and backup are exchanged; "" when it stays. A
// default that names backup would name what steps back as soon as they are, and from there GRUB's menu leads
// to no other image; from active it leads to backup.
func Lead(r *status.Report) string {
	if r.Default() != flash.Backup {
		return ""
	}
	if i, _ := r.Image(flash.Active); safety.Whole(i) && i.Broken == "" {
		return flash.Active
	}
	return "maintenance"
}

// lead sets the default to Lead; back sets it to what it was, for images that have not moved. Where it
// cannot be set, the images move all the same: an exchange takes a moment.
func (c Change) lead(ctx context.Context, s *session.Session, rep ops.Reporter) (back func() error) {
	none := func() error { return nil }
	to := Lead(s.Report)
	if c.Slot != "" || to == "" {
		return none
	}
	if err := Set(ctx, s, to, rep); err != nil {
		s.Log("the boot default names backup while the images move: %v", err)
		return none
	}
	return func() error {
		if err := s.Look(); err != nil {
			return err
		}
		return Set(ctx, s, flash.Backup, rep)
	}
}

func (c Change) move(s *session.Session) error {
	if c.Taken != "" {
		if err := s.Tree.Take(c.Taken); err != nil {
			return err
		}
	}
	before := Pair(s.Report)
	var damaged []string
	for _, slot := range []string{flash.Active, flash.Backup} {
		if i, _ := s.Report.Image(slot); i.Present && !safety.Whole(i) {
			damaged = append(damaged, slot)
		}
	}
	if err := s.Tree.Arrange(flash.Pending{Op: c.Op, Before: before, After: c.after(before)}, damaged...); err != nil {
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
func (c Change) mark(rec *flash.Record, r *status.Report, booted string, boot flash.BootID) {
	safety.MarkBooted(rec, r, booted)
	before := Pair(r)
	after := c.after(before)
	if after.Active != before.Active && !c.Again {
		rec.Changed[0] = boot
	}
	if after.Backup != before.Backup && !c.Again {
		rec.Changed[1] = boot
	}
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
