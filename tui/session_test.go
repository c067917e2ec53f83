package tui

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"holdfast/ops/logs"
	"holdfast/tui/terminal"
)

// cable is a console with our end of it: what was sent to it, and an emulator's screen of that.
type cable struct {
	console terminal.Console
	master  *os.File
	slave   *os.File // kept open, so that the terminal stays as the program leaves it
	before  unix.Termios

	mu     sync.Mutex
	moved  *sync.Cond
	sent   bytes.Buffer
	screen *vt.Emulator
	late   bool
}

// newCable makes a console. reads is false for one whose line takes nothing.
func newCable(t testing.TB, name string, w, h int, reads bool) *cable {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	master = pollable(t, master)
	if err := pty.Setsize(slave, &pty.Winsize{Cols: uint16(w), Rows: uint16(h)}); err != nil {
		t.Fatal(err)
	}
	c := &cable{master: master, slave: slave, screen: vt.NewEmulator(max(w, 80), max(h, 24))}
	c.console = terminal.Console{Name: name, Path: slave.Name(), Serial: true, Term: "vt100", Baud: 100_000_000}
	c.moved = sync.NewCond(&c.mu)
	c.before = c.termios(t)
	go io.Copy(io.Discard, c.screen) // the emulator waits for its answers to be read
	done, read := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		if reads {
			c.read(done)
		}
	}()
	if !reads {
		stuff(t, slave.Name())
	}
	t.Cleanup(func() {
		close(done)
		master.Close()
		slave.Close()
		<-read // the emulator is left open: its Close races with its Read
	})
	return c
}

// stuff writes to a line until it takes nothing more.
func stuff(t testing.TB, path string) {
	t.Helper()
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for err == nil {
		_, err = unix.Write(fd, []byte("x"))
	}
	if err != unix.EAGAIN {
		t.Fatal(err)
	}
}

// pollable is f again so that closing it ends a read: pty leaves it waiting in the kernel.
func pollable(t testing.TB, f *os.File) *os.File {
	t.Helper()
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "ptmx")
}

func (c *cable) termios(t testing.TB) unix.Termios {
	t.Helper()
	got, err := unix.IoctlGetTermios(int(c.slave.Fd()), unix.TCGETS2)
	if err != nil {
		t.Fatal(err)
	}
	return *got
}

