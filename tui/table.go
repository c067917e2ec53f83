package tui

import (
	"fmt"
	"unicode/utf8"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

const (
	marker = "> "
	gap    = "  "
)

// column is one column of a table.
type column struct {
	name  string
	least int // cells it needs at least, when there are too few
	rank  int // columns of rank 1 go first when all are at their least; 0: never
}

// row is one row of a table: a text for each column.
type row struct {
	cells []string
	style style // of the last cell
}

// table is a list that one row is chosen of, as it is scrolled.
type table struct {
	at   int // first row on the screen
	page int // rows on the screen
}

// Update moves the choice from the row that is chosen, and reports whether the key was one for that.
// choose is given the row, which may be one beyond the ends.
func (t *table) Update(k tea.KeyPressMsg, keys KeyMap, chosen int, choose func(int)) bool {
	switch {
	case key.Matches(k, keys.Up):
		choose(chosen - 1)
	case key.Matches(k, keys.Down):
		choose(chosen + 1)
	case key.Matches(k, keys.PageUp):
		choose(chosen - t.page)
	case key.Matches(k, keys.PageDown):
		choose(chosen + t.page)
	case key.Matches(k, keys.Top):
		choose(0)
	case key.Matches(k, keys.End):
		choose(1 << 20)
	default:
		return false
	}
	return true
}

// View is the rows around the chosen one below the names of the columns.
func (t *table) View(columns []column, rows []row, chosen, width, height int) []line {
	widths := share(columns, rows, width-len(marker))
	t.page = max(height-1, 1)
	t.at = max(min(t.at, chosen, len(rows)-t.page), chosen-t.page+1, 0)

	head := line{{text: "  "}}
	for c, col := range columns {
		if widths[c] > 0 {
			head = append(head, span{col.name, title}, span{text: pad("", widths[c]-len(col.name)) + gap})
		}
	}
	if t.page < len(rows) {
		count := fmt.Sprintf("(%d of %d)", chosen+1, len(rows))
		if total(widths)+len(marker+gap+count) > width { // that there is more is worth more than the last name
			head = head[:len(head)-2]
		}
		head = append(head, span{text: count})
	}
	lines := []line{head}
	for i := t.at; i < min(t.at+t.page, len(rows)); i++ {
		lines = append(lines, rows[i].draw(widths, i == chosen))
	}
	return lines
}

func (r row) draw(widths []int, chosen bool) line {
	l := line{{text: "  "}}
	name := normal
	if chosen {
		l, name = line{{text: marker}}, selected
	}
	for c, cell := range r.cells {
		w := widths[c]
		if w == 0 {
			continue
		}
		text := clip(cell, w)
		rest := pad("", w-utf8.RuneCountInString(text)) + gap
		switch c {
		case 0: // the field alone is reversed: a whole row is eighty bytes
			l = append(l, span{text, name}, span{text: rest})
		case len(r.cells) - 1:
			l = append(l, span{text, r.style})
		default:
			l = append(l, span{text: text + rest})
		}
	}
	return l
}

// share shares the width among the columns: each is as wide as its longest text. When that is too
// much, those that could go as a whole give way first, the widest before the others; then they go, but
// for those that are missed the most; then the rest gives way.
func share(columns []column, rows []row, width int) []int {
	ws := natural(columns, rows)
	gone := 0
	for total(ws) > width {
		switch {
		case shrink(columns, ws, func(c column) bool { return c.rank > 0 }):
		case gone < 2:
			gone++
			full := natural(columns, rows)
			for c, col := range columns {
				if col.rank > 0 && col.rank <= gone {
					full[c] = 0
				}
			}
			ws = full
		case shrink(columns, ws, func(column) bool { return true }):
		case !drop(columns, ws):
			return ws
		}
	}
	return ws
}

// natural is each column as wide as its longest text.
func natural(columns []column, rows []row) []int {
	ws := make([]int, len(columns))
	for c, col := range columns {
		ws[c] = len(col.name)
		for _, r := range rows {
			ws[c] = max(ws[c], utf8.RuneCountInString(r.cells[c]))
		}
		ws[c] = min(ws[c], 40)
	}
	return ws
}

// shrink takes a cell from the widest of some columns that has more than it needs.
func shrink(columns []column, ws []int, which func(column) bool) bool {
	widest := -1
	for c := range ws {
		if ws[c] > columns[c].least && which(columns[c]) && (widest < 0 || ws[c] > ws[widest]) {
			widest = c
		}
	}
	if widest >= 0 {
		ws[widest]--
	}
	return widest >= 0
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
func drop(columns []column, ws []int) bool {
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
