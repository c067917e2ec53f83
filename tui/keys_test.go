package tui

import (
	"slices"
	"testing"

	tea "charm.land/bubbletea/v2"
)

// TestKeys: what keys ask of the hub, and which screen they lead to.
func TestKeys(t *testing.T) {
	for _, test := range []struct {
		name   string
		state  func() *Snapshot
		keys   []string
		asks   []request
		screen screenKind
	}{
		{"boot asks first", plainState, []string{"b"}, nil, bootKind},
		{"Enter boots", plainState, []string{"b", "enter"}, []request{{kind: bootImage, object: "active"}}, bootKind},
		{"the selected one", plainState, []string{"down", "b", "enter"}, []request{{kind: bootImage, object: "backup"}}, bootKind},
		{"once", plainState, []string{"b", "enter", "enter", "enter"}, []request{{kind: bootImage, object: "active"}}, bootKind},
		{"two Enters are not a boot", plainState, []string{"enter", "enter"}, nil, detailsKind},
		{"Esc is no", plainState, []string{"b", "esc"}, nil, imagesKind},
		{"y is not Enter", plainState, []string{"b", "y"}, nil, bootKind},
		{"refused", brokenState, []string{"down", "b", "enter"}, nil, bootKind},
		{"somebody else acts", func() *Snapshot { return acting("tty0") }, []string{"b", "enter"}, nil, bootKind},
		{"Esc stops our own", func() *Snapshot { return acting("ttyS0") }, []string{"b", "esc"}, []request{{kind: stopAction}}, bootKind},
		{"Esc stops nobody else's", func() *Snapshot { return acting("tty0") }, []string{"b", "esc"}, nil, imagesKind},
		{"a failure goes by Esc", failedState, []string{"esc"}, []request{{kind: dismiss}}, imagesKind},
		{"logs and back", plainState, []string{"l", "?", "l", "esc"}, nil, imagesKind},
		{"boot from the logs", plainState, []string{"down", "l", "b", "enter"}, []request{{kind: bootImage, object: "backup"}}, bootKind},
		{"leave: first is back", plainState, []string{"q", "enter"}, nil, imagesKind},
		{"reboot", plainState, []string{"q", "down", "down", "enter", "y"}, []request{{kind: leaveConsole, leave: Reboot}}, leaveKind},
		{"power off", plainState, []string{"q", "j", "j", "j", "enter", "y"}, []request{{kind: leaveConsole, leave: PowerOff}}, leaveKind},
		{"Enter is not yes", plainState, []string{"q", "down", "down", "enter", "enter"}, nil, leaveKind},
		{"every other key is no", plainState, []string{"q", "down", "down", "enter", "n", "y"}, nil, leaveKind},
		{"no report", func() *Snapshot { return &Snapshot{} }, []string{"b", "enter"}, nil, imagesKind},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, asked := newScreen(t, serial, test.state(), 80, 24)
			press(m, test.keys...)
			for i := range test.asks {
				test.asks[i].console = serial.Name
			}
			if !slices.Equal(*asked, test.asks) {
				t.Errorf("keys %q ask %+v, want %+v", test.keys, *asked, test.asks)
			}
			if got := m.top().Is(); got != test.screen {
				t.Errorf("keys %q lead to screen %d, want %d", test.keys, got, test.screen)
			}
		})
	}
}

func TestQuitOnAHost(t *testing.T) {
	o := options()
	o.Stage = false
	for _, k := range []tea.KeyPressMsg{keyNamed("q"), {Code: 'c', Mod: tea.ModCtrl}} {
		var asked []request
		m := newRoot(serial, o, func(r request) { asked = append(asked, r) })
		feed(m, k)
		if len(asked) != 1 || asked[0].kind != leaveConsole || asked[0].leave != Quit {
			t.Errorf("%v asks %+v, want to quit", k, asked)
		}
	}
}

func TestShell(t *testing.T) {
	m, _ := newScreen(t, serial, plainState(), 80, 24)
	press(m, "q", "down", "enter")
	if !m.wantShell {
		t.Error("q, down, Enter gives no shell")
	}
}

// TestCountdownKeys: Space and then Enter, and nothing else.
func TestCountdownKeys(t *testing.T) {
	counting := plainState()
	counting.Countdown = &Countdown{Image: "active", Why: "the boot default", Left: 9}
	for _, test := range []struct {
		keys []string
		asks int
	}{
		{[]string{"enter"}, 0},
		{[]string{"space"}, 0},
		{[]string{"b", "enter", "q", "esc", "enter"}, 0},
		{[]string{"space", "x", "enter"}, 0},
		{[]string{"space", "space", "enter"}, 1},
		{[]string{"space", "enter"}, 1},
	} {
		m, asked := newScreen(t, serial, counting, 80, 24)
		press(m, test.keys...)
		if len(*asked) != test.asks {
			t.Errorf("keys %q ask %+v, want %d requests", test.keys, *asked, test.asks)
		}
	}
	m, asked := newScreen(t, serial, counting, 80, 24)
	press(m, "space")
	feed(m, snapshotMsg{counting}) // a second goes by
	press(m, "enter")
	if len(*asked) != 1 {
		t.Error("news between Space and Enter takes Space back")
	}
	m, asked = newScreen(t, serial, counting, 80, 24)
	press(m, "space")
	feed(m, noiseMsg{})
	press(m, "enter")
	if len(*asked) != 0 {
		t.Error("noise between Space and Enter does not take Space back")
	}
}

// TestSelectionStays: it is an image that is selected, not a row.
func TestSelectionStays(t *testing.T) {
	m, _ := newScreen(t, serial, snapshot(staged(report(), 3)), 80, 24)
	press(m, "end")
	feed(m, snapshotMsg{snapshot(staged(report(), 9))})
	if img, _ := m.view.image(); img.Name != "1.4.2" {
		t.Errorf("selected is %s, want 1.4.2", img.Name)
	}
	feed(m, snapshotMsg{snapshot(report())})
	if img, _ := m.view.image(); img.Name != "active" {
		t.Errorf("selected is %s once that image is gone, want active", img.Name)
	}
}

// TestLogStays: what is read stays in place while the log grows and forgets.
func TestLogStays(t *testing.T) {
	s := plainState()
	s.Log = nil
	for i := range 100 {
		s.Log = append(s.Log, logLinesOf(string(rune('A' + i%26)))[0])
	}
	m, _ := newScreen(t, serial, s, 80, 24)
	press(m, "l")
	frameText(m)
	press(m, "pgup", "up", "up")
	before := m.frame()[5]
	grown := *s
	grown.Log = append(s.Log[10:len(s.Log):len(s.Log)], logLinesOf("new", "new")...)
	grown.LogFirst = 10
	feed(m, snapshotMsg{&grown})
	if after := m.frame()[5]; after != before {
		t.Errorf("line 5 was %q, is %q after the log moved on", before, after)
	}
	press(m, "end")
	if lines := m.frame(); lines[22] == before || len(lines) != 24 {
		t.Errorf("End does not follow: %q", lines[22])
	}
}
