package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"
)

// countdown stands above all screens while the automatic boot is due or under way. A noisy line must
// neither stop nor hurry it, so only two keys in a row do anything: Space, then Enter.
type countdown struct {
	view  *view
	armed bool // the last key was Space
}

func (c *countdown) active() bool {
	s := c.view.snap
	return s.Countdown != nil || s.Action != nil && s.Action.Console == ""
}

// Update waits for Space and Enter.
func (c *countdown) Update(k tea.KeyPressMsg) move {
	stop := c.armed && k.String() == "enter"
	c.armed = k.String() == "space"
	switch {
	case !stop:
		return move{}
	case c.view.snap.Countdown != nil:
		return move{ask: &request{kind: stopCountdown}}
	}
	return move{ask: &request{kind: stopAction}}
}

// View counts. The number has a line of its own: a second costs a few bytes.
func (c *countdown) View(width, height int) []line {
	v := c.view
	const how = "Press Space, then Enter, to stop it and choose."
	if a := v.snap.Action; a != nil {
		return append(v.progress(width), line{{how, title}})
	}
	n := v.snap.Countdown
	lines := []line{v.theme.heading("automatic boot", width)}
	text := fmt.Sprintf("Booting %s (%s)", n.Image, n.Why)
	for _, l := range wrap(text, width) {
		lines = append(lines, plain(l))
	}
	lines = append(lines, plain(fmt.Sprintf("in %d s", n.Left)), nil)
	for _, l := range wrap(how, width) {
		lines = append(lines, line{{l, title}})
	}
	return append(lines, nil)
}
