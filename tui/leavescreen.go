package tui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// leaveScreen offers the ways out of the stage.
type leaveScreen struct {
	view   *view
	at     int
	asking bool // the chosen way wants a yes
}

type way struct {
	text, ask string // ask is "" where nothing is lost
	move      move
}

// ways are the ways out; the harmless one is first, where Enter falls by itself.
func (s *leaveScreen) ways() []way {
	list := []way{{text: "back to the images", move: move{taken: true, back: true}}}
	if s.view.shell {
		list = append(list, way{text: "shell on this console", move: move{taken: true, back: true, shell: true}})
	}
	return append(list,
		way{"reboot", "Reboot the machine?", move{taken: true, ask: &request{kind: leaveConsole, leave: Reboot}}},
		way{"power off", "Power the machine off?", move{taken: true, ask: &request{kind: leaveConsole, leave: PowerOff}}})
}

// Is tells which screen this is.
func (s *leaveScreen) Is() screenKind { return leaveKind }

// Keys are those of a list.
func (s *leaveScreen) Keys() []key.Binding {
	k := s.view.keys
	if s.asking {
		return nil
	}
	k.Enter.SetHelp("Enter", "chooses")
	return []key.Binding{k.Enter, k.Back}
}

// Update chooses. Once it asks, every key but y means no.
func (s *leaveScreen) Update(k tea.KeyPressMsg) move {
	keys, ways := s.view.keys, s.ways()
	s.at = min(s.at, len(ways)-1)
	if s.asking {
		s.asking = false
		if key.Matches(k, keys.Yes) {
			return ways[s.at].move
		}
		return move{taken: true}
	}
	switch {
	case key.Matches(k, keys.Up):
		s.at = max(s.at-1, 0)
	case key.Matches(k, keys.Down):
		s.at = min(s.at+1, len(ways)-1)
	case key.Matches(k, keys.Enter):
		if ways[s.at].ask == "" {
			return ways[s.at].move
		}
		s.asking = true
	case key.Matches(k, keys.Leave):
	default:
		return move{}
	}
	return move{taken: true}
}

// View lists the ways out.
func (s *leaveScreen) View(width, height int) []line {
	lines := []line{s.view.theme.heading("leave", width)}
	for i, w := range s.ways() {
		if i == s.at {
			lines = append(lines, line{{text: marker}, {w.text, selected}})
		} else {
			lines = append(lines, plain("  "+w.text))
		}
	}
	lines = append(lines, nil)
	switch {
	case s.asking:
		for _, l := range wrap(s.ways()[s.at].ask+" y does, every other key does not.", width) {
			lines = append(lines, line{{l, title}})
		}
	case s.view.snap.Action != nil:
		lines = append(lines, labelled("", s.view.snap.Action.title()+" is under way; leaving stops it first.", 0, width)...)
	}
	return lines
}
