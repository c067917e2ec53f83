package pid1

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/cmd/holdfast/stage"
)

var (
	segv      = outcome{wait: syscall.WaitStatus(syscall.SIGSEGV)}
	theScreen = job{kind: console}
)

// event is what a policy is told: a job ended, this long after the test began.
type event struct {
	at      time.Duration
	job     job
	outcome outcome
	ran     time.Duration
	want    string // the orders and the ending it answers with
}

func TestPolicy(t *testing.T) {
	onS0, onT0 := job{menu, "ttyS0"}, job{menu, "tty0"}
	shellS0 := job{shell, "ttyS0"}
	const s = time.Second
	plain := []event{ // three crashes lead to the plain menus
		{0, theScreen, segv, s, "console"},
		{1 * s, theScreen, segv, s, "console"},
		{2 * s, theScreen, segv, s, "plain menu on tty0, plain menu on ttyS0"},
	}
	for _, c := range []struct {
		name   string
		events []event
	}{
		{"three crashes in a minute", plain},
		{"three crashes in more than a minute", []event{
			{0, theScreen, segv, s, "console"},
			{59 * s, theScreen, segv, s, "console"},
			{60 * s, theScreen, segv, s, "console"},
			{61 * s, theScreen, segv, s, "plain menu on tty0, plain menu on ttyS0"},
		}},
		{"one crash an hour", []event{
			{0, theScreen, segv, s, "console"},
			{3600 * s, theScreen, segv, s, "console"},
			{7200 * s, theScreen, segv, s, "console"},
			{10800 * s, theScreen, segv, s, "console"},
		}},
		{"an end that is no request is a crash", []event{
			{0, theScreen, exited(0), s, "console"},
			{1 * s, theScreen, exited(stage.ExitShell), s, "console"},
			{2 * s, theScreen, outcome{err: syscall.ENOMEM}, s, "plain menu on tty0, plain menu on ttyS0"},
		}},
		{"requests of the console", []event{
			{0, theScreen, exited(stage.ExitReboot), s, "reboot"},
		}},
		{"power off", []event{
			{0, theScreen, exited(stage.ExitPowerOff), s, "power off"},
		}},
		{"requests of a menu", append(slices.Clone(plain),
			event{5 * s, onT0, exited(stage.ExitPowerOff), s, "power off"},
		)},
		{"a menu that lived comes back at once", append(slices.Clone(plain),
			event{9 * s, onS0, exited(0), shortRun, "plain menu on ttyS0"},
		)},
		{"a menu that cannot live comes back later and later", append(slices.Clone(plain),
			event{3 * s, onS0, exited(0), 0, "plain menu on ttyS0 in 1s"},
			event{4 * s, onS0, outcome{err: syscall.EIO}, 0, "plain menu on ttyS0 in 2s"},
			event{5 * s, onT0, exited(0), 0, "plain menu on tty0 in 1s"},
			event{6 * s, onS0, segv, 0, "plain menu on ttyS0 in 4s"},
			event{7 * s, onS0, segv, 0, "plain menu on ttyS0 in 8s"},
			event{8 * s, onS0, segv, 0, "plain menu on ttyS0 in 16s"},
			event{9 * s, onS0, segv, 0, "plain menu on ttyS0 in 16s"},
			event{39 * s, onS0, segv, 9 * s, "plain menu on ttyS0"},
			event{40 * s, onS0, segv, 0, "plain menu on ttyS0 in 1s"},
		)},
		{"a shell takes the menu's place on its terminal", append(slices.Clone(plain),
			event{5 * s, onS0, exited(stage.ExitShell), 0, "shell on ttyS0"},
			event{6 * s, shellS0, exited(stage.ExitReboot), s, "plain menu on ttyS0"},
		)},
		{"the full screen waits until the terminals are free", append(slices.Clone(plain),
			event{5 * s, onS0, exited(stage.ExitShell), 0, "shell on ttyS0"},
			event{6 * s, onT0, exited(stage.ExitConsole), s, "stop shell on ttyS0"},
			event{7 * s, shellS0, segv, s, "console"},
			event{8 * s, theScreen, segv, s, "console"}, // and has three tries again
			event{9 * s, theScreen, segv, s, "console"},
			event{10 * s, theScreen, segv, s, "plain menu on tty0, plain menu on ttyS0"},
		)},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPolicy([]string{"tty0", "ttyS0"})
			p.begin("")
			for n, e := range c.events {
				start := time.Unix(0, 0)
				orders, end := p.ended(e.job, e.outcome, e.ran, start.Add(e.at))
				if got := answer(orders, end); got != e.want {
					t.Fatalf("event %d: %v ended (%v): %q, want %q", n, e.job, e.outcome, got, e.want)
				}
			}
		})
	}
}

func answer(orders []order, end ending) string {
	var parts []string
	for _, o := range orders {
		text := o.job.String()
		if o.stop {
			text = "stop " + text
		}
		if o.after > 0 {
			text += fmt.Sprintf(" in %v", o.after)
		}
		parts = append(parts, text)
	}
	if end != stay {
		parts = append(parts, end.String())
	}
	return strings.Join(parts, ", ")
}

func TestPolicyShellFirst(t *testing.T) {
	p := newPolicy([]string{"tty0", "ttyS0"})
	if got := answer(p.begin("ttyS0"), stay); got != "shell on ttyS0" {
		t.Errorf("begin with a shell = %q", got)
	}
	orders, end := p.ended(job{shell, "ttyS0"}, exited(1), time.Hour, time.Now())
	if got := answer(orders, end); got != "console" {
		t.Errorf("after the shell: %q, want the console", got)
	}
}
