package tui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"holdfast/ops/boot"
)

// bootScreen shows what a boot will do and asks; then how it goes, and why it failed. Which of these
// it is follows from the state: another console may have been first.
type bootScreen struct {
	view   *view
	image  string
	errand errand
	text   pager
}

func newBootScreen(v *view, image string) *bootScreen {
	return &bootScreen{view: v, image: image}
}

// Is tells which screen this is.
func (s *bootScreen) Is() screenKind { return bootKind }

// Keys are those of the question.
func (s *bootScreen) Keys() []key.Binding {
	k := s.view.keys
	if s.ready() {
		k.Enter.SetHelp("Enter", "boots")
		return []key.Binding{k.Enter, k.Back}
	}
	return []key.Binding{k.Back}
}

func (s *bootScreen) outcome() *Outcome { return s.errand.outcome(s.view.snap) }

// tells reports whether the screen shows how a boot goes or went, and not a plan.
func (s *bootScreen) tells() bool { return s.view.snap.Action != nil || s.outcome() != nil }

func (s *bootScreen) plan() (boot.Plan, error) {
	v := s.view
	return boot.Request{Report: v.snap.Report, Image: s.image, Consoles: v.kernel, Operator: v.console}.Plan()
}

// Update takes the answer.
func (s *bootScreen) Update(k tea.KeyPressMsg) move {
	v := s.view
	switch {
	case key.Matches(k, v.keys.Enter):
		return s.enter()
	case key.Matches(k, v.keys.Boot):
		return move{taken: true} // it is this screen already
	case key.Matches(k, v.keys.Back) && v.acts():
		return move{taken: true, ask: &request{kind: stopAction}}
	case key.Matches(k, v.keys.Back) && s.outcome() != nil:
		return move{taken: true, back: true, ask: &request{kind: dismiss}}
	}
	return move{taken: s.text.Update(k, v.keys)}
}

// ready reports whether there is something to agree to and nobody is doing anything. A failure has to
// be seen first: a stuck Enter key must not start the boot again.
func (s *bootScreen) ready() bool {
	snap := s.view.snap
	if s.errand.waits(snap) || s.outcome() != nil || snap.Report == nil || snap.Action != nil {
		return false
	}
	_, err := s.plan()
	return err == nil
}

// enter boots.
func (s *bootScreen) enter() move {
	v := s.view
	if !s.ready() {
		return move{taken: true}
	}
	s.errand.send(v.snap)
	return move{taken: true, ask: &request{kind: bootImage, object: s.image}}
}

// View shows the plan, the progress or the failure.
func (s *bootScreen) View(width, height int) []line {
	v := s.view
	switch {
	case v.snap.Action != nil:
		return v.progress(width)
	case s.outcome() != nil:
		return s.text.window(v.ended(s.outcome(), width), height)
	case v.snap.Report == nil:
		return v.absent(width)
	}
	plan, err := s.plan()
	lines := planLines(plan, width)
	question := []line{nil, {{"Enter boots, Esc goes back.", title}}}
	if err != nil {
		lines = append(append(refusal(err.Error(), hintOf(err), width), nil), lines...)
		question = []line{nil, {{"Esc goes back.", title}}}
	}
	top := v.theme.heading("boot "+s.image, width)
	body := s.text.window(lines, height-1-len(question))
	return append(append([]line{top}, body...), question...)
}

// planLines is a plan with its labels in a column, and its command line by origins.
func planLines(p boot.Plan, width int) []line {
	var lines []line
	if p.Image.Name == "" {
		return nil
	}
	for _, l := range p.Lines() {
		if l.Label == boot.CommandLineLabel {
			lines = append(lines, plain("boots with"))
			lines = append(lines, commandLine(p.CommandLine, width)...)
			continue
		}
		lines = append(lines, labelled(l.Label, l.Text, labelWidth, width)...)
	}
	return lines
}
