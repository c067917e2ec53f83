package tui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"holdfast/flash/grub"
	"holdfast/ops"
)

// defaultScreen lists what can be the boot default; then it shows what a change would write, how it
// goes, and what came of it. Which of these it is follows from the state, as on the boot screen.
type defaultScreen struct {
	view   *view
	table  table
	chosen int  // row; -1 until one is chosen
	asks   bool // its change is looked at
	errand errand
	told   *Outcome // what came of it; nil: nothing yet
	text   pager
}

func newDefaultScreen(v *view) *defaultScreen { return &defaultScreen{view: v, chosen: -1} }

// Is tells which screen this is.
func (s *defaultScreen) Is() screenKind { return defaultKind }

// Keys are those of the list, or of the question.
func (s *defaultScreen) Keys() []key.Binding {
	k := s.view.keys
	switch {
	case s.tells(), s.asks && !s.ready(), len(s.view.groups()) == 0:
		return []key.Binding{k.Back}
	case s.asks:
		k.Yes.SetHelp("y", "writes")
		return []key.Binding{k.Yes, k.Back}
	}
	k.Enter.SetHelp("Enter", "plan")
	return []key.Binding{k.Enter, k.Back, k.pair("choose")}
}

// outcome is what came of the change that was asked for here. It stays although another console puts it
// away: who asked may not have read it yet, and the plan below it is out of date.
func (s *defaultScreen) outcome() *Outcome {
	if o := s.errand.outcome(s.view.snap); o != nil {
		s.told = o
	}
	return s.told
}

// tells reports whether the screen shows how a change goes or went.
func (s *defaultScreen) tells() bool { return s.view.snap.Action != nil || s.outcome() != nil }

// at is the row that is chosen: at first that of the selected image, else of the default.
func (s *defaultScreen) at(groups []grub.Entry) int {
	if s.chosen >= 0 || len(groups) == 0 {
		return max(min(s.chosen, len(groups)-1), 0)
	}
	img, _ := s.view.image()
	row := 0
	for i, e := range groups {
		if e.Slot == img.Name && !img.Staged {
			return i
		}
		if b := s.view.snap.Report.Boot; inGroup(b.Menu, e, b.Entry) {
			row = i
		}
	}
	return row
}

// name is how a saved default names the chosen entry; "" when it cannot be named, or there is none.
func (s *defaultScreen) name() string {
	groups := s.view.groups()
	if len(groups) == 0 {
		return ""
	}
	return s.view.savedName(groups[s.at(groups)])
}

// draft is the hub's answer to what we asked to see; nil while there is none.
func (s *defaultScreen) draft() *Draft {
	d := s.view.snap.Drafts[s.view.console]
	if !s.asks || d == nil || d.Entry != s.name() || d.Reading {
		return nil
	}
	return d
}

// ready reports whether there is something to agree to and nobody is doing anything.
func (s *defaultScreen) ready() bool {
	snap, d := s.view.snap, s.draft()
	return d != nil && d.Refused == "" && !d.Nothing && !s.errand.waits(snap) && !s.tells() && snap.Report != nil
}

// Update chooses, or takes the answer.
func (s *defaultScreen) Update(k tea.KeyPressMsg) move {
	v := s.view
	back := key.Matches(k, v.keys.Back)
	switch {
	case key.Matches(k, v.keys.Default):
		return move{taken: true} // it is this screen already
	case back && v.acts():
		return move{taken: true, ask: &request{kind: stopAction}}
	case back && s.outcome() != nil:
		return move{taken: true, back: true, ask: &request{kind: dismiss}}
	case s.tells():
		return move{taken: s.text.Update(k, v.keys)}
	case s.asks:
		return s.answer(k)
	}
	groups := v.groups()
	at := s.at(groups)
	choose := func(at int) { s.chosen = max(min(at, len(groups)-1), 0) }
	switch {
	case s.table.Update(k, v.keys, at, choose):
		return move{taken: true}
	case key.Matches(k, v.keys.Enter):
		return s.look(at)
	}
	return move{}
}

// look asks for the plan of the chosen entry.
func (s *defaultScreen) look(at int) move {
	name := s.name()
	if name == "" {
		return move{taken: true}
	}
	s.chosen, s.asks, s.text = at, true, pager{}
	return move{taken: true, ask: &request{kind: planDefault, object: name}}
}

// answer takes a key while a change is looked at. It is not Enter that agrees: that brought the plan,
// and when it is held or stuck it must not write what nobody has read.
func (s *defaultScreen) answer(k tea.KeyPressMsg) move {
	v := s.view
	switch {
	case key.Matches(k, v.keys.Back):
		s.asks = false
		return move{taken: true}
	case key.Matches(k, v.keys.Yes):
		if !s.ready() {
			return move{taken: true}
		}
		s.text, s.told = pager{}, nil // what comes of it is read from its start
		s.errand.send(v.snap)
		return move{taken: true, ask: &request{kind: setDefault, draft: s.draft()}}
	}
	return move{taken: s.text.Update(k, v.keys)}
}

// View shows the list, the plan, the progress or the outcome.
func (s *defaultScreen) View(width, height int) []line {
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
	case s.asks:
		return s.plan(width, height)
	}
	return s.list(width, height)
}

// plan shows what the change would write, and asks.
func (s *defaultScreen) plan(width, height int) []line {
	v, d := s.view, s.draft()
	top := v.theme.heading("boot default "+objectName(v.snap.Report, s.name()), width)
	if d == nil {
		return []line{top, plain("Looking at what has to be written ..."), nil, {{"Esc goes back.", title}}}
	}
	var lines []line
	answer := "y writes it, Esc goes back."
	if d.Refused != "" {
		lines = append(refusal(d.Refused, d.Hint, width), nil)
		answer = "Esc goes back."
	} else if d.Nothing {
		answer = "There is nothing to change. Esc goes back."
	}
	for _, l := range s.planned(d) {
		lines = append(lines, labelled(l.Label, l.Text, labelWidth, width)...)
	}
	question := []line{nil}
	for _, l := range wrap(answer, width) {
		question = append(question, line{{l, title}})
	}
	body := s.text.window(lines, height-1-len(question))
	return append(append([]line{top}, body...), question...)
}

// planned is the plan in words, of a refused one as far as the report tells.
func (s *defaultScreen) planned(d *Draft) []ops.Line {
	if len(d.Lines) > 0 {
		return d.Lines
	}
	r := s.view.snap.Report
	return []ops.Line{{Label: "saved", Text: whereSaved(r)}, {Label: "wanted", Text: quoted(d.Entry) + ", " + objectName(r, d.Entry)}}
}
