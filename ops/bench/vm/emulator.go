package vm

import (
	uv "github.com/charmbracelet/ultraviolet"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/ansi/parser"
	"github.com/charmbracelet/x/vt"
)

// emulator is the terminal at the other end of a serial line: x/vt, and what x/vt lacks. Insert
// mode (IRM) is what matters: bubbletea shifts text to the right by it when TERM is vt100. It is
// not safe for concurrent use, except Read.
type emulator struct {
	vt *vt.Emulator

	// lexer follows the same bytes as vt, one character ahead of it, to know before vt sees a
	// character that it will be printed.
	lexer   *ansi.Parser
	held    []byte // bytes of a character that is not complete yet
	printed bool   // the last byte completed a printable character
	moved   bool   // the last byte completed IL or DL
	insert  bool   // insert mode
}

func newEmulator(width, height int) *emulator {
	e := &emulator{vt: vt.NewEmulator(width, height), lexer: ansi.NewParser()}
	e.lexer.SetHandler(ansi.Handler{
		Print:     func(rune) { e.printed = true },
		HandleCsi: e.csi,
		HandleEsc: func(cmd ansi.Cmd) { e.insert = e.insert && cmd != 'c' },
	})
	e.vt.RegisterCsiHandler('@', e.shiftBy(1))
	e.vt.RegisterCsiHandler('P', e.shiftBy(-1))
	e.vt.RegisterCsiHandler('J', e.eraseAbove)
	for _, cmd := range []int{'b', 'I', 'Z'} {
		e.vt.RegisterCsiHandler(cmd, boundRepeat)
	}
	return e
}

// csi follows insert mode, and sees the sequences after which x/vt needs help.
func (e *emulator) csi(cmd ansi.Cmd, params ansi.Params) {
	switch cmd {
	case 'h', 'l':
		for _, p := range params {
			if p.Param(0) == 4 {
				e.insert = cmd == 'h'
			}
		}
	case 'L', 'M':
		e.moved = true
	}
}

// Read gives the terminal's answers to queries, such as the cursor's position. It must be read
// all the time: Write blocks until an answer is taken.
func (e *emulator) Read(p []byte) (int, error) { return e.vt.Read(p) }

// Close ends Read.
func (e *emulator) Close() error { return e.vt.Close() }

// Write feeds bytes of the line to the screen.
func (e *emulator) Write(p []byte) (int, error) {
	var plain []byte // not yet fed, and nothing to help with
	for _, b := range p {
		e.printed, e.moved = false, false
		e.held = append(e.held, b)
		e.lexer.Advance(b)
		if e.lexer.State() == parser.Utf8State {
			continue
		}
		switch {
		case e.printed && e.insert:
			e.feed(plain)
			e.insertCharacter(e.held)
			plain = plain[:0]
		case e.moved:
			e.feed(plain)
			e.moveLines(e.held)
			plain = plain[:0]
		default:
			plain = append(plain, e.held...)
		}
		e.held = e.held[:0]
	}
	e.feed(plain)
	return len(p), nil
}

// feed gives bytes to x/vt, whose Write fails only after Close.
func (e *emulator) feed(p []byte) { _, _ = e.vt.Write(p) }

// moveLines ends an IL or DL, after which x/vt leaves the cursor lower by the top of the scroll
// region instead of on its row.
func (e *emulator) moveLines(final []byte) {
	before := e.vt.CursorPosition()
	e.feed(final)
	if after := e.vt.CursorPosition(); after.Y > before.Y {
		e.feed([]byte(ansi.CursorUp(after.Y - before.Y)))
	}
}

// insertCharacter prints one character in insert mode: the rest of its row moves right. In the last
// column there is no rest; and when the character then wraps, it overwrites, as in tmux.
func (e *emulator) insertCharacter(char []byte) {
	if e.vt.CursorPosition().X < e.vt.Width()-1 {
		e.shift(ansi.StringWidth(string(char)))
	}
	e.feed(char)
}

// shift moves what is right of the cursor, with its cell, by n cells: to the right when n is
// positive. Blanks follow.
func (e *emulator) shift(n int) {
	at, width := e.vt.CursorPosition(), e.vt.Width()
	row := make([]*uv.Cell, width)
	for x := range row {
		if from := x - n; from >= at.X && from < width {
			row[x] = e.vt.CellAt(from, at.Y).Clone()
		}
	}
	for x := at.X; x < width; x++ {
		e.vt.SetCell(x, at.Y, row[x])
	}
}

// shiftBy handles ICH (direction 1) and DCH (direction -1), with which x/vt does nothing outside
// the scroll region.
func (e *emulator) shiftBy(direction int) vt.CsiHandler {
	return func(params ansi.Params) bool {
		n, _, _ := params.Param(0, 1)
		e.shift(direction * max(n, 1))
		return true
	}
}

// eraseAbove is ED 1, with which x/vt erases the cursor's row to its end instead of to the cursor.
func (e *emulator) eraseAbove(params ansi.Params) bool {
	if n, _, _ := params.Param(0, 0); n != 1 {
		return false
	}
	at := e.vt.CursorPosition()
	for y := 0; y <= at.Y; y++ {
		for x := 0; x < e.vt.Width() && (y < at.Y || x <= at.X); x++ {
			e.vt.SetCell(x, y, nil)
		}
	}
	return true
}

// boundRepeat limits the number of REP, CHT and CBT to what fills a screen, before x/vt handles
// them: it counts up to any number that line noise asks for.
func boundRepeat(params ansi.Params) bool {
	if len(params) > 0 {
		params[0] = min(params[0], width*height)
	}
	return false
}

// Screen is what the terminal shows now.
func (e *emulator) Screen() Screen {
	at := e.vt.CursorPosition()
	s := Screen{Rows: make([]string, e.vt.Height()), X: at.X, Y: at.Y}
	for y := range s.Rows {
		s.Rows[y] = e.row(y)
	}
	return s
}

func (e *emulator) row(y int) string {
	var b strings.Builder
	for x := 0; x < e.vt.Width(); x++ {
		cell := e.vt.CellAt(x, y)
		switch {
		case cell == nil || (cell.Width > 0 && cell.Content == ""):
			b.WriteByte(' ')
		default: // the second cell of a wide character has no width and no content
			b.WriteString(cell.Content)
		}
	}
	return b.String()
}
