package tui

import (
	"fmt"
	"unicode/utf8"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"holdfast/flash"
	"holdfast/ops/status"
)

// images is the first screen: the list, the selected image's details, and the end of the log.
type images struct {
	view *view
	at   int // first image on the screen
	rows int // images on the screen
}

// Is tells which screen this is.
func (s *images) Is() screenKind { return imagesKind }

// Keys are those of the list.
func (s *images) Keys() []key.Binding {
	var keys []key.Binding
	if s.view.snap.Failure != nil {
		dismiss := s.view.keys.Back
		dismiss.SetHelp("Esc", "dismiss")
		keys = append(keys, dismiss)
	}
	if _, ok := s.view.image(); ok {
		keys = append(keys, s.view.keys.Enter, s.view.keys.pair("choose"))
	}
	return keys
}

// Update moves the selection.
func (s *images) Update(k tea.KeyPressMsg) move {
	v := s.view
	keys := v.keys
	switch {
	case key.Matches(k, keys.Up):
		s.choose(-1)
	case key.Matches(k, keys.Down):
		s.choose(1)
	case key.Matches(k, keys.PageUp):
		s.choose(-s.rows)
	case key.Matches(k, keys.PageDown):
		s.choose(s.rows)
	case key.Matches(k, keys.Top):
		s.choose(-1 << 20)
	case key.Matches(k, keys.End):
		s.choose(1 << 20)
	case key.Matches(k, keys.Enter):
		if _, ok := v.image(); ok {
			return move{taken: true, to: &detailsScreen{view: v}}
		}
	case key.Matches(k, keys.Back) && v.snap.Failure != nil:
		return move{taken: true, ask: &request{kind: dismiss}}
	default:
		return move{}
	}
	return move{taken: true}
}

// choose moves the selection by so many images.
func (s *images) choose(by int) {
	img, ok := s.view.image()
	if !ok {
		return
	}
	list := s.view.snap.Report.Images
	at := max(min(s.index(img)+by, len(list)-1), 0)
	s.view.selected = list[at].Name
}

func (s *images) index(img status.Image) int {
	for i, other := range s.view.snap.Report.Images {
		if other.Name == img.Name {
			return i
		}
	}
	return 0
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
	rest := height - list
	logs := max((height-9)/2, 0)
	if logs < 3 {
		logs = 0
	}
	if most := 18; rest-logs > most {
		logs = rest - most
	}
	out := s.list(width, list)
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

// column is one column of the list.
type column struct {
	name  string
	text  func(*view, status.Image) string
	least int // cells it needs at least, when there are too few
	rank  int // columns of rank 1 go first when all are at their least; 0: never
}

var columns = []column{
	{"IMAGE", func(_ *view, i status.Image) string { return i.Name }, 7, 0},
	{"VERSION", func(_ *view, i status.Image) string { return dash(i.Version) }, 7, 3},
	{"KERNEL", func(_ *view, i status.Image) string { return dash(i.Header.Version) }, 12, 1},
	{"SIZE", func(_ *view, i status.Image) string { return sizeOf(i) }, 9, 2},
	{"STATE", func(v *view, i status.Image) string { return v.stateOf(i) }, 22, 0},
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
	if i.Name == v.snap.Report.Target.Default {
		text += ", default"
	}
	return text
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
	case i.Present && i.Broken != "":
		return bad
	case i.Integrity == flash.Intact:
		return good
	}
	return normal
}

const (
	marker = "> "
	gap    = "  "
)

// list is the images, one a line below the names of the columns.
func (s *images) list(width, height int) []line {
	v := s.view
	all := v.snap.Report.Images
	widths := v.widths(all, width-len(marker))
	img, _ := v.image()
	chosen := s.index(img)
	rows := max(height-1, 1)
	s.rows = rows
	s.at = max(min(s.at, chosen, len(all)-rows), chosen-rows+1, 0)

	head := line{{text: "  "}}
	for c, col := range columns {
		if widths[c] > 0 {
			head = append(head, span{col.name, title}, span{text: pad("", widths[c]-len(col.name)) + gap})
		}
	}
	if rows < len(all) {
		head = append(head, span{text: fmt.Sprintf("(%d of %d)", chosen+1, len(all))})
	}
	lines := []line{head}
	for i := s.at; i < min(s.at+rows, len(all)); i++ {
		lines = append(lines, v.row(all[i], widths, i == chosen))
	}
	return lines
}

func (v *view) row(img status.Image, widths []int, chosen bool) line {
	l := line{{text: "  "}}
	name := normal
	if chosen {
		l, name = line{{text: marker}}, selected
	}
	for c, col := range columns {
		w := widths[c]
		if w == 0 {
			continue
		}
		text := clip(col.text(v, img), w)
		rest := pad("", w-utf8.RuneCountInString(text)) + gap
		switch c {
		case 0: // the field alone is reversed: a whole row is eighty bytes
			l = append(l, span{text, name}, span{text: rest})
		case len(columns) - 1:
			l = append(l, span{text, worthStyle(img)})
		default:
			l = append(l, span{text: text + rest})
		}
	}
	return l
}

// widths shares the width among the columns: each is as wide as its longest text. When that is too
// much, those that have more than they need give way, the widest first; then columns go.
func (v *view) widths(all []status.Image, width int) []int {
	ws := make([]int, len(columns))
	for c, col := range columns {
		ws[c] = len(col.name)
		for _, img := range all {
			ws[c] = max(ws[c], utf8.RuneCountInString(col.text(v, img)))
		}
		ws[c] = min(ws[c], 40)
	}
	for total(ws) > width {
		widest := -1
		for c := range ws {
			if ws[c] > columns[c].least && (widest < 0 || ws[c] > ws[widest]) {
				widest = c
			}
		}
		switch {
		case widest >= 0:
			ws[widest]--
		case !drop(ws):
			return ws
		}
	}
	return ws
}

func total(ws []int) int {
	n := -len(gap)
	for _, w := range ws {
		if w > 0 {
			n += w + len(gap)
		}
	}
	return n
}

// drop takes away the column that is missed the least.
func drop(ws []int) bool {
	for rank := 1; rank <= 3; rank++ {
		for c, col := range columns {
			if col.rank == rank && ws[c] > 0 {
				ws[c] = 0
				return true
			}
		}
	}
	return false
}