// read takes what is sent, past the errors that a hung-up line gives until it is opened anew.
func (c *cable) read(done chan struct{}) {
	buf := make([]byte, 4096)
	for {
		n, err := c.master.Read(buf)
		c.mu.Lock()
		c.sent.Write(buf[:n])
		c.screen.Write(buf[:n])
		c.moved.Broadcast()
		c.mu.Unlock()
		if err == nil {
			continue
		}
		select {
		case <-done:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// until waits for a screen.
func (c *cable) until(t testing.TB, what string, wanted func(screen string) bool) {
	t.Helper()
	late := time.AfterFunc(20*time.Second, func() { c.mu.Lock(); c.late = true; c.moved.Broadcast(); c.mu.Unlock() })
	defer late.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !wanted(c.screen.String()) {
		if c.late {
			t.Fatalf("%s: waited for %s, the screen is\n%s\nlast sent %q", c.console.Name, what, c.screen.String(), tailOf(c.sent.String()))
		}
		c.moved.Wait()
	}
}

// screenText is the screen without what no two runs have in common: the time.
func (c *cable) screenText() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var lines []string
	for _, l := range strings.Split(c.screen.String(), "\n") {
		lines = append(lines, strings.TrimRight(clock.ReplaceAllString(l, "    0.000 "), " "))
	}
	return strings.Join(lines, "\n") + "\n"
}

var clock = regexp.MustCompile(`^ *\d+\.\d{3} `)

func tailOf(s string) string { return s[max(0, len(s)-300):] }

func (c *cable) shows(t testing.TB, text string) {
	t.Helper()
	c.until(t, fmt.Sprintf("%q", text), func(s string) bool { return strings.Contains(s, text) })
}

func (c *cable) types(t testing.TB, keys string) {
	t.Helper()
	if _, err := c.master.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// console is a whole console at work on cables.
type console struct {
	cancel  context.CancelFunc
	targets chan Target
	log     chan logs.Line
	how     Leave
	err     error
	end     chan struct{}
}

func runOn(t testing.TB, o Options, cables ...*cable) *console {
	t.Helper()
	return runFrom(t, o, targetOf(wholeFlash()), cables...)
}

// runFrom is runOn with other first news of the flash.
func runFrom(t testing.TB, o Options, first Target, cables ...*cable) *console {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &console{cancel: cancel, targets: make(chan Target, 1), log: make(chan logs.Line), end: make(chan struct{})}
	o.Consoles = nil
	for _, each := range cables {
		o.Consoles = append(o.Consoles, each.console)
	}
	o.Targets, o.KernelLog = c.targets, c.log
	c.targets <- first
	go func() {
		defer close(c.end)
		c.how, c.err = Run(ctx, o)
	}()
	t.Cleanup(func() { cancel(); <-c.end })
	return c
}

// forbidden is what a plain terminal would print or misunderstand.
var forbidden = regexp.MustCompile("\x1b\\[[<=>]|\x1b\\[\\?(1049|2004|2026|2027|100[0-6]|5W|u)|\x1b\\]|\x1bP|\\$p")

// TestProgramBytes: the real program on a real terminal device. What the emulator shows is the
// frame, nothing forbidden is sent, and afterwards the terminal is as it was.
func TestProgramBytes(t *testing.T) {
	o := options()
	o.Stage = false
	c := newCable(t, "ttyS0", 80, 24, true)
	run := runOn(t, o, c)
	c.shows(t, "backup   1.0      6.1.0-backup  4.2 KiB  intact")
	golden(t, "wire-80x24", c.screenText())
	c.types(t, "j")
	c.shows(t, "> backup")
	c.types(t, "\x1b[A\r") // up, Enter
	c.shows(t, "directory  system/active")
	c.types(t, "d")
	c.shows(t, "Enter shows the plan, Esc goes back.")
	c.types(t, "j\r")
	c.shows(t, "refused    this is a demonstration")
	c.types(t, "l")
	c.shows(t, "log, follows")
	c.types(t, "b")
	c.shows(t, "Enter boots, Esc goes back.")
	c.types(t, "q")
	<-run.end
	if run.how != Quit || run.err != nil {
		t.Errorf("left by %v, %v", run.how, run.err)
	}
	c.until(t, "an empty screen", func(s string) bool { return strings.TrimSpace(s) == "" })
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := forbidden.FindString(c.sent.String()); found != "" {
		t.Errorf("sent %q", found)
	}
	if got := c.termios(t); got != c.before {
		t.Errorf("settings %+v, want %+v as before", got, c.before)
	}
	shown, hidden := strings.LastIndex(c.sent.String(), "\x1b[?25h"), strings.LastIndex(c.sent.String(), "\x1b[?25l")
	if shown < hidden {
		t.Error("the cursor is left hidden")
	}
}

// TestUnknownSize: a serial line says 0x0. The first screen is for 80x24; when the terminal then
// says how big it is, that holds, for the kernel too.
func TestUnknownSize(t *testing.T) {
	c := newCable(t, "ttyS0", 0, 0, true)
	runOn(t, options(), c)
	c.shows(t, "b boot l logs ? help q leave")
	c.until(t, "the footer in line 24", func(s string) bool {
		lines := strings.Split(s, "\n")
		return len(lines) == 24 && strings.HasPrefix(lines[23], "b boot")
	})
	c.until(t, "the question", func(string) bool { return strings.Contains(c.sent.String(), terminal.Probe) })
	c.mu.Lock()
	c.screen.Resize(100, 30)
	c.mu.Unlock()
	c.types(t, "\x1b[30;100R")
	c.until(t, "the footer in line 30", func(s string) bool {
		lines := strings.Split(s, "\n")
		return len(lines) == 30 && strings.HasPrefix(lines[29], "b boot")
	})
	ws, err := unix.IoctlGetWinsize(int(c.slave.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Col != 100 || ws.Row != 30 {
		t.Errorf("the kernel knows %+v, %v; want 100x30", ws, err)
	}
}

// TestStalledConsole: a line that takes nothing hinders neither the others nor the end.
func TestStalledConsole(t *testing.T) {
	stalled, good := newCable(t, "ttyS1", 80, 24, false), newCable(t, "ttyS0", 80, 24, true)
	run := runOn(t, options(), stalled, good)
	good.shows(t, "> active")
	for i := range 3000 {
		run.log <- logs.Line{Text: fmt.Sprintf("%d %s", i, strings.Repeat("noise ", 20))}
	}
	good.types(t, "j")
	good.shows(t, "> backup")
	good.types(t, "qjjj\ry")
	<-run.end
	if run.how != PowerOff || run.err != nil {
		t.Errorf("left by %v, %v; want to power off", run.how, run.err)
	}
}

// TestLostConsole: a line that is hung up is tried again while the others go on.
func TestLostConsole(t *testing.T) {
	gone, good := newCable(t, "ttyS1", 80, 24, true), newCable(t, "ttyS0", 80, 24, true)
	runOn(t, options(), gone, good)
	good.shows(t, "> active")
	gone.shows(t, "> active")
	gone.master.Close()
	good.types(t, "j")
	good.shows(t, "> backup")
}

// TestLostOnAHost: there a lost terminal is the end.
func TestLostOnAHost(t *testing.T) {
	o := options()
	o.Stage = false
	c := newCable(t, "terminal", 80, 24, true)
	run := runOn(t, o, c)
	c.shows(t, "> active")
	c.master.Close()
	<-run.end
	if run.err == nil {
		t.Error("the terminal was lost, and Run gives no error")
	}
}

// TestLearntSizeIsPaintedWhole: the renderer has set a scroll region for the size it believed in. A
// larger terminal still has it when the true size is learnt, and would scroll the new frame's first
// rows away.
func TestLearntSizeIsPaintedWhole(t *testing.T) {
	c := newCable(t, "ttyS0", 0, 0, true)
	c.screen.Resize(80, 38)
	run := runOn(t, options(), c)
	c.shows(t, "> active")
	for i := range 40 { // more than the log pane holds: it scrolls
		run.log <- logs.Line{Text: fmt.Sprintf("line %d of the kernel", i)}
		c.shows(t, fmt.Sprintf("line %d of the kernel", i))
	}
	c.until(t, "the question", func(string) bool { return strings.Contains(c.sent.String(), terminal.Probe) })
	c.types(t, "\x1b[38;80R")
	c.until(t, "the footer in the last row", func(s string) bool {
		rows := strings.Split(s, "\n")
		return len(rows) > 37 && strings.Contains(rows[37], "b boot")
	})
	c.until(t, "the head in the first", func(s string) bool { return strings.HasPrefix(s, "Holdfast") })
}

// TestShellOnAConsole: the shell has the console for itself, with job control; then the console
// comes back, though the kernel hung it up when the shell ended.
func TestShellOnAConsole(t *testing.T) {
	o := options()
	o.Shell = []string{"/bin/sh", "-c", "echo shell on $(tty), TERM $TERM; read line; echo got $line"}
	c := newCable(t, "ttyS0", 80, 24, true)
	run := runOn(t, o, c)
	c.shows(t, "> active")
	c.types(t, "qj\r")
	c.shows(t, "shell on "+c.console.Path+", TERM vt100")
	c.types(t, "something\r")
	c.shows(t, "> active")
	c.shows(t, "ttyS0: shell")
	c.types(t, "qjjj\ry")
	<-run.end
	if run.how != PowerOff {
		t.Errorf("left by %v", run.how)
	}
}

// TestNoise: ten thousand bytes of a broken line neither stop the countdown nor hurry it.
func TestNoise(t *testing.T) {
	o := options()
	o.Autoboot = 600 * time.Second
	c := newCable(t, "ttyS0", 80, 24, true)
	runOn(t, o, c)
	c.shows(t, "Press Space, then Enter")
	c.types(t, string(noise(10_000)))
	c.until(t, "the countdown to go on", func(s string) bool { return strings.Contains(s, "in 59") })
	c.until(t, "another second", func(s string) bool { return !strings.Contains(s, "in 599 s") && strings.Contains(s, "in 59") })
	// A sequence that the noise began may swallow the first Space: an operator presses it again.
	stopped := make(chan struct{})
	defer close(stopped)
	go func() {
		for {
			select {
			case <-stopped:
				return
			case <-time.After(200 * time.Millisecond):
				c.master.WriteString(" \r")
			}
		}
	}()
	c.shows(t, "b boot") // the images, or what a further Enter shows of one
}

// noise is random bytes without Space followed by what reads as Enter.
func noise(n int) []byte {
	random := rand.New(rand.NewPCG(7, 11))
	out := make([]byte, 0, n)
	for len(out) < n {
		b := byte(random.Uint32())
		if len(out) > 0 && out[len(out)-1] == ' ' && (b == '\r' || b == '\n') {
			continue
		}
		out = append(out, b)
	}
	return out
}
