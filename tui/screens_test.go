package tui

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

var update = flag.Bool("update", false, "write the golden screens anew")

// TestGolden compares whole screens, without attributes: nothing may hang on them.
func TestGolden(t *testing.T) {
	for _, sc := range scenes() {
		for _, size := range [][2]int{{80, 24}, {60, 20}, {40, 12}} {
			name := fmt.Sprintf("%s-%dx%d", sc.name, size[0], size[1])
			t.Run(name, func(t *testing.T) {
				m, _ := newScreen(t, sc.console, sc.state(), size[0], size[1])
				press(m, sc.keys...)
				golden(t, name, ansi.Strip(frameText(m)))
			})
		}
	}
}

// golden compares a screen with the one that is kept.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("screen differs (go test ./tui -update writes it anew)\ngot:\n%s\nwant:\n%s", got, want)
	}
}

var attributes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// checkFrame fails when a screen is larger than the terminal, or drives it.
func checkFrame(t testing.TB, m *root, what string) {
	t.Helper()
	lines := m.frame()
	if len(lines) > m.height {
		t.Fatalf("%s at %dx%d: %d lines", what, m.width, m.height, len(lines))
	}
	for i, l := range lines {
		if w := ansi.StringWidth(l); w > m.width {
			t.Fatalf("%s at %dx%d: line %d is %d cells wide: %q", what, m.width, m.height, i, w, l)
		}
		bare := attributes.ReplaceAllString(l, "")
		for _, r := range bare {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xfffd || !m.view.theme.unicode && r > 0x7e {
				t.Fatalf("%s at %dx%d: line %d has %q: %q", what, m.width, m.height, i, r, l)
			}
		}
	}
	if m.View().Content != strings.Join(lines, "\n") {
		t.Fatalf("%s at %dx%d: drawing it twice differs", what, m.width, m.height)
	}
}

var keyNames = []string{"up", "down", "left", "right", "enter", "esc", "space", "pgup", "pgdown", "home", "end",
	"backspace", "b", "l", "?", "q", "y", "j", "k", "g", "G", "n", "p", "d", "h", "x", "i", "r", "v", "c", "s", "1", ".", "\x00", "ÿ"}

// drive takes a program through sizes, keys and states, looking at every frame.
func drive(t testing.TB, seed []byte) {
	all := scenes()
	at := 0
	next := func(n int) int {
		if at >= len(seed) {
			return 0
		}
		at++
		return int(seed[at-1]) % n
	}
	sc := all[next(len(all))]
	m, _ := newScreen(t, sc.console, sc.state(), 1+next(256)+next(45), 1+next(100))
	press(m, sc.keys...)
	checkFrame(t, m, sc.name)
	for at < len(seed) {
		switch next(8) {
		case 0:
			feed(m, tea.WindowSizeMsg{Width: 1 + next(256) + next(45), Height: 1 + next(100)})
		case 1:
			sc = all[next(len(all))]
			feed(m, snapshotMsg{sc.state()})
		default:
			press(m, keyNames[next(len(keyNames))])
		}
		checkFrame(t, m, sc.name)
	}
}

func FuzzScreens(f *testing.F) {
	f.Add([]byte("\x00\x50\x18\x02\x04"))
	f.Add([]byte("\x13\x28\x0c\x03\x0d\x03\x0e\x01\x10\x00\x01\x01"))
	f.Fuzz(func(t *testing.T, seed []byte) { drive(t, seed) })
}

// TestAnything is the fuzz test's work for a fixed while.
func TestAnything(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		seed := make([]byte, 60)
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		drive(t, seed)
	}
}

// TestSizes looks at every scene at sizes from one cell on, and at all that are usable but small.
func TestSizes(t *testing.T) {
	widths := []int{1, 2, 3, 7, 19, 39, 40, 41, 45, 50, 59, 60, 66, 79, 80, 81, 100, 132, 200, 300}
	heights := []int{1, 2, 3, 5, 11, 12, 13, 14, 15, 16, 18, 20, 24, 25, 43, 60, 100}
	for _, sc := range scenes() {
		m, _ := newScreen(t, sc.console, sc.state(), 80, 24)
		press(m, sc.keys...)
		for _, w := range widths {
			for _, h := range heights {
				feed(m, tea.WindowSizeMsg{Width: w, Height: h})
				checkFrame(t, m, sc.name)
			}
		}
	}
}

