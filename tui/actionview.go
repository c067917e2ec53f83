package tui

import (
	"fmt"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// acts reports whether it is this console that something is being done for. What the console does by
// itself may be stopped at each.
func (v *view) acts() bool {
	a := v.snap.Action
	return a != nil && (a.Console == v.console || a.Verb == Repairs && a.Console == "")
}

// wait takes a key of a list while something is done: what it lists is changing.
func (v *view) wait(k tea.KeyPressMsg) move {
	if key.Matches(k, v.keys.Back) && v.acts() {
		return move{taken: true, ask: &request{kind: stopAction}}
	}
	return move{}
}

// progress shows an action on its way. Percent and bar are on lines of their own: what lies between
// two changes of a line is sent again.
func (v *view) progress(width int) []line {
	a := v.snap.Action
	lines := []line{
		v.theme.heading(a.title(), width),
		plain("asked for by " + a.who()),
		plain(percent(a)),
		plain(v.theme.bar(a.Progress.Done, a.Progress.Total, min(width, 60))),
	}
	for _, text := range []string{a.Pace, a.Note} {
		if text != "" {
			lines = append(lines, plain(clip(text, width)))
		}
	}
	lines = append(lines, nil)
	if v.acts() && !a.Stopping {
		text := "Esc stops it."
		if until := a.until(); until != "" {
			text = "Esc stops it until " + until + "."
		}
		lines = append(lines, line{{text, title}})
	}
	return lines
}

// ended shows what came of an action to those who asked for it.
func (v *view) ended(o *Outcome, width int) []line {
	lines := []line{v.theme.heading(o.Action.title(), width)}
	if !o.Failed {
		lines = append(lines, labelledIn("done", o.Text, labelWidth, width, good)...)
		for _, l := range o.Lines {
			lines = append(lines, labelled("  "+l.Label, l.Text, labelWidth, width)...)
		}
		if o.Hint != "" {
			lines = append(lines, labelled("next", o.Hint, labelWidth, width)...)
		}
		return append(lines, nil, line{{"Esc goes back.", title}})
	}
	lines = append(lines, labelledIn("failed", o.Text, labelWidth, width, bad)...)
	if o.Hint != "" {
		lines = append(lines, labelled("try", o.Hint, labelWidth, width)...)
	}
	lines = append(lines, nil)
	answer := "Esc goes back."
	switch {
	case o.Action.Verb == Boots:
		answer = "Nothing has changed. " + answer
	case o.Same && o.Action.Verb != SetsDefault:
		answer = "The images and the boot default are as they were. " + answer
	}
	for _, l := range wrap(answer, width) {
		lines = append(lines, line{{l, title}})
	}
	return lines
}

// refusal says why a plan is none, and what to do about it.
func refusal(text, hint string, width int) []line {
	lines := labelledIn("refused", text, labelWidth, width, bad)
	if hint != "" {
		lines = append(lines, labelled("hint", hint, labelWidth, width)...)
	}
	return lines
}

// percent is an action's progress in a few words.
func percent(a *Action) string {
	p := a.Progress
	switch {
	case a.Stopping:
		return "stopping"
	case p.Step == "":
		return "starting"
	case p.Total > 0 && p.Done >= p.Total && a.Verb == Boots:
		return p.Step + " done, loading"
	case p.Total > 0:
		return fmt.Sprintf("%s %d %%", p.Step, min(p.Done, p.Total)*100/p.Total)
	}
	return p.Step
}

// errand is an action that a screen asked for, with what came of it. Where somebody else was first, it
// is what came of theirs: that has to be seen before anything is asked again.
type errand struct {
	asked  *Snapshot // what was shown when the request was sent; nil: none was
	before int       // number of the last outcome then
}

// send notes that the request goes out now.
func (e *errand) send(s *Snapshot) {
	e.asked = s
	if s.Outcome != nil {
		e.before = s.Outcome.Number
	}
}

// outcome is what came of it; nil while nothing has, and when it was put away.
func (e *errand) outcome(s *Snapshot) *Outcome {
	if e.asked == nil || s.Outcome == nil || s.Outcome.Number <= e.before {
		return nil
	}
	return s.Outcome
}

// waits reports whether the hub has not answered yet.
func (e *errand) waits(s *Snapshot) bool { return e.asked == s }
