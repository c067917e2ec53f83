package tui

import "fmt"

// Verb is what an action does with its object.
type Verb int

// The verbs.
const (
	Boots       Verb = iota // an image
	SetsDefault             // to a slot, or to another entry of GRUB's menu
	Installs                // an archive
	Rotates                 // a staged version in; without one, active and backup
	Removes                 // an image
	Verifies                // an image; without one, all of them
	Repairs                 // what a crash interrupted
	Clears                  // the mark of an image that did not confirm
)

// phrases are what an action is called, with %s for its object.
var phrases = map[Verb]struct{ title, does, failed, until, agree, whole string }{
	Boots:       {"boot %s", "boots %s", "%s did not boot", "it is loaded", "boots it", ""},
	SetsDefault: {"boot default %s", "sets the boot default to %s", "the boot default was not set to %s", "it is written", "writes it", ""},
	Installs:    {"install %s", "installs %s", "%s was not installed", "the slots change", "installs it", ""},
	Rotates:     {"rotate %s", "rotates %s", "no rotation of %s", "the slots change", "does it", "active and backup"},
	Removes:     {"remove %s", "removes %s", "%s was not removed", "it is deleted", "removes it", ""},
	Verifies:    {"verify %s", "verifies %s", "%s could not be verified", "", "", "all images"},
	Repairs:     {"repair %s", "repairs %s", "no repair of %s", "", "", "the flash"},
	Clears:      {"clear the mark of %s", "clears the mark of %s", "the mark of %s was not cleared", "it is written", "clears it", ""},
}

// named fills a phrase in.
func (v Verb) named(phrase, object string) string {
	if object == "" {
		object = phrases[v].whole
	}
	return fmt.Sprintf(phrase, object)
}

// title names the task: "remove backup".
func (t Task) title() string { return t.Verb.named(phrases[t.Verb].title, t.Object) }

// title names the action: "boot active".
func (a Action) title() string { return a.Verb.named(phrases[a.Verb].title, a.Object) }

// does says what the action does: "boots active".
func (a Action) does() string { return a.Verb.named(phrases[a.Verb].does, a.Object) }

// until is how long the action can be stopped.
func (a Action) until() string { return phrases[a.Verb].until }

// automatic reports whether it is the automatic boot.
func (a Action) automatic() bool { return a.Console == "" && a.Verb == Boots }

// who names the one that acts, for the others.
func (a Action) who() string {
	switch {
	case a.automatic():
		return "automatic boot"
	case a.Console == "":
		return "Holdfast"
	}
	return a.Console
}
