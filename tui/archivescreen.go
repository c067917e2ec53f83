package tui

import (
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"holdfast/ops/archive"
	"holdfast/ops/status"
)

// archiveScreen lists what can be installed: the archives on the volumes of the machine, and the
// versions that are on the flash beside the slots.
type archiveScreen struct {
	view   *view
	table  table
	chosen *archive.Source // what is chosen; nil: a staged version, or the first
	staged string          // "" when no staged version is
}

// openArchives leads to the list, which is made anew.
func openArchives(v *view) move {
	return move{taken: true, to: &archiveScreen{view: v}, ask: &request{kind: findArchives}}
}

// offer is one row: what it is called, and what choosing it leads to.
type offer struct {
	row  row
	task Task
}

// offers are the rows, staged versions first: they are checked and on the flash already.
func (s *archiveScreen) offers() []offer {
	var list []offer
	for _, img := range stagedImages(s.view.snap.Report) {
		list = append(list, offer{
			row{[]string{img.Name, size(img.Size), "on the flash", worth(img)}, worthStyle(img)},
			Task{Verb: Rotates, Object: img.Name}})
	}
	found := s.view.snap.Archives.List
	for i := range found {
		a := &found[i]
		list = append(list, offer{
			row{[]string{a.Path, size(a.Size), a.Where, day(a.ModTime)}, normal},
			Task{Verb: Installs, Object: a.Name, Archive: &a.Source}})
	}
	return list
}

func stagedImages(r *status.Report) []status.Image {
	var list []status.Image
	for _, img := range r.Images {
		if img.Staged {
			list = append(list, img)
		}
	}
	return list
}

func day(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.Format("2006-01-02 15:04")
}

// Is tells which screen this is.
func (s *archiveScreen) Is() screenKind { return archivesKind }

// Keys are those of the list.
func (s *archiveScreen) Keys() []key.Binding {
	k := s.view.keys
	k.Enter.SetHelp("Enter", "plan")
	return []key.Binding{k.Enter, k.Back, k.Again, k.pair("choose")}
}

// at is the row that is chosen. It stays with what it shows, also when the list is made anew.
func (s *archiveScreen) at(list []offer) int {
	for i, o := range list {
		if s.staged != "" && o.task.Verb == Rotates && o.task.Object == s.staged ||
			s.chosen != nil && o.task.Archive != nil && o.task.Object == s.chosen.Name {
			return i
		}
	}
	return 0
}

// Update chooses.
func (s *archiveScreen) Update(k tea.KeyPressMsg) move {
	v := s.view
	switch {
	case v.snap.Action != nil:
		return v.wait(k)
	case v.snap.Report == nil:
		return move{}
	}
	list := s.offers()
	at := s.at(list)
	choose := func(at int) {
		if len(list) > 0 {
			t := list[max(min(at, len(list)-1), 0)].task
			s.chosen, s.staged = t.Archive, ""
			if t.Verb == Rotates {
				s.staged = t.Object
			}
		}
	}
	switch {
	case key.Matches(k, v.keys.Install):
		return move{taken: true} // it is this screen already
	case s.table.Update(k, v.keys, at, choose):
		return move{taken: true}
	case key.Matches(k, v.keys.Again):
		return move{taken: true, ask: &request{kind: findArchives}}
	case key.Matches(k, v.keys.Enter):
		if len(list) == 0 {
			return move{taken: true}
		}
		choose(at)
		return showTask(v, list[at].task)
	}
	return move{}
}

var offerColumns = []column{{"ARCHIVE", 15, 0}, {"SIZE", 9, 2}, {"WHERE", 10, 0}, {"DATE", 10, 1}}

// View shows the list, and how far the search is.
func (s *archiveScreen) View(width, height int) []line {
	v := s.view
	switch {
	case v.snap.Action != nil:
		return v.progress(width)
	case v.snap.Report == nil:
		return v.absent(width)
	}
	found, list := v.snap.Archives, s.offers()
	lines := []line{v.theme.heading("install", width)}
	state := ""
	switch {
	case found.Looking:
		state = "Looking for archives on every volume ..."
	case len(list) == 0 && found.Looked:
		state = "No archive was found on any volume, and no version is on the flash beside the slots. Connect a stick with one, then s looks again."
	}
	if !found.Looking && !found.Looked {
		state = "s looks for archives on every volume."
	}
	var below []line
	for _, text := range []string{state, found.Problem} {
		if text != "" {
			below = append(below, labelled("", text, 0, width)...)
		}
	}
	below = below[:min(len(below), max(height-6, 1))]
	answer := "Esc goes back."
	if len(list) > 0 {
		answer = "Enter shows the plan, Esc goes back."
	}
	below = append(below, nil, line{{answer, title}})
	if len(list) > 0 {
		room := height - len(lines) - len(below) - 1
		lines = append(lines, s.table.View(offerColumns, rowsOf(list), s.at(list), width, min(len(list)+1, max(room, 2)))...)
	}
	return append(append(lines, nil), below...)
}

func rowsOf(list []offer) []row {
	var rows []row
	for _, o := range list {
		rows = append(rows, o.row)
	}
	return rows
}
