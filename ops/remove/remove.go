// Package remove deletes an image from a slot, or a staged version.
package remove

import (
	"context"
	"errors"

	"holdfast/ops"
	"holdfast/ops/session"
	"holdfast/ops/status"
)

// Request asks for a removal.
type Request struct {
	Report  *status.Report
	Name    string // slot or staged version
	Session session.Options
}

// Plan is what a removal will do.
type Plan struct{}

// Plan looks at the flash, and refuses what the rules keep.
func (r Request) Plan() (Plan, error) { return Plan{}, errors.ErrUnsupported }

// Lines is the plan in words.
func (p Plan) Lines() []ops.Line { return nil }

// Apply removes.
func (p Plan) Apply(ctx context.Context, rep ops.Reporter) error { return errors.ErrUnsupported }
