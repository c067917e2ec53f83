package tui

import (
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"holdfast/kexec"
	"holdfast/ops/status"
	"holdfast/tui/terminal"
)

// The smallest terminal that a screen fits on. Below it there is one line that says so.
const (
	leastWidth  = 40
	leastHeight = 12
)

// probeAfter is when a terminal is asked for its size: after the first frame, which must not wait.
const probeAfter = 300 * time.Millisecond

// screen is one screen. It draws from the view that it was made with.
type screen interface {
	// Update takes a key and says what comes of it.
	Update(tea.KeyPressMsg) move
	// View draws at most height lines; longer ones are cut at width.
	View(width, height int) []line
	// Keys are those of its own, for the foot of the screen.
	Keys() []key.Binding
	// Is tells a screen from the others: on the stack there is one of each.
	Is() screenKind
}

type screenKind int

const (
	imagesKind screenKind = iota
	detailsKind
	bootKind
	defaultKind
	logsKind
	helpKind
	leaveKind
	taskKind
	archivesKind
	verifyKind
)

// move is what comes of a key.
type move struct {
	taken bool     // the key means nothing beyond this screen
	to    screen   // show this one; nil: stay
	back  bool     // show the one before
	home  bool     // show the first
	ask   *request // send this to the hub
	shell bool     // give the console to a shell
}

// view is what every screen of a console draws from.
type view struct {
	snap     *Snapshot
	theme    Theme
	keys     KeyMap
	console  string
	kernel   []kexec.Console
	stage    bool
	shell    bool
	version  string
	selected string // image that the keys act on; "" until one is chosen
}

// image is the selected one: the one chosen, else the one that would be booted, else the first.
func (v *view) image() (status.Image, bool) {
	r := v.snap.Report
	if r == nil {
		return status.Image{}, false
	}
	if img, ok := r.Image(v.selected); ok {
		return img, true
	}
	if img, _, ok := r.Preferred(); ok {
		return img, true
	}
	if len(r.Images) == 0 {
		return status.Image{}, false
	}
	return r.Images[0], true
}

// root is the program of one console: a stack of screens, and the countdown above them all.
type root struct {
	view          *view
	stack         []screen
	countdown     countdown
	width, height int // 0 until the size is known
	request       func(request)
	probe         func(w, h int) // tells of a size that the terminal answered; nil: nobody asks
	asking        bool           // it was asked and has not answered
	wantShell     bool
}

type (
	snapshotMsg struct{ *Snapshot }
	noiseMsg    struct{} // input that is no key
	probeMsg    struct{}
)

func newRoot(c terminal.Console, o Options, ask func(request)) *root {
	v := &view{
		snap:    &Snapshot{Target: Target{Searching: true}},
		theme:   newTheme(c),
		keys:    newKeyMap(o.Stage),
		console: c.Name, kernel: o.Kernel,
		stage: o.Stage, shell: len(o.Shell) > 0, version: o.Version,
	}
	return &root{view: v, stack: []screen{&images{view: v}}, countdown: countdown{view: v}, request: ask}
}

// Init does nothing: all news comes from the session.
func (m *root) Init() tea.Cmd { return nil }

// Update takes one message. Whatever is not known here came from the line, and is noise.
func (m *root) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		first := m.width == 0
		m.width, m.height = msg.Width, msg.Height
		if first {
			return m, m.begin()
		}
	case snapshotMsg:
		m.view.snap = msg.Snapshot
	case tea.KeyPressMsg:
		return m, m.key(msg)
	case probeMsg:
		return m, m.askSize()
	case tea.CursorPositionMsg:
		return m, m.answered(msg.X+1, msg.Y+1)
	case tea.ColorProfileMsg, tea.EnvMsg:
	default:
		m.countdown.armed = false
	}
	return m, nil
}

// begin is for the first frame: the hub may start what would have slowed it down.
func (m *root) begin() tea.Cmd {
	cmd := m.ask(request{kind: painted})
	if m.probe == nil {
		return cmd
	}
	return tea.Batch(cmd, tea.Tick(probeAfter, func(time.Time) tea.Msg { return probeMsg{} }))
}

// askSize asks the terminal for its size, where nobody else knows it.
func (m *root) askSize() tea.Cmd {
	if m.probe == nil {
		return nil
	}
	m.asking = true
	return tea.Raw(terminal.Probe)
}

