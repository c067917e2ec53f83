// Package rotate makes another image of the flash the active one: the backup (a roll-back), or a staged version.
package rotate

import (
	"context"
	"errors"

	"holdfast/ops"
	"holdfast/ops/session"
	"holdfast/ops/status"
)

// Request asks for a rotation.
type Request struct {
	Report  *status.Report
	Version string // staged; "" exchanges active and backup
	Session session.Options
	Tries   int // of a staged version; 0: install.DefaultTries
}

// Plan is what a rotation will do.
type Plan struct{}

// Plan looks at the flash.
func (r Request) Plan() (Plan, error) { return Plan{}, errors.ErrUnsupported }

// Lines is the plan in words.
func (p Plan) Lines() []ops.Line { return nil }

// Apply rotates.
func (p Plan) Apply(ctx context.Context, rep ops.Reporter) error { return errors.ErrUnsupported }
