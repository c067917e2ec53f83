package ops

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Kind says what sort of failure an Error is. The command's exit code follows from it.
type Kind int

// The kinds, each with its exit code.
const (
	Internal     Kind = 1  // a defect of ours, or of the system below us
	Invalid      Kind = 2  // invalid, corrupt or unsigned image or archive
	NoFlash      Kind = 3  // flash not found or not readable
	NotWritable  Kind = 4  // flash not writable
	NoSpace      Kind = 5  // not enough space
	Refused      Kind = 6  // refused by a safety rule
	NotConfirmed Kind = 7  // not confirmed by the operator
	Usage        Kind = 64 // wrong usage
)

// Error is how an operation fails: what was tried, at which step, and what to do about it.
type Error struct {
	Kind Kind
	Op   string // "boot", "install"
	Step string // what was being done: "read kernel.img"; may be empty
	Hint string // what to do next, a sentence; may be empty
	Err  error
}

// Error is one line: step and cause. Op is left to the caller, who prints it in front.
func (e *Error) Error() string {
	var parts []string
	if e.Step != "" {
		parts = append(parts, e.Step)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ExitCode is the exit status for err: 0 for nil, the Kind of the Error it carries, else Internal.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	var e *Error
	if errors.As(err, &e) && e.Kind != 0 {
		return int(e.Kind)
	}
	return int(Internal)
}

// Stopped reports that nothing went wrong but that somebody stopped it: whatever err joins or wraps comes from
// a context that was cancelled. What could not be cleaned up then is another matter.
func Stopped(err error) bool {
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		all := e.Unwrap()
		return len(all) > 0 && !slices.ContainsFunc(all, func(err error) bool { return !Stopped(err) })
	case interface{ Unwrap() error }:
		return Stopped(e.Unwrap())
	}
	return err == context.Canceled
}
