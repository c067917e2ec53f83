// Package grubdefault sets GRUB's saved boot default, so that GRUB itself reads it at the next start:
// through the file where its file system is mounted for writing, else in the sectors of the device.
// One sector changes and nothing else, and nothing is written that could not be proved right first.
package grubdefault

import (
	"context"
	"errors"

	"holdfast/ops"
	"holdfast/ops/status"
)

// Request asks for another default. Exactly one of Slot, Entry and Retries is set.
type Request struct {
	Report  *status.Report // of the flash, whose Target says where GRUB's files are
	Slot    string         // the first entry of this slot
	Entry   string         // this entry, by its number, its id or its title
	Retries int            // confirm: the saved number less one, rounded down to a multiple of this
}

// Plan is what will be written, and where.
type Plan struct {
	From, To string // what is saved now, and then
}

// Plan finds the saved default and checks everything that its writing depends on. What must not be
// written is an *ops.Error of kind Invalid or Refused.
func (r Request) Plan() (Plan, error) { return Plan{}, errors.ErrUnsupported }

// Nothing reports that the default is already what was asked for.
func (p Plan) Nothing() bool { return p.From == p.To }

// Lines is the plan in plain words.
func (p Plan) Lines() []ops.Line { return nil }

// String is Lines, joined.
func (p Plan) String() string { return ops.Join(p.Lines()) }

// Apply writes, reads back, and logs. Writing one sector cannot be cancelled half way: ctx is heeded
// before.
func (p Plan) Apply(ctx context.Context, rep ops.Reporter) error { return errors.ErrUnsupported }
