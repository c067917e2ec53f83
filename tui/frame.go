package tui

import (
	"fmt"
	"strings"

	"charm.land/bubbles/v2/key"

	"holdfast/ops/status"
)

// frame is the screen as lines: head, notice, body, foot.
func (m *root) frame() []string {
	v, w, h := m.view, m.width, m.height
	if m.tooSmall() {
		return m.excuse()
	}
	notice := v.notice(w)
	if b, ok := m.top().(teller); ok && b.tells() {
		notice = []line{nil} // it is what the screen is about
	}
	height := h - len(notice) - 2
	var body []line
	own := m.top().Keys()
	if m.countdown.active() {
		body, own = m.countdown.View(w, height), nil
	} else {
		body = m.top().View(w, height)
	}
	lines := append([]line{v.head(w)}, notice...)
	lines = append(lines, body[:min(len(body), height)]...)
	for len(lines) < h-1 {
		lines = append(lines, nil)
	}
	if !m.countdown.active() {
		lines = append(lines, v.foot(m.everywhere(), own, w))
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = v.theme.draw(l, w)
	}
	return out
}

// everywhere are the keys that every screen has, but for one on which a word is typed.
func (m *root) everywhere() []key.Binding {
	if t, ok := m.top().(interface{ typed() bool }); ok && t.typed() {
		return nil
	}
	k := m.view.keys
	return []key.Binding{k.Boot, k.Logs, k.Help, k.Leave, k.Default}
}

// teller is a screen that may be about an action of its own.
type teller interface{ tells() bool }

// excuse is the frame of a terminal on which nothing could be read whole. What matters most comes
// first, as it is cut where the terminal ends.
func (m *root) excuse() []string {
	text := fmt.Sprintf("%dx%d is too small: Holdfast needs %dx%d.", m.width, m.height, leastWidth, leastHeight)
	if m.probe != nil {
		text += " Ctrl-L asks for the size anew."
	}
	lines := wrap(text, m.width)
	lines = lines[:min(len(lines), m.height)]
	for i, l := range lines {
		lines[i] = m.view.theme.draw(plain(l), m.width)
	}
	return lines
}

// head names the program, the flash and, at the right, the console: with several in front of
// somebody, which is which.
func (v *view) head(width int) line {
	name := strings.TrimSpace("Holdfast " + v.version)
	flash := ""
	if r := v.snap.Report; r != nil {
		t := r.Target
		flash = "   " + strings.Join(strings.Fields("flash "+t.Name+" "+t.Type+" "+t.Access), " ")
	}
	room := width - len([]rune(v.console)) - 1
	name = clip(name, room)
	flash = pad(flash, room-len([]rune(name)))
	return line{{name, title}, {text: flash + " " + v.console}}
}

// notice is what has to be seen on every screen, below the head: one line, empty as a rule.
func (v *view) notice(width int) []line {
	text, s := v.news()
	lines := wrap(text, width)
	lines = lines[:min(len(lines), 3)]
	var out []line
	for _, l := range lines {
		out = append(out, line{{l, s}})
	}
	return out
}

func (v *view) news() (string, style) {
	s := v.snap
	switch {
	case s.Action != nil && s.Action.Console != v.console && (!s.Action.automatic() || s.Action.Stopping):
		state := percent(s.Action)
		if s.Action.Progress.Step == "" && s.Action.Note != "" { // it waits for something
			state = s.Action.Note
		}
		return fmt.Sprintf("%s %s: %s", s.Action.who(), s.Action.does(), state), title
	case s.Outcome != nil && !s.Outcome.Failed:
		return s.Outcome.message(), title
	case s.Outcome != nil:
		text := s.Outcome.message()
		if s.Outcome.Hint != "" {
			text += "; " + s.Outcome.Hint
		}
		return text, bad
	case s.Target.Notice != "":
		return s.Target.Notice, bad
	case s.Report != nil:
		return problems(s.Report), bad
	}
	return "", normal
}

// problems is the first of a report's problems, but for those of the boot default: they stand beside
// it, on the screens that show it.
func problems(r *status.Report) string {
	var all []string
	for _, p := range r.Problems {
		if !strings.HasPrefix(p, bootProblem) {
			all = append(all, p)
		}
	}
	switch len(all) {
	case 0:
		return ""
	case 1:
		return all[0]
	}
	return fmt.Sprintf("%s (and %d more in the logs)", all[0], len(all)-1)
}

// foot names the keys, those of every screen first: they stay where they are.
func (v *view) foot(global, own []key.Binding, width int) line {
	all := append(append(global, own...), v.keys.Repaint)
	space := gap
	if whole := keyLine(all[:len(all)-1], gap, 1<<10); len(whole) > width {
		space = " "
	}
	return plain(keyLine(all, space, width))
}

// keyLine names as many keys as there is room for.
func keyLine(keys []key.Binding, gap string, width int) string {
	var text string
	for _, b := range keys {
		h := b.Help()
		item := h.Key + " " + h.Desc
		if text != "" {
			item = gap + item
		}
		if len(text)+len(item) > width {
			break
		}
		text += item
	}
	return text
}

// pager is a text that may be longer than the screen.
type pager struct{ at int }

// Update scrolls, and reports whether the key was one for that. A page is what fits on the smallest
// screen, so that nothing is passed over on any.
func (p *pager) Update(k fmt.Stringer, keys KeyMap) bool {
	switch {
	case key.Matches(k, keys.Up):
		p.at--
	case key.Matches(k, keys.Down):
		p.at++
	case key.Matches(k, keys.PageUp):
		p.at -= leastHeight - 5
	case key.Matches(k, keys.PageDown):
		p.at += leastHeight - 5
	case key.Matches(k, keys.Top):
		p.at = 0
	case key.Matches(k, keys.End):
		p.at = 1 << 20
	default:
		return false
	}
	return true
}

// window is the part of the lines that is on the screen. A last line says that there is more.
func (p *pager) window(lines []line, height int) []line {
	if height <= 0 {
		return nil
	}
	if len(lines) <= height {
		p.at = 0
		return lines
	}
	room := max(height-1, 1)
	p.at = max(min(p.at, len(lines)-room), 0)
	out := append([]line(nil), lines[p.at:p.at+room]...)
	if height > 1 {
		out = append(out, plain(fmt.Sprintf("  (lines %d to %d of %d, arrows scroll)", p.at+1, p.at+room, len(lines))))
	}
	return out
}
