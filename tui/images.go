package tui

import (
	"fmt"
	"slices"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"holdfast/flash"
	"holdfast/flash/grub"
	"holdfast/ops/status"
)

// images is the first screen: the list, the selected image's details, and the end of the log.
type images struct {
	view  *view
	table table
}

// Is tells which screen this is.
func (s *images) Is() screenKind { return imagesKind }

// Keys are those of the list.
func (s *images) Keys() []key.Binding {
	var keys []key.Binding
	if s.view.snap.Outcome != nil {
		dismiss := s.view.keys.Back
		dismiss.SetHelp("Esc", "dismiss")
		keys = append(keys, dismiss)
	}
	if _, ok := s.view.image(); ok {
		k := s.view.keys
		keys = append(keys, k.Install, k.Rotate, k.Remove, k.Verify, k.Enter, k.pair("choose"))
	}
	return keys
}

// Update moves the selection.
func (s *images) Update(k tea.KeyPressMsg) move {
	v := s.view
	keys := v.keys
	switch {
	case s.table.Update(k, keys, v.imageIndex(), v.choose):
	case key.Matches(k, keys.Enter):
		if _, ok := v.image(); ok {
			return move{taken: true, to: &detailsScreen{view: v}}
		}
	case key.Matches(k, keys.Back) && v.snap.Outcome != nil:
		return move{taken: true, ask: &request{kind: dismiss}}
	default:
		return move{}
	}
	return move{taken: true}
}

// choose selects the image of that row, or the nearest.
func (v *view) choose(at int) {
	if _, ok := v.image(); ok {
		list := v.snap.Report.Images
		v.selected = list[max(min(at, len(list)-1), 0)].Name
	}
}

// imageIndex is the row of the selected image.
func (v *view) imageIndex() int {
	img, _ := v.image()
	if v.snap.Report == nil {
		return 0
	}
	return max(slices.IndexFunc(v.snap.Report.Images, func(i status.Image) bool { return i.Name == img.Name }), 0)
}

// View shares the height out: the list has a third of it at least, the log its part of the rest
// where there is enough, the details what remains. The shares depend on nothing that changes with
// the selection: on a serial line moving the log would cost a second.
func (s *images) View(width, height int) []line {
	v := s.view
	if v.snap.Report == nil {
		return append(v.absent(width), v.logPane(width, max(height-len(v.absent(width)), 0))...)
	}
	list := min(len(v.snap.Report.Images)+1, max(4, height/3))
	boots := append(v.nextBoot(width), v.lastEvent(width)...)
	rest := height - list - len(boots)
	logs := max((height-9)/2-len(boots)/2, 0)
	if logs < 3 {
		logs = 0
	}
	if most := 18; rest-logs > most {
		logs = rest - most
	}
	columns, rows := v.list()
	out := append(s.table.View(columns, rows, v.imageIndex(), width, list), boots...)
	out = append(out, fill(v.pane(width, rest-logs), rest-logs)...)
	return append(out, v.logPane(width, logs)...)
}

// absent says why there is nothing to list.
func (v *view) absent(width int) []line {
	t := v.snap.Target
	switch {
	case t.Problem != "":
		lines := append([]line{{{"No flash", bad}}}, labelled("", t.Problem, 2, width)...)
		if v.snap.Autoboot {
			lines = append(lines, labelled("", "The automatic boot begins when one is found; a shell ends that.", 2, width)...)
		}
		return append(lines, nil)
	case t.Searching:
		return []line{{{"Looking for the flash, for 10 s at first ...", title}}, nil}
	}
	return []line{{{"Reading the flash " + t.Name + " ...", title}}, nil}
}

// fill makes lines exactly n.
func fill(lines []line, n int) []line {
	for len(lines) < n {
		lines = append(lines, nil)
	}
	return lines[:max(n, 0)]
}

// columns of the list, each with what it says of an image.
var imageColumns = []struct {
	column
	text func(*view, status.Image) string
}{
	{column{"IMAGE", 7, 0}, func(_ *view, i status.Image) string { return i.Name }},
	{column{"VERSION", 7, 3}, func(_ *view, i status.Image) string { return dash(i.Version) }},
	{column{"KERNEL", 12, 1}, func(_ *view, i status.Image) string { return dash(i.Header.Version) }},
	{column{"SIZE", 9, 2}, func(_ *view, i status.Image) string { return sizeOf(i) }},
	{column{"STATE", 20, 0}, func(v *view, i status.Image) string { return v.stateOf(i) }},
}

// list is the images as a table.
func (v *view) list() ([]column, []row) {
	var columns []column
	for _, c := range imageColumns {
		columns = append(columns, c.column)
	}
	var rows []row
	for _, img := range v.snap.Report.Images {
		r := row{style: worthStyle(img)}
		for _, c := range imageColumns {
			r.cells = append(r.cells, c.text(v, img))
		}
		rows = append(rows, r)
	}
	return columns, rows
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func sizeOf(i status.Image) string {
	if !i.Present {
		return "-"
	}
	return size(i.Size)
}

// stateOf is what an image is worth, in a word, and whether GRUB boots it.
func (v *view) stateOf(i status.Image) string {
	text := worth(i)
	if s := bootState(i); s != "" {
		text += ", " + s
	}
	if i.Staged {
		return text
	}
	for _, m := range marks(v.snap.Report, func(e grub.Entry) bool { return e.Slot == i.Name }) {
		text += ", " + m
	}
	return text
}

// bootState is what is known of how an image boots, in words; "" where nobody asks: of factory and
// staged versions that no record speaks of.
func bootState(i status.Image) string {
	switch e := i.Entry; {
	case !i.Present:
		return ""
	case e.State == flash.Trial:
		return fmt.Sprintf("trial %d left", e.Tries)
	case e.State == flash.Untold && i.Name != flash.Active && i.Name != flash.Backup:
		return ""
	default:
		return e.State.String()
	}
}

// marks are what the boot loader makes of an entry: it is the default, or that of the next boot alone.
func marks(r *status.Report, is func(grub.Entry) bool) []string {
	b := r.Boot
	if b == nil {
		return nil
	}
	var list []string
	saved, ok := b.Entry, true
	if b.Saved.Once() != "" {
		if is(b.Entry) {
			list = append(list, "once")
		}
		saved, ok = b.Menu.Find(b.Saved.Entry())
	}
	if ok && is(saved) {
		list = append(list, "default")
	}
	return list
}

// imageName is an image as people speak of it: its slot and its version.
func imageName(i status.Image) string {
	if i.Version == "" || i.Version == i.Name {
		return i.Name
	}
	return i.Name + " " + i.Version
}

func worth(i status.Image) string {
	switch {
	case !i.Present:
		return "empty"
	case i.Integrity == flash.Damaged:
		return "damaged"
	case i.Broken != "":
		return "not bootable"
	}
	return i.Integrity.String()
}

func worthStyle(i status.Image) style {
	switch {
	case i.Present && (i.Broken != "" || i.Entry.State == flash.Bad):
		return bad
	case i.Integrity == flash.Intact, i.Integrity == flash.Verified:
		return good
	}
	return normal
}
