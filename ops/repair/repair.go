// Package repair finishes or undoes what a crash interrupted, and rolls back an image that did not confirm
// in its tries. The console runs it at every start.
package repair

import (
	"context"
	"errors"

	"holdfast/flash"
	"holdfast/ops"
	"holdfast/ops/session"
	"holdfast/ops/status"
)

// Request asks for a repair.
type Request struct {
	Report  *status.Report
	Session session.Options
	Clear   string // slot or version whose state bad is forgotten; "" for none
}

// Plan is what a repair will do.
type Plan struct{}

// Plan looks at the flash. It writes nothing.
func (r Request) Plan() (Plan, error) { return Plan{}, errors.ErrUnsupported }

// Lines is the plan in words.
func (p Plan) Lines() []ops.Line { return nil }

// Nothing reports that there is nothing to repair.
func (p Plan) Nothing() bool { return true }

// Apply repairs.
func (p Plan) Apply(ctx context.Context, rep ops.Reporter) error { return errors.ErrUnsupported }

// Said is an event of the state record for people: "on backup because 1.3.125 did not confirm in 3 tries".
// It is "" for no event, and for one whose image is not known any more.
func Said(r *status.Report, e flash.Event) string { return "" }
