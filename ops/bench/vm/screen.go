package vm

import "strings"

// Screen is what a terminal or the VGA text mode shows at one moment.
type Screen struct {
	Rows []string // one string a row, as wide as the screen, one rune a cell
	X, Y int      // the cursor, from 0 at the top left
}

// String is the screen without the blanks at the ends of its rows and the blank rows at its end.
func (s Screen) String() string {
	rows := make([]string, len(s.Rows))
	for i, row := range s.Rows {
		rows[i] = strings.TrimRight(row, " ")
	}
	return strings.TrimRight(strings.Join(rows, "\n"), "\n")
}

// Contains says whether one row shows text.
func (s Screen) Contains(text string) bool {
	_, found := s.Find(text)
	return found
}

// Find gives the first row that shows text, without the blanks at its end.
func (s Screen) Find(text string) (row string, found bool) {
	for _, row := range s.Rows {
		if strings.Contains(row, text) {
			return strings.TrimRight(row, " "), true
		}
	}
	return "", false
}

// boxed is the screen for an error message: with an edge, so that blanks and blank rows are seen.
func (s Screen) boxed() string {
	var b strings.Builder
	for _, row := range strings.Split(s.String(), "\n") {
		b.WriteString("  | " + row + "\n")
	}
	return b.String()
}
