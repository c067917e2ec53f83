package tui

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// span is a piece of text in one style. Its text is raw: it may come from the flash or the kernel's
// log. Every rune of it, and every byte that is none, takes one cell; Theme.draw sees to that.
type span struct {
	text  string
	style style
}

// line is one line of the screen.
type line []span

func plain(text string) line { return line{{text: text}} }

// clean makes a rune one that takes a single cell and drives no terminal. Marks would join their
// neighbour's cell, wide letters take two, and a serial terminal may know nothing but ASCII.
func clean(r rune, unicodes bool) rune {
	switch {
	case r >= ' ' && r < 0x7f:
		return r
	case r == '\t' || r == '\n':
		return ' '
	case !unicodes || r == utf8.RuneError || !unicode.IsPrint(r) || unicode.IsMark(r) || ansi.StringWidth(string(r)) != 1:
		return '?'
	}
	return r
}

// clip shortens text to width cells and says so by "...".
func clip(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	const more = "..."
	runes := []rune(text)
	if width <= len(more) {
		return string(runes[:max(width, 0)])
	}
	return string(runes[:width-len(more)]) + more
}

// pad fills text with spaces to width cells, or clips it.
func pad(text string, width int) string {
	if n := utf8.RuneCountInString(text); n < width {
		return text + strings.Repeat(" ", width-n)
	}
	return clip(text, width)
}

// wrap breaks text between words into lines of at most width cells; a longer word is broken where
// the line ends. There is always one line, be it empty.
func wrap(text string, width int) []string {
	width = max(width, 1)
	var lines []string
	var current []rune
	for _, word := range strings.Fields(text) {
		w := []rune(word)
		if len(current) > 0 && len(current)+1+len(w) > width {
			lines = append(lines, string(current))
			current = nil
		}
		if len(current) > 0 {
			current = append(current, ' ')
		}
		for len(current)+len(w) > width {
			cut := width - len(current)
			lines = append(lines, string(append(current, w[:cut]...)))
			current, w = nil, w[cut:]
		}
		current = append(current, w...)
	}
	if len(current) > 0 || len(lines) == 0 {
		lines = append(lines, string(current))
	}
	return lines
}

// labelled is text beside a label, wrapped under itself, in a column of its own.
func labelled(label, text string, column, width int) []line {
	return labelledIn(label, text, column, width, normal)
}

func labelledIn(label, text string, column, width int, s style) []line {
	var lines []line
	for _, part := range wrap(text, width-column) {
		lines = append(lines, line{{text: pad(label, column)}, {part, s}})
		label = ""
	}
	return lines
}

// from is the part of text that starts at the given cell.
func from(text string, cell int) string {
	runes := []rune(text)
	return string(runes[min(cell, len(runes)):])
}
