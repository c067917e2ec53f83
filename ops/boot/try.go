package boot

import (
	"context"
	"errors"
	"fmt"

	"holdfast/flash"
	"holdfast/ops"
	"holdfast/ops/safety"
	"holdfast/ops/session"
)

// onTrial reports that this boot is one of the image's tries. A staged version is booted by a person, who
// looks at what comes of it.
func (p Plan) onTrial() bool {
	return !p.Image.Staged && p.Image.Entry.State == flash.Trial && !p.Image.ID.IsZero()
}

// left is how many tries the image has after this one.
func (p Plan) left() int { return max(p.Image.Entry.Tries-1, 0) }

// countTry writes down, durably, that the image has one try less. What keeps it from that is said, and
// keeps nobody from booting: an image that may be good is better than none. But where nobody is there, and
// another image can boot, that one is: an image whose tries are not counted could fail for ever.
func (p Plan) countTry(ctx context.Context, rep ops.Reporter) error {
	if !p.onTrial() {
		return nil
	}
	err := p.writeTry(ctx, rep)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("this try of %s is not counted: %w", p.Image.Name, err)
	if p.instead != "" {
		return fail(ops.Refused, "", fmt.Errorf("%w; %s can boot instead", err, p.instead))
	}
	rep.Log(err.Error())
	return nil
}

func (p Plan) writeTry(ctx context.Context, rep ops.Reporter) error {
	s, err := session.Begin(ctx, p.target, p.session, rep)
	if err != nil {
		return err
	}
	defer s.End()
	e := s.Report.Record.Entry(p.Image.ID) // it may have confirmed since
	if e.State != flash.Trial || e.Tries == 0 {
		return s.End()
	}
	if err := s.Tree.Write(func(rec *flash.Record) { safety.Mark(rec, e.ID, flash.Trial, e.Tries-1) }); err != nil {
		return errors.Join(err, s.End())
	}
	s.Log("boot: %s, a try; %d left", p.name(), e.Tries-1)
	return s.End()
}
