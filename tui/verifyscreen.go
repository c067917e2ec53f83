package tui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"holdfast/ops/status"
)

// verifyScreen asks what is to be verified: one image, or all of them.
type verifyScreen struct {
	view   *view
	table  table
	chosen string // image; "" is all of them
}

func newVerifyScreen(v *view) *verifyScreen {
	img, _ := v.image()
	return &verifyScreen{view: v, chosen: img.Name}
}

// Is tells which screen this is.
func (s *verifyScreen) Is() screenKind { return verifyKind }

// Keys are those of the list.
func (s *verifyScreen) Keys() []key.Binding {
	k := s.view.keys
	k.Enter.SetHelp("Enter", "verifies")
	return []key.Binding{k.Enter, k.Back, k.pair("choose")}
}

// names are the rows: the images that are there, then all of them.
func (s *verifyScreen) rows() (names []string, rows []row) {
	for _, img := range s.view.snap.Report.Images {
		if img.Present {
			names = append(names, img.Name)
			rows = append(rows, row{[]string{img.Name, dash(img.Version), foundSoFar(img)}, worthStyle(img)})
		}
	}
	return append(names, ""), append(rows, row{[]string{"all", "", "every image, one after the other"}, normal})
}

func foundSoFar(img status.Image) string {
	if img.Integrity == 0 {
		return worth(img)
	}
	return finding(img)
}

// Update chooses.
func (s *verifyScreen) Update(k tea.KeyPressMsg) move {
	v := s.view
	switch {
	case v.snap.Action != nil:
		return v.wait(k)
	case v.snap.Report == nil:
		return move{}
	}
	names, _ := s.rows()
	at := indexOf(names, s.chosen)
	choose := func(at int) { s.chosen = names[max(min(at, len(names)-1), 0)] }
	switch {
	case key.Matches(k, v.keys.Verify):
		return move{taken: true} // it is this screen already
	case s.table.Update(k, v.keys, at, choose):
		return move{taken: true}
	case key.Matches(k, v.keys.Enter):
		return startCheck(v, names[at])
	}
	return move{}
}

// indexOf is the place of a name, or the last where it has gone.
func indexOf(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return len(names) - 1
}

var verifyColumns = []column{{"IMAGE", 7, 0}, {"VERSION", 7, 1}, {"FOUND", 20, 0}}

// View lists the images with what is known of them.
func (s *verifyScreen) View(width, height int) []line {
	v := s.view
	switch {
	case v.snap.Action != nil:
		return v.progress(width)
	case v.snap.Report == nil:
		return v.absent(width)
	}
	names, rows := s.rows()
	lines := []line{v.theme.heading("verify", width)}
	lines = append(lines, s.table.View(verifyColumns, rows, indexOf(names, s.chosen), width, min(len(rows)+1, max(height-3, 2)))...)
	return append(lines, nil, line{{"Enter verifies, Esc goes back.", title}})
}
