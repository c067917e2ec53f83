package tui

import (
	"fmt"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"

	"holdfast/tui/terminal"
)

// style is what a piece of text is, not how it looks.
type style int

const (
	normal   style = iota
	title          // of the program, of a part of the screen
	selected       // what the keys act on
	good           // whole, done
	bad            // damaged, failed
)

// Theme is how things look on one console. Nothing is said by colour alone, and no text is given
// the terminal's own foreground or background colour: one of the two may be its background.
type Theme struct {
	styles    []lipgloss.Style
	unicode   bool
	rule      string // for lines across the screen
	full, gap string // of a bar
}

// newTheme is the theme for a console.
func newTheme(c terminal.Console) Theme {
	bold := lipgloss.NewStyle().Bold(true)
	t := Theme{
		styles:  []lipgloss.Style{normal: lipgloss.NewStyle(), title: bold, selected: lipgloss.NewStyle().Reverse(true), good: lipgloss.NewStyle(), bad: bold},
		unicode: c.Unicode, rule: "-", full: "#", gap: ".",
	}
	if c.Unicode { // these are in the kernel's VGA font
		t.rule, t.full, t.gap = "─", "█", "░"
	}
	if c.Colour {
		t.styles[good] = t.styles[good].Foreground(lipgloss.Green)
		t.styles[bad] = t.styles[bad].Foreground(lipgloss.Red)
	}
	return t
}

// profile is the colour profile of a console's program; attributes pass in each.
func profile(c terminal.Console) colorprofile.Profile {
	if c.Colour {
		return colorprofile.ANSI
	}
	return colorprofile.ASCII
}

// draw makes a line of at most width cells out of l. Whatever its texts hold, it neither drives the
// terminal nor takes more room.
func (t Theme) draw(l line, width int) string {
	var b strings.Builder
	for _, s := range l {
		text := strings.Map(func(r rune) rune {
			if width <= 0 {
				return -1
			}
			width--
			return clean(r, t.unicode)
		}, s.text)
		switch {
		case text == "":
		case s.style == normal:
			b.WriteString(text)
		default:
			b.WriteString(t.styles[s.style].Render(text))
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// heading is a rule across the screen with the name of what follows it.
func (t Theme) heading(text string, width int) line {
	text = clip(text, width-6)
	rest := width - len([]rune(text)) - 4
	return line{{text: strings.Repeat(t.rule, 2) + " "}, {text, title}, {text: " " + strings.Repeat(t.rule, max(rest, 0))}}
}

// bar shows a part of a whole.
func (t Theme) bar(done, total int64, width int) string {
	if total <= 0 || width <= 0 {
		return ""
	}
	n := int(min(max(done, 0), total) * int64(width) / total)
	return strings.Repeat(t.full, n) + strings.Repeat(t.gap, width-n)
}

// size is a number of bytes for people, in the columns of "123.4 MiB".
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, u := float64(n), 0
	for f >= 1000 && u < len(units)-1 {
		f, u = f/1024, u+1
	}
	if u == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[u])
}
