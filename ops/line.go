package ops

import (
	"fmt"
	"strings"
)

// Line is one line of a plan: what it is about, and what it says of that.
type Line struct{ Label, Text string }

// String is the line as plain text.
func (l Line) String() string { return fmt.Sprintf("%-8s %s", l.Label, l.Text) }

// Join is the lines of a plan as text, without a newline at the end.
func Join(lines []Line) string {
	var text []string
	for _, l := range lines {
		text = append(text, l.String())
	}
	return strings.Join(text, "\n")
}
