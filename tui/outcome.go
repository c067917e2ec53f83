package tui

import (
	"fmt"

	"holdfast/ops"
)

// Verb is what an action does with its object.
type Verb int

// The verbs.
const (
	Boots       Verb = iota // an image
	SetsDefault             // to a slot, or to another entry of GRUB's menu
)

// Action is something on its way that can be under way but once.
type Action struct {
	Console  string // who asked for it; "" is the countdown
	Verb     Verb
	Object   string
	Progress ops.Progress
	Stopping bool // it was asked to stop
}

// phrases are what an action is called, with %s for its object.
var phrases = map[Verb]struct{ title, does, failed, until string }{
	Boots:       {"boot %s", "boots %s", "%s did not boot", "it is loaded"},
	SetsDefault: {"boot default %s", "sets the boot default to %s", "the boot default was not set to %s", "it is written"},
}

// title names the action: "boot active".
func (a Action) title() string { return fmt.Sprintf(phrases[a.Verb].title, a.Object) }

// does says what the action does: "boots active".
func (a Action) does() string { return fmt.Sprintf(phrases[a.Verb].does, a.Object) }

// until is how long the action can be stopped.
func (a Action) until() string { return phrases[a.Verb].until }

// who names the one that acts, for the others.
func (a Action) who() string {
	if a.Console == "" {
		return "automatic boot"
	}
	return a.Console
}

// Outcome is what came of an action.
type Outcome struct {
	Number int // counts up: two may read the same
	Action Action
	Failed bool
	Text   string
	Hint   string // what to do; may be empty
}

// message is the outcome for those who did not ask for it.
func (o Outcome) message() string {
	switch {
	case !o.Failed || o.Action.Object == "":
		return o.Text
	}
	return fmt.Sprintf(phrases[o.Action.Verb].failed, o.Action.Object) + ": " + o.Text
}
