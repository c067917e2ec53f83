package tui

import (
	"fmt"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"holdfast/ops"
)

// taskScreen shows what a task would write and asks; then how it goes, and what came of it. Which of
// these it is follows from the state: another console may have been first.
type taskScreen struct {
	view   *view
	task   Task
	errand errand
	told   *Outcome // what came of it; nil: nothing yet
	text   pager
	word   entry
	spells bool // a word was asked for here: who types it may not have seen that the question is gone
}

// showTask leads to the plan of a task.
func showTask(v *view, t Task) move {
	return move{taken: true, to: &taskScreen{view: v, task: t}, ask: &request{kind: planTask, task: t}}
}

// startCheck leads to a verification, which changes nothing and asks nothing.
func startCheck(v *view, name string) move {
	s := &taskScreen{view: v, task: Task{Verb: Verifies, Object: name}}
	s.errand.send(v.snap)
	return move{taken: true, to: s, ask: &request{kind: verifyImage, object: name}}
}

// Is tells which screen this is.
func (s *taskScreen) Is() screenKind { return taskKind }

// Keys are those of the question.
func (s *taskScreen) Keys() []key.Binding {
	k := s.view.keys
	if s.ready() && s.draft().Word == "" {
		k.Yes.SetHelp("y", strings.Fields(phrases[s.task.Verb].agree)[0])
		return []key.Binding{k.Yes, k.Back}
	}
	return []key.Binding{k.Back}
}

// outcome is what came of the task that was agreed to here. It stays although another console puts it
// away: who asked may not have read it yet, and the plan below it is out of date.
func (s *taskScreen) outcome() *Outcome {
	if o := s.errand.outcome(s.view.snap); o != nil {
		s.told = o
	}
	return s.told
}

// tells reports whether the screen shows how a task goes or went.
func (s *taskScreen) tells() bool { return s.view.snap.Action != nil || s.outcome() != nil }

// draft is the hub's answer to what we asked to see; nil while there is none.
func (s *taskScreen) draft() *Draft {
	d := s.view.snap.Drafts[s.view.console]
	if d == nil || d.Task != s.task || d.Reading {
		return nil
	}
	return d
}

// ready reports whether there is something to agree to and nobody is doing anything.
func (s *taskScreen) ready() bool {
	snap := s.view.snap
	return s.draft().open() && !s.errand.waits(snap) && !s.tells() && snap.Report != nil
}

// Update takes the answer. The keys that lead to tasks do nothing here: one that is held would ask for
// the plan again and again.
func (s *taskScreen) Update(k tea.KeyPressMsg) move {
	v := s.view
	back := key.Matches(k, v.keys.Back)
	switch {
	case back && v.acts():
		return move{taken: true, ask: &request{kind: stopAction}}
	case back && s.outcome() != nil:
		return move{taken: true, home: true, ask: &request{kind: dismiss}}
	case back && s.draft() == nil:
		return move{taken: true, back: true, ask: &request{kind: dropTask}}
	case s.ready() && s.draft().Word != "":
		s.spells = true
		return s.spell(k)
	case s.spells && !back && k.Mod&tea.ModCtrl == 0:
		s.text.Update(k, v.keys.withoutLetters())
		return move{taken: true}
	case key.Matches(k, v.keys.Yes) && s.ready():
		return s.agree("")
	}
	return move{taken: s.text.Update(k, v.keys) || key.Matches(k, v.keys.tasks()...)}
}

// typed reports whether letters are the letters of a word here, and lead nowhere.
func (s *taskScreen) typed() bool { return s.spells || s.ready() && s.draft().Word != "" }

// spell takes a key while a word is typed: letters are its letters, and scroll nothing. It is not the
// key that brought the plan that agrees to it: when that is held it must not do what nobody has read.
func (s *taskScreen) spell(k tea.KeyPressMsg) move {
	keys := s.view.keys
	switch {
	case k.String() == "esc" || k.String() == "alt+esc":
		return move{taken: true, back: true}
	case k.Mod&tea.ModCtrl != 0:
		return move{}
	case s.text.Update(k, keys.withoutLetters()):
	case s.word.Update(k, keys, s.draft().Word):
		return s.agree(s.draft().Word)
	}
	return move{taken: true}
}

func (s *taskScreen) agree(word string) move {
	s.text, s.told, s.word, s.spells = pager{}, nil, entry{}, false // what comes of it is read from its start
	s.errand.send(s.view.snap)
	return move{taken: true, ask: &request{kind: doTask, draft: s.draft(), word: word}}
}

// View shows the plan, the progress or the outcome.
func (s *taskScreen) View(width, height int) []line {
	v := s.view
	switch {
	case v.snap.Action != nil:
		return v.progress(width)
	case s.outcome() != nil:
		lines := append(v.ended(s.outcome(), width), nil)
		if v.snap.Report != nil {
			lines = append(lines, v.nextBoot(width)...)
		}
		return s.text.window(lines, height)
	case v.snap.Report == nil:
		return v.absent(width)
	}
	return s.plan(width, height)
}

// plan shows what the task would write, and asks.
func (s *taskScreen) plan(width, height int) []line {
	v, d := s.view, s.draft()
	top := v.theme.heading(v.titleOf(s.task), width)
	if d == nil {
		return []line{top, plain(s.waiting()), nil, {{"Esc goes back.", title}}}
	}
	var lines []line
	if d.Refused != "" {
		lines = append(refusal(d.Refused, d.Hint, width), nil)
	}
	for _, l := range s.planned(d) {
		lines = append(lines, labelled(l.Label, l.Text, labelWidth, width)...)
	}
	question := []line{nil}
	for _, l := range wrap(s.question(d), width) {
		question = append(question, line{{l, title}})
	}
	if d.open() && d.Word != "" {
		question = append(question, s.word.View(width))
	}
	body := s.text.window(lines, height-1-len(question))
	return append(append([]line{top}, body...), question...)
}

func (s *taskScreen) waiting() string {
	switch s.task.Verb {
	case Verifies:
		return "Nothing is being verified."
	case Installs:
		return "Looking at the archive ..."
	}
	return "Looking at what has to be written ..."
}

func (s *taskScreen) question(d *Draft) string {
	agree := phrases[d.Task.Verb].agree
	switch {
	case d.Refused != "":
		return "Esc goes back."
	case d.Nothing:
		return "There is nothing to change. Esc goes back."
	case d.Word != "":
		return fmt.Sprintf("Type %s and Enter: that %s. Esc goes back.", d.Word, agree)
	}
	return "y " + agree + ", Esc goes back."
}

// planned is the plan in words, of a refused change of the default as far as the report tells.
func (s *taskScreen) planned(d *Draft) []ops.Line {
	r := s.view.snap.Report
	if len(d.Lines) > 0 || d.Task.Verb != SetsDefault {
		return d.Lines
	}
	entry := d.Task.Object
	return []ops.Line{{Label: "saved", Text: whereSaved(r)}, {Label: "wanted", Text: quoted(entry) + ", " + objectName(r, entry)}}
}

// titleOf names a task, with the slot where it has the entry's number.
func (v *view) titleOf(t Task) string {
	if t.Verb == SetsDefault {
		t.Object = objectName(v.snap.Report, t.Object)
	}
	return t.title()
}
