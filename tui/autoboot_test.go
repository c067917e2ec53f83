package tui

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"holdfast/kexec"
	"holdfast/ops/boot"
	"holdfast/tui/terminal"
)

// refuser is a machine whose Load ends when it is let, with an error of its own.
type refuser struct {
	boot.Machine
	loads chan string
	let   chan struct{}
}

func (r *refuser) Load(_, _ *os.File, line string) (kexec.Method, error) {
	r.loads <- line
	<-r.let
	return 0, errors.New("not a kernel for this machine")
}

// counted brings a bench to the end of its countdown: the first image is being loaded.
func counted(t *testing.T, b *bench) *refuser {
	t.Helper()
	m := &refuser{Machine: b.m, loads: make(chan string, 10), let: make(chan struct{}, 10)}
	b.o.Machine = m
	b.ready(t)
	b.w.until(t, "the countdown", func(s *Snapshot) bool { return s.Countdown != nil })
	b.ticks <- time.Time{}
	if line := <-m.loads; !strings.Contains(line, "img=active") {
		t.Fatalf("loads %q first", line)
	}
	return m
}

// TestStoppedAutobootStaysStopped: the operator said stop while an image was being loaded. That it
// then fails for a reason of its own is no reason to go on with the next.
func TestStoppedAutobootStaysStopped(t *testing.T) {
	b := newBench(t, time.Second)
	m := counted(t, b)
	b.requests <- request{kind: stopAction, console: "ttyS0"}
	b.w.until(t, "stopping", func(s *Snapshot) bool { return s.Action != nil && s.Action.Stopping })
	m.let <- struct{}{}
	b.w.until(t, "the end of it", func(s *Snapshot) bool { return s.Action == nil && s.Outcome != nil })
	select {
	case line := <-m.loads:
		t.Errorf("goes on with %q", line)
	default:
	}
}

// TestLateStopCounts: on a slow line the countdown is still on the screen when it has ended.
func TestLateStopCounts(t *testing.T) {
	b := newBench(t, time.Second)
	m := counted(t, b)
	b.requests <- request{kind: stopCountdown, console: "ttyS0"}
	b.w.until(t, "stopping", func(s *Snapshot) bool { return s.Action != nil && s.Action.Stopping })
	m.let <- struct{}{}
}

// TestAutobootLosesTheFlash while an image is being loaded: there is no next one, and no crash.
func TestAutobootLosesTheFlash(t *testing.T) {
	b := newBench(t, time.Second)
	m := counted(t, b)
	b.targets <- Target{Problem: "pulled out"}
	m.let <- struct{}{}
	b.w.until(t, "the failure", func(s *Snapshot) bool { return s.Action == nil && s.Outcome != nil })
}

// TestStoppingUnlocks: a stop that takes its time must not lock the consoles.
func TestStoppingUnlocks(t *testing.T) {
	s := acting("")
	s.Action.Stopping = true
	for _, k := range []string{"q", "l", "?"} {
		m, _ := newScreen(t, serial, s, 80, 24)
		press(m, k)
		if len(m.stack) == 1 {
			t.Errorf("%s does nothing while the automatic boot is being stopped", k)
		}
	}
}

// TestEscTwice: two quick Escs arrive as one key.
func TestEscTwice(t *testing.T) {
	c := newCable(t, "ttyS0", 80, 24, true)
	runOn(t, options(), c)
	c.shows(t, "> active")
	c.types(t, "?")
	c.shows(t, "keys and words")
	c.types(t, "\x1b\x1b")
	c.shows(t, "> active")
}

// TestShellEndsTheCountdown: who opens a shell before the flash is found is at work, and is not
// interrupted by an automatic boot when it turns up. After the shell Ctrl-L still asks for the size.
func TestShellEndsTheCountdown(t *testing.T) {
	o := options()
	o.Autoboot = time.Hour
	o.Shell = []string{"/bin/sh", "-c", "echo in the shell; read line"}
	c := newCable(t, "ttyS0", 0, 0, true)
	run := runFrom(t, o, Target{Problem: "nothing found"}, c)
	c.until(t, "the question for the size", func(string) bool { return strings.Contains(c.sent.String(), terminal.Probe) })
	c.types(t, "\x1b[24;80R")
	c.shows(t, "nothing found")
	c.types(t, "qj\r")
	c.shows(t, "in the shell")
	c.types(t, "x\r")
	c.shows(t, "nothing found")
	run.targets <- targetOf(wholeFlash())
	c.shows(t, "> active")
	asked := strings.Count(c.sent.String(), terminal.Probe)
	c.types(t, "\x0c")
	c.until(t, "the question again", func(string) bool { return strings.Count(c.sent.String(), terminal.Probe) > asked })
}
