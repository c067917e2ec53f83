package tui

import (
	"fmt"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"holdfast/ops/logs"
)

// logText is a line of the log: seconds since the kernel started, a mark at what is an error.
func logText(l logs.Line) string {
	mark := " "
	if l.Level <= 3 {
		mark = "!"
	}
	return fmt.Sprintf("%9.3f%s %s", l.At.Seconds(), mark, l.Text)
}

// logPane is the end of the log under a heading; nothing when there is no room for both.
func (v *view) logPane(width, height int) []line {
	if height < 2 {
		return nil
	}
	lines := []line{v.theme.heading("log", width)}
	for _, l := range tail(v.snap.Log, height-1) {
		lines = append(lines, plain(clip(logText(l), width)))
	}
	return lines
}

func tail(all []logs.Line, n int) []logs.Line { return all[max(len(all)-n, 0):] }

// logScreen is the whole log. Lines are counted from the first there ever was, so that what is read
// stays in place while new ones come and old ones go.
type logScreen struct {
	view   *view
	follow bool // show the newest
	at     int  // number of the first line on the screen, when not following
	pan    int  // cells that long lines are moved by
	height int  // lines shown last time
}

func newLogScreen(v *view) *logScreen { return &logScreen{view: v, follow: true, height: 1} }

// Is tells which screen this is.
func (s *logScreen) Is() screenKind { return logsKind }

// Keys are those of a long text with long lines.
func (s *logScreen) Keys() []key.Binding {
	k := s.view.keys
	return []key.Binding{k.Back, k.pair("scroll"), k.sides("pan")}
}

// Update scrolls and pans.
func (s *logScreen) Update(k tea.KeyPressMsg) move {
	keys := s.view.keys
	switch {
	case key.Matches(k, keys.Up):
		s.scroll(-1)
	case key.Matches(k, keys.Down, keys.Enter):
		s.scroll(1)
	case key.Matches(k, keys.PageUp):
		s.scroll(-s.height)
	case key.Matches(k, keys.PageDown):
		s.scroll(s.height)
	case key.Matches(k, keys.Top):
		s.follow, s.at = false, 0
	case key.Matches(k, keys.End):
		s.follow = true
	case key.Matches(k, keys.Left):
		s.pan = max(s.pan-panBy, 0)
	case key.Matches(k, keys.Right):
		s.pan += panBy
	case key.Matches(k, keys.Logs):
	default:
		return move{}
	}
	return move{taken: true}
}

// panBy is half the smallest screen: at every step there is something that one has just read.
const panBy = leastWidth / 2

// scroll moves by so many lines; past the end it follows again.
func (s *logScreen) scroll(by int) {
	last := s.last()
	at := s.at
	if s.follow {
		at = last
	}
	s.at = max(at+by, s.view.snap.LogFirst)
	s.follow = s.at >= last
}

// last is the number of the first line on the screen when the newest is on it.
func (s *logScreen) last() int {
	first := s.view.snap.LogFirst
	return max(first+len(s.view.snap.Log)-s.height, first)
}

// View shows as many lines as there is room for.
func (s *logScreen) View(width, height int) []line {
	snap := s.view.snap
	s.height = max(height-1, 1)
	s.pan = min(s.pan, longest(snap.Log)-1)
	s.pan = max(s.pan, 0)
	at := s.last()
	if !s.follow {
		at = max(min(s.at, at), snap.LogFirst)
	}
	shown := snap.Log[at-snap.LogFirst:]
	shown = shown[:min(len(shown), s.height)]
	lines := []line{s.view.theme.heading(s.head(at, len(shown)), width)}
	if len(snap.Log) == 0 {
		return append(lines, plain("Nothing was logged yet."))
	}
	for _, l := range shown {
		text := from(logText(l), s.pan)
		style := normal
		if l.Level <= 3 {
			style = title
		}
		lines = append(lines, line{{clip(text, width), style}})
	}
	return lines
}

func longest(all []logs.Line) (n int) {
	for _, l := range all {
		n = max(n, len(l.Text)+11)
	}
	return n
}

// head says where in the log this is; while following it does not change with every line.
func (s *logScreen) head(at, n int) string {
	text := "log, follows"
	if !s.follow {
		text = fmt.Sprintf("log, lines %d to %d of %d", at+1, at+n, s.view.snap.LogFirst+len(s.view.snap.Log))
	}
	if s.pan > 0 {
		text += fmt.Sprintf(", from column %d", s.pan+1)
	}
	return text
}
