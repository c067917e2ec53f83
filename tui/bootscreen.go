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
	asked  *Snapshot // what was shown when we sent the request; nil: we did not
	before int       // number of the last failure then
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

// failure is how the boot that we asked for failed.
func (s *bootScreen) failure() *Failure {
	f := s.view.snap.Failure
	if s.asked == nil || f == nil || f.Number <= s.before {
		return nil
	}
	return f
}

// tells reports whether the screen shows how a boot goes or went, and not a plan.
func (s *bootScreen) tells() bool { return s.view.snap.Action != nil || s.failure() != nil }

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
	case key.Matches(k, v.keys.Back) && v.snap.Action != nil && v.snap.Action.Console == v.console:
		return move{taken: true, ask: &request{kind: stopAction}}
	case key.Matches(k, v.keys.Back) && s.failure() != nil:
		return move{taken: true, back: true, ask: &request{kind: dismiss}}
	}
	return move{taken: s.text.Update(k, v.keys)}
}

// ready reports whether there is something to agree to and nobody is doing anything. A failure has to
// be seen first: a stuck Enter key must not start the boot again.
func (s *bootScreen) ready() bool {
	snap := s.view.snap
	if s.asked == snap || s.failure() != nil || snap.Report == nil || snap.Action != nil {
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
	s.asked = v.snap
	if v.snap.Failure != nil {
		s.before = v.snap.Failure.Number
	}
	return move{taken: true, ask: &request{kind: bootImage, image: s.image}}
}

// View shows the plan, the progress or the failure.
func (s *bootScreen) View(width, height int) []line {
	v := s.view
	switch {
	case v.snap.Action != nil:
		return v.progress(width)
	case s.failure() != nil:
		return s.text.window(v.failed(s.failure(), width), height)
	case v.snap.Report == nil:
		return v.absent(width)
	}
	plan, err := s.plan()
	lines := planLines(plan, width)
	question := []line{nil, {{"Enter boots, Esc goes back.", title}}}
	if err != nil {
		reasons := labelledIn("refused", err.Error(), labelWidth, width, bad)
		if hint := hintOf(err); hint != "" {
			reasons = append(reasons, labelled("hint", hint, labelWidth, width)...)
		}
		lines = append(append(reasons, nil), lines...)
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

// progress shows an action on its way. Percent and bar are on lines of their own: what lies between
// two changes of a line is sent again.
func (v *view) progress(width int) []line {
	a := v.snap.Action
	lines := []line{
		v.theme.heading("boot "+a.Image, width),
		plain("asked for by " + a.who()),
		plain(percent(a)),
		plain(v.theme.bar(a.Progress.Done, a.Progress.Total, min(width, 60))),
		nil,
	}
	if a.Console == v.console && !a.Stopping {
		lines = append(lines, line{{"Esc stops it until it is loaded.", title}})
	}
	return lines
}

func (v *view) failed(f *Failure, width int) []line {
	lines := []line{v.theme.heading("boot "+f.Action.Image, width)}
	lines = append(lines, labelledIn("failed", f.Text, labelWidth, width, bad)...)
	if f.Hint != "" {
		lines = append(lines, labelled("try", f.Hint, labelWidth, width)...)
	}
	return append(lines, nil, line{{"Nothing has changed. Esc goes back.", title}})
}
