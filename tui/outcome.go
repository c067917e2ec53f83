package tui

import "holdfast/ops"

// Action is something on its way that can be under way but once.
type Action struct {
	Console  string // who asked for it; "" is the console itself: the countdown, or the repair at its start
	Verb     Verb
	Object   string
	Progress ops.Progress
	Pace     string // how much is done, how fast, how long it takes; "" when not known
	Note     string // what it said last; may be empty
	Stopping bool   // it was asked to stop
}

// Outcome is what came of an action.
type Outcome struct {
	Number int // counts up: two may read the same
	Action Action
	Failed bool
	Same   bool // although it failed, the images and the boot default are known to be as they were
	Text   string
	Lines  []ops.Line // what came of each image, where there are several
	Hint   string     // what to do; may be empty
}

// message is the outcome for those who did not ask for it.
func (o Outcome) message() string {
	if !o.Failed || o.Action.Verb == Boots && o.Action.Object == "" {
		return o.Text
	}
	return o.Action.Verb.named(phrases[o.Action.Verb].failed, o.Action.Object) + ": " + o.Text
}