// answered takes a terminal's answer to the question for its size.
func (m *root) answered(width, height int) tea.Cmd {
	m.countdown.armed = false
	if !m.asking || !terminal.Believed(width, height) {
		return nil
	}
	m.probe(width, height)
	m.asking = false
	if width == m.width && height == m.height {
		return nil
	}
	// The renderer leaves a scroll region as high as the terminal was believed to be. A terminal that is
	// resized drops it; this one has been this size all along, and would scroll the new frame.
	return tea.Sequence(tea.Raw(terminal.Straighten), func() tea.Msg {
		return tea.WindowSizeMsg{Width: width, Height: height}
	})
}

func (m *root) ask(r request) tea.Cmd {
	return func() tea.Msg {
		m.request(r)
		return nil
	}
}

func (m *root) top() screen { return m.stack[len(m.stack)-1] }

// key takes a key: the countdown has it alone, then the screen, then what is the same on all.
func (m *root) key(k tea.KeyPressMsg) tea.Cmd {
	if key.Matches(k, m.view.keys.Repaint) {
		m.countdown.armed = false
		return tea.Sequence(tea.Raw(terminal.Straighten), tea.ClearScreen, m.askSize())
	}
	if m.countdown.active() {
		return m.follow(m.countdown.Update(k))
	}
	m.countdown.armed = false
	if m.tooSmall() { // what cannot be read cannot be agreed to
		if key.Matches(k, m.view.keys.Leave) && !m.view.stage {
			return m.follow(m.global(k))
		}
		return nil
	}
	mv := m.top().Update(k)
	if !mv.taken {
		mv = m.global(k)
	}
	return m.follow(mv)
}

func (m *root) tooSmall() bool { return m.width < leastWidth || m.height < leastHeight }

func (m *root) global(k tea.KeyPressMsg) move {
	v := m.view
	switch {
	case key.Matches(k, v.keys.Back):
		return move{back: true}
	case key.Matches(k, v.keys.Boot):
		if img, ok := v.image(); ok {
			return move{to: newBootScreen(v, img.Name)}
		}
	case key.Matches(k, v.keys.tasks()...):
		return v.task(k)
	case key.Matches(k, v.keys.Logs):
		return move{to: newLogScreen(v)}
	case key.Matches(k, v.keys.Help):
		return move{to: &helpScreen{view: v}}
	case key.Matches(k, v.keys.Leave):
		if !v.stage {
			return move{ask: &request{kind: leaveConsole, leave: Quit}}
		}
		return move{to: &leaveScreen{view: v}}
	}
	return move{}
}

// task leads to what a key changes on the flash.
func (v *view) task(k tea.KeyPressMsg) move {
	img, ok := v.image()
	if v.snap.Report == nil || !ok {
		return move{}
	}
	switch {
	case key.Matches(k, v.keys.Default):
		return move{to: newDefaultScreen(v)}
	case key.Matches(k, v.keys.Install):
		return openArchives(v)
	case key.Matches(k, v.keys.Rotate) && img.Staged:
		return showTask(v, Task{Verb: Rotates, Object: img.Name})
	case key.Matches(k, v.keys.Rotate):
		return showTask(v, Task{Verb: Rotates})
	case key.Matches(k, v.keys.Remove):
		return showTask(v, Task{Verb: Removes, Object: img.Name})
	case key.Matches(k, v.keys.Verify):
		return move{to: newVerifyScreen(v)}
	}
	return move{}
}

// follow does what a screen wants done.
func (m *root) follow(mv move) tea.Cmd {
	switch {
	case mv.to != nil:
		for i, s := range m.stack {
			if s.Is() == mv.to.Is() {
				m.stack = m.stack[:i]
				break
			}
		}
		m.stack = append(m.stack, mv.to)
	case mv.home:
		m.stack = m.stack[:1]
	case mv.back && len(m.stack) > 1:
		m.stack = m.stack[:len(m.stack)-1]
	}
	if mv.shell {
		m.wantShell = true
		return tea.Quit
	}
	if mv.ask != nil {
		return m.ask(*mv.ask)
	}
	return nil
}

// View draws the whole screen. It is empty until the size is known, lest a slow line paint twice.
func (m *root) View() tea.View {
	v := tea.View{AltScreen: true, DisableBracketedPasteMode: true}
	if m.width > 0 && m.height > 0 {
		v.Content = strings.Join(m.frame(), "\n")
	}
	return v
}
