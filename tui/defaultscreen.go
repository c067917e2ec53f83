package tui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"holdfast/flash/grub"
)

// defaultScreen lists what can be the boot default.
type defaultScreen struct {
	view   *view
	table  table
	chosen int // row; -1 until one is chosen
}

func newDefaultScreen(v *view) *defaultScreen { return &defaultScreen{view: v, chosen: -1} }

// Is tells which screen this is.
func (s *defaultScreen) Is() screenKind { return defaultKind }

// Keys are those of the list.
func (s *defaultScreen) Keys() []key.Binding {
	k := s.view.keys
	if len(s.view.groups()) == 0 {
		return []key.Binding{k.Back}
	}
	k.Enter.SetHelp("Enter", "plan")
	return []key.Binding{k.Enter, k.Back, k.pair("choose")}
}

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

// Update chooses.
func (s *defaultScreen) Update(k tea.KeyPressMsg) move {
	v := s.view
	if key.Matches(k, v.keys.Default) {
		return move{taken: true} // it is this screen already
	}
	if v.snap.Action != nil {
		return v.wait(k)
	}
	groups := v.groups()
	at := s.at(groups)
	choose := func(at int) { s.chosen = max(min(at, len(groups)-1), 0) }
	switch {
	case s.table.Update(k, v.keys, at, choose):
		return move{taken: true}
	case key.Matches(k, v.keys.Enter) && len(groups) > 0:
		s.chosen = at
		if name := v.savedName(groups[at]); name != "" {
			return showTask(v, Task{Verb: SetsDefault, Object: name})
		}
		return move{taken: true}
	}
	return move{}
}

// View shows the list.
func (s *defaultScreen) View(width, height int) []line {
	switch {
	case s.view.snap.Action != nil:
		return s.view.progress(width)
	case s.view.snap.Report == nil:
		return s.view.absent(width)
	}
	return s.list(width, height)
}
