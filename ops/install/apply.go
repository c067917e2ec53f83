package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"holdfast/flash"
	"holdfast/flash/store"
	"holdfast/ops"
	"holdfast/ops/archive"
	"holdfast/ops/arrange"
	"holdfast/ops/safety"
	"holdfast/ops/session"
)

// Check says why Apply will refuse: an objection that nobody overruled, too little room. A plan can be
// shown all the same.
func (p Plan) Check() error {
	switch {
	case p.nothing != "":
		return nil
	case p.objection != "" && !p.request.Override:
		return objected(p.objection)
	}
	return p.checkRoom()
}

// Apply installs. Until the slots change, cancelling ctx leaves nothing behind; after that it finishes.
func (p Plan) Apply(ctx context.Context, rep ops.Reporter) error {
	if err := p.Check(); err != nil || p.nothing != "" {
		return err
	}
	return arrange.Work(ctx, op, "install: "+p.request.Source.Name, p.report.Target, p.request.Session, rep, func(s *session.Session) error {
		return p.locked(ctx, s, rep)
	})
}

// locked plans again, now that nobody else changes the flash, and goes on when that comes out the same.
func (p Plan) locked(ctx context.Context, s *session.Session, rep ops.Reporter) error {
	now, err := p.request.plan(ctx, safety.Known(s.Report, p.report), p.image, p.need)
	if err != nil {
		return err
	}
	if now.decision != p.decision {
		return arrange.Changed(op)
	}
	i := &installing{Plan: now, s: s, rep: rep}
	s.Report = now.report
	if err := i.removeForRoom(ctx); err != nil {
		return err
	}
	return i.stage(ctx)
}

// installing is an installation on its way.
type installing struct {
	Plan
	s   *session.Session
	rep ops.Reporter
	in  *store.Incoming
	id  flash.ID
}

func (i *installing) log(format string, args ...any) {
	i.s.Log("install: "+format, args...)
	i.rep.Log(fmt.Sprintf(format, args...))
}

// removeForRoom removes what the plan says has to go. The archive is read to its end first: nothing goes
// for one that is no good. One that can be read only once is believed until it is on the flash.
func (i *installing) removeForRoom(ctx context.Context) error {
	if i.room == "" {
		return nil
	}
	if !i.request.Source.Once {
		if _, err := i.copy(ctx, 0, archive.Discard); err != nil {
			return err
		}
	}
	for _, name := range i.Room() {
		if err := ctx.Err(); err != nil {
			return err
		}
		img, _ := i.report.Image(name)
		if err := arrange.Remove(ctx, i.s, name, i.rep); err != nil {
			return err
		}
		i.log("removed %s, %s, to make room", name, arrange.Name(img))
	}
	return nil
}

// copy reads the archive into a flash with that much room, and checks what is known of it then. A member
// that does not fit although the archive looked as if it would is an attack; where nobody could tell how much
// it would be, it is a full flash.
func (i *installing) copy(ctx context.Context, room int64, put archive.Put) (archive.Image, error) {
	limit := room
	if i.need == 0 && room > 0 {
		limit, put = 0, i.within(room, put)
	}
	img, err := archive.Copy(ctx, i.request.Source, i.report.Target.Trust, limit, put, i.rep)
	if err != nil {
		return img, i.explain("write the image", err)
	}
	if err := checkTrust(i.report.Target.Trust, img); err != nil {
		return img, err
	}
	if why := objection(i.report.Target.Trust, img); why != "" && !i.request.Override {
		return img, objected(why)
	} else if why != "" {
		i.log("overridden: %s", why)
	}
	return img, nil
}

// within is put for as many bytes as there is room for.
func (i *installing) within(room int64, put archive.Put) archive.Put {
	return func(name string, size int64) (io.WriteCloser, error) {
		if room -= size; room < 0 {
			return nil, i.noSpace(fmt.Errorf("%s has %s, which is more than there is room for", name, mib(size)))
		}
		return put(name, size)
	}
}

// stage brings the image into incoming. Whatever fails leaves nothing of it behind.
func (i *installing) stage(ctx context.Context) (err error) {
	if i.in, err = i.s.Tree.Stage(); err != nil {
		return i.explain("make room for the image", err)
	}
	moving := false
	defer func() {
		if moving {
			return // what is in incoming now may be another image
		}
		if undo := i.in.Discard(); undo != nil {
			err = errors.Join(err, arrange.Explain("delete what was written", undo))
		}
	}()
	if i.image, err = i.copy(ctx, max(freeBytes(i.s.Report), 0), i.in.Create); err != nil {
		return err
	}
	if err := i.seal(ctx); err != nil {
		return err
	}
	if err := i.meet(i.id, i.image.Version); err != nil {
		return err
	}
	switch {
	case i.nothing != "":
		i.log("%s", i.nothing)
		return nil
	case i.request.StageOnly:
		return i.keep()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	moving = !i.again
	return i.swap(context.WithoutCancel(ctx)) // from here on, what was begun is finished
}

// seal makes the image durable, and finds its ID as the flash will give it.
func (i *installing) seal(ctx context.Context) error {
	start, total, now := time.Now(), i.image.Size(), ""
	err := i.in.Seal(ctx, func(step string, done int64) {
		if step != now {
			start, now = time.Now(), step
		}
		i.rep.Progress(ops.Progress{Step: step, Done: done, Total: total, Since: time.Since(start)})
	})
	if err != nil {
		return i.explain("write the image", err)
	}
	if err := i.s.Look(); err != nil {
		return err
	}
	for _, l := range i.s.Report.Left {
		if l.Name == "incoming" {
			i.id = l.ID
		}
	}
	if i.id.IsZero() {
		return errors.New("the image is not where it was written to")
	}
	return nil
}

// keep leaves the image beside the slots.
func (i *installing) keep() error {
	version := i.image.Version
	if version == "" {
		return &ops.Error{Kind: ops.Invalid, Op: op, Step: "kernel.ver", Err: errors.New("the image does not say its version, by which it would be known")}
	}
	if err := i.in.Keep(version); err != nil {
		return i.explain("keep "+version, err)
	}
	i.log("%s is staged, from %s", version, i.request.Source.Name)
	return i.s.Look()
}

// swap brings the image into its slot.
func (i *installing) swap(ctx context.Context) error {
	c := arrange.Change{Op: flash.Installing, Slot: i.slot, New: i.id, Promote: i.promote, Tries: i.request.tries(),
		Integrity: i.image.Integrity, Signer: i.image.Signature.Signer, Again: i.again, Fresh: true}
	if err := c.Apply(ctx, i.s, i.rep); err != nil {
		return i.explain("bring the image into "+i.slot, err)
	}
	slot := i.slot
	if i.promote {
		slot = flash.Active
	}
	i.log("%s is %s, from %s, on trial with %s", cmp.Or(i.image.Version, "the image"), slot, i.request.Source.Name, arrange.Tries(i.request.tries()))
	return nil
}

// explain gives errors of writing their kind. A full flash says what could go.
func (i *installing) explain(step string, err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return i.noSpace(nil)
	}
	return arrange.Explain(step, err)
}
