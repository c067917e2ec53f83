// Package install brings an image to the flash: into incoming, checked while it is written and read back
// from the device, then into a slot by whole directories that change places.
package install

import (
	"context"
	"errors"

	"holdfast/ops"
	"holdfast/ops/archive"
	"holdfast/ops/session"
	"holdfast/ops/status"
)

// DefaultTries is how often a new image may be booted before it must have confirmed.
const DefaultTries = 3

// Request asks for an installation.
type Request struct {
	Report    *status.Report
	Source    archive.Source
	Session   session.Options
	StageOnly bool   // put it beside the slots, under its version
	Slot      string // the slot that it replaces; "" leaves that to the rules
	Tries     int    // 0: DefaultTries
	MakeRoom  bool   // what the plan says has to go may go
	Override  bool   // a wrong model or a version below the floor was agreed to, by typing
}

// Plan is what an installation will do.
type Plan struct{}

// Plan looks at the flash and at the beginning of the archive.
func (r Request) Plan(ctx context.Context) (Plan, error) { return Plan{}, errors.ErrUnsupported }

// Lines is the plan in words.
func (p Plan) Lines() []ops.Line { return nil }

// Room names what has to be removed first; empty when there is room. Apply refuses without MakeRoom.
func (p Plan) Room() []string { return nil }

// Objection is what only Override lets pass: a wrong model, a version below the floor; "" for nothing.
func (p Plan) Objection() string { return "" }

// Apply installs. Until the slots change, cancelling ctx leaves nothing behind.
func (p Plan) Apply(ctx context.Context, rep ops.Reporter) error { return errors.ErrUnsupported }
