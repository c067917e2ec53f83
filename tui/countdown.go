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
	return s.Countdown != nil || s.Action != nil && s.Action.automatic() && !s.Action.Stopping || c.announced()
}

// announced reports whether an automatic boot is to come when the flash is found.
func (c *countdown) announced() bool {
	s := c.view.snap
	return s.Autoboot && s.Report == nil && s.Action == nil && s.Target.Problem == ""
}

// Update waits for Space and Enter.
func (c *countdown) Update(k tea.KeyPressMsg) move {
	stop := c.armed && k.String() == "enter"
	c.armed = k.String() == "space"
	switch {
	case !stop:
		return move{}
	case c.view.snap.Countdown != nil, c.announced():
		return move{ask: &request{kind: stopCountdown}}
	}
	return move{ask: &request{kind: stopAction}}
}

// View counts. The number has a line of its own: a second costs a few bytes.
func (c *countdown) View(width, height int) []line {
	v := c.view
	const how = "Press Space, then Enter, to stop it and choose."
	if a := v.snap.Action; a != nil {
		lines := v.progress(width)
		for _, l := range wrap(how, width) {
			lines = append(lines, line{{l, title}})
		}
		return lines
	}
	lines := []line{v.theme.heading("automatic boot", width)}
	if n := v.snap.Countdown; n != nil {
		for _, l := range wrap(fmt.Sprintf("Booting %s (%s)", n.Image, n.Why), width) {
			lines = append(lines, plain(l))
		}
		lines = append(lines, plain(fmt.Sprintf("in %d s", n.Left)), nil)
	} else {
		lines = append(append(lines, v.absent(width)...), plain("The automatic boot begins when it is found."), nil)
	}
	for _, l := range wrap(how, width) {
		lines = append(lines, line{{l, title}})
	}
	return append(lines, nil)
}