// TestUsable: wherever a screen fits, the selected image and its state are on it, and the question
// with its answer.
func TestUsable(t *testing.T) {
	for _, size := range [][2]int{{40, 12}, {60, 20}, {80, 24}, {80, 25}, {200, 60}} {
		m, _ := newScreen(t, serial, brokenState(), size[0], size[1])
		press(m, "down")
		for _, want := range []string{"> backup", "damaged", "kernel.img: hash differs", "b boot", "backup", "maintenance", "d default"} {
			if !strings.Contains(ansi.Strip(frameText(m)), want) {
				t.Errorf("at %v the first screen lacks %q:\n%s", size, want, frameText(m))
			}
		}
		press(m, "up", "b")
		if want := "Enter boots, Esc goes back."; !strings.Contains(ansi.Strip(frameText(m)), want) {
			t.Errorf("at %v the question lacks %q:\n%s", size, want, frameText(m))
		}
	}
}

func TestNothingBeforeTheSize(t *testing.T) {
	m := newRoot(serial, options(), func(request) {})
	feed(m, snapshotMsg{plainState()})
	if got := m.View().Content; got != "" {
		t.Errorf("before the size is known the screen is %q, want nothing", got)
	}
}

// TestBootAfterAnothersDismissal: our boot fails, somebody else puts the failure away, and the
// question on our screen must still take an answer. While the failure shows, a stuck Enter does
// nothing.
func TestBootAfterAnothersDismissal(t *testing.T) {
	state := plainState()
	m, asked := newScreen(t, serial, state, 80, 24)
	press(m, "b", "enter")
	failed := *state
	failed.Outcome = &Outcome{Failed: true, Number: 1, Action: Action{Console: serial.Name, Object: "active"}, Text: "no"}
	feed(m, snapshotMsg{&failed})
	before := len(*asked)
	press(m, "enter")
	if len(*asked) != before {
		t.Errorf("Enter on a failure asked for %+v", (*asked)[before:])
	}
	dismissed := *state
	feed(m, snapshotMsg{&dismissed})
	press(m, "enter")
	if len(*asked) != before+1 || (*asked)[before].kind != bootImage {
		t.Errorf("after the dismissal Enter asked for %+v, want a boot", (*asked)[before:])
	}
}

// TestTooSmallAgreesToNothing: on a terminal too small for a plan no plan is agreed to.
func TestTooSmallAgreesToNothing(t *testing.T) {
	for _, size := range [][2]int{{30, 8}, {39, 24}, {80, 11}} {
		m, asked := newScreen(t, serial, plainState(), size[0], size[1])
		press(m, "b", "enter", "q", "enter", "y")
		if len(*asked) != 0 || len(m.stack) != 1 {
			t.Errorf("%v: asked for %+v, %d screens", size, *asked, len(m.stack))
		}
	}
}

// TestSizeIsAskedAnew: Ctrl-L asks the terminal again, and only an answer that was asked for counts.
func TestSizeIsAskedAnew(t *testing.T) {
	m, _ := newScreen(t, serial, plainState(), 80, 24)
	var told [][2]int
	m.probe = func(w, h int) { told = append(told, [2]int{w, h}) }
	feed(m, tea.CursorPositionMsg{X: 99, Y: 29}) // noise
	press(m, "ctrl+l")
	feed(m, tea.CursorPositionMsg{X: 99, Y: 29})
	feed(m, tea.CursorPositionMsg{X: 131, Y: 42}) // noise
	if len(told) != 1 || told[0] != [2]int{100, 30} {
		t.Errorf("sizes %v, want 100x30 once", told)
	}
}
