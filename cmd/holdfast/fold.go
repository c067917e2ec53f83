package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"holdfast/ops"
)

// labelColumn is where the text of an ops.Line begins.
var labelColumn = len(ops.Line{}.String())

// print prints text for people. On a terminal its lines are folded; in a pipe or a file they stay whole,
// for grep.
func (a *app) print(text string) error {
	if width := columns(a.out); width > 0 {
		text = fold(text, width)
	}
	_, err := io.WriteString(a.out, text)
	return err
}

// printPlan prints what an operation will do. Nobody to read it is no reason not to do it: see
// outliveReaders.
func (a *app) printPlan(p fmt.Stringer) { _ = a.print(p.String() + "\n") }

// fold breaks lines between words that are longer than width cells. What is left of a line goes under
// the text beside its label, of an indented one two columns further in. A word that is longer stays
// whole, so that a path can be copied.
func fold(text string, width int) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		line, newline := strings.CutSuffix(line, "\n")
		indent := len(line) - len(strings.TrimLeft(line, " "))
		hang := labelColumn
		if indent > 0 {
			hang = indent + 2
		}
		from := max(indent, labelColumn) // the first break is after a word of the text
		for utf8.RuneCountInString(line) > width {
			at := breakOf(line, width, from)
			if at < 0 {
				break
			}
			out.WriteString(strings.TrimRight(line[:at], " ") + "\n")
			line = strings.Repeat(" ", hang) + strings.TrimLeft(line[at:], " ")
			from = hang
		}
		out.WriteString(line)
		if newline {
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// breakOf is the place of the last space within width cells and behind the first from bytes, else of
// the first one after that; -1 when there is none.
func breakOf(line string, width, from int) int {
	best, cell := -1, 0
	for i, r := range line {
		if cell > width && best >= 0 {
			break
		}
		if r == ' ' && i > from {
			best = i
			if cell > width {
				break
			}
		}
		cell++
	}
	return best
}
