package tui

import (
	"strings"

	"holdfast/flash"
	"holdfast/flash/grub"
	"holdfast/kexec"
	"holdfast/ops"
	"holdfast/ops/logs"
	"holdfast/ops/status"
	"holdfast/tui/terminal"
)

// scene is a state of the machine and the keys that lead to what is looked at.
type scene struct {
	name    string
	console terminal.Console
	state   func() *Snapshot
	keys    []string
}

func plainState() *Snapshot  { return snapshot(report()) }
func brokenState() *Snapshot { return snapshot(without(damaged(report(), "backup"), "factory")) }

func acting(console string) *Snapshot {
	s := plainState()
	s.Action = &Action{Console: console, Object: "active", Progress: ops.Progress{Step: "check active", Done: 20 << 20, Total: 60 << 20}}
	return s
}

func failedState() *Snapshot {
	s := brokenState()
	s.Outcome = &Outcome{Failed: true, Number: 1, Action: Action{Object: "active"}, Text: "load active: not permitted",
		Hint: "start it as root with --allow-kexec"}
	return s
}

// hostile is what an evil flash and a broken kernel may say.
func hostile() *Snapshot {
	evil := "\x1b[2J\x1b]0;x\x07\u009b31m\x00\x7f\xff\xfe\u202e\u200d\u0301e\u0301\U0001f468\u200d\U0001f469\u6f22\u5b57\u00e4\u2500\tA\r\nB"
	img := image("active", evil, evil, -1, flash.Damaged)
	img.Arguments, img.Problems, img.Broken = evil+" quiet "+evil, []string{evil, strings.Repeat(evil, 50)}, evil
	other := image(evil, strings.Repeat("9", 300), strings.Repeat("k", 300), 1<<62, flash.Intact)
	b := savedDefault("0", "")
	b.Menu.Entries = []grub.Entry{{Key: evil, Title: evil}, {Title: strings.Repeat(evil, 9), ID: evil}, {Key: "2", Title: evil, Slot: evil}}
	b.Entry, b.Next, b.Saved, b.Place.Path = b.Menu.Entries[0], b.Menu.Entries, saved{evil, evil}, evil
	draft := Draft{Task: Task{Verb: SetsDefault, Object: evil}, Lines: []ops.Line{{Label: evil, Text: evil}}, Refused: evil, Hint: evil}
	return &Snapshot{
		Drafts:  map[string]*Draft{serial.Name: &draft, vga.Name: &draft},
		Target:  Target{Target: status.Target{Name: evil}},
		Report:  &status.Report{Boot: b, Target: status.Target{Name: evil, Type: evil, Access: evil, Word: evil}, Images: []status.Image{img, other}, Arguments: evil, Problems: []string{evil, evil}},
		Log:     []logs.Line{{At: -1, Level: -7, Text: evil}, {At: 1 << 62, Text: strings.Repeat(evil, 100)}},
		Outcome: &Outcome{Failed: true, Number: 3, Action: Action{Object: evil}, Text: evil, Hint: evil},
	}
}

// long is a command line near the kernel's limit, some words longer than a screen.
func long() *Snapshot {
	r := report()
	r.Arguments = strings.Repeat("dyndbg=+p ", 60) + strings.Repeat("x", 700)
	r.Images[0].Arguments = strings.Repeat("memmap=exactmap ", 40)
	return snapshot(r)
}

// drafted is a state in which serial looks at a change of the boot default to backup.
func drafted(d Draft) *Snapshot {
	s := plainState()
	d.Task = Task{Verb: SetsDefault, Object: "2"}
	s.Drafts = map[string]*Draft{serial.Name: &d}
	return s
}

func draftLines() []ops.Line {
	return []ops.Line{
		{Label: "default", Text: "0 (active) -> 2 (backup)"},
		{Label: "writes", Text: "one sector, 1064 of /dev/sda2 (boot/grub/default), through the device"},
		{Label: "then", Text: "backup, backup, maintenance"},
	}
}

// odd is a flash with a boot default that is not as it should be.
func odd(r *status.Report, b *status.Boot) func() *Snapshot {
	return func() *Snapshot { return snapshot(booting(r, b)) }
}

func changing(console string) *Snapshot {
	s := plainState()
	s.Action = &Action{Console: console, Verb: SetsDefault, Object: "backup"}
	return s
}

func changed() *Snapshot {
	s := snapshot(booting(report(), savedDefault("2", "", 2, 3, 4)))
	s.Outcome = &Outcome{Number: 1, Action: Action{Console: serial.Name, Verb: SetsDefault, Object: "backup"},
		Text: "boot default: 0 (active) -> 2 (backup), read back"}
	return s
}

func scenes() []scene {
	counting := func() *Snapshot {
		s := plainState()
		s.Countdown = &Countdown{Image: "active 1.3.124", Why: "the boot default", Left: 5}
		return s
	}
	return append(taskScenes(), []scene{
		{"images", serial, plainState, nil},
		{"images-vga", vga, plainState, []string{"down"}},
		{"damaged", serial, brokenState, []string{"down"}},
		{"details", serial, brokenState, []string{"down", "enter"}},
		{"boot", serial, plainState, []string{"b"}},
		{"refused", serial, brokenState, []string{"down", "b"}},
		{"progress", serial, func() *Snapshot { return acting("ttyS0") }, []string{"b"}},
		{"other-acts", serial, func() *Snapshot { return acting("tty0") }, nil},
		{"failed", serial, failedState, nil},
		{"logs", serial, plainState, []string{"l"}},
		{"logs-panned", serial, plainState, []string{"l", "up", "right"}},
		{"help", serial, plainState, []string{"?"}},
		{"leave", serial, plainState, []string{"q"}},
		{"leave-asks", serial, plainState, []string{"q", "down", "down", "enter"}},
		{"countdown", serial, counting, nil},
		{"announced", serial, func() *Snapshot {
			return &Snapshot{Target: Target{Searching: true}, Autoboot: true}
		}, nil},
		{"no-autoboot", serial, func() *Snapshot {
			s := brokenState()
			s.Outcome = &Outcome{Failed: true, Number: 1, Text: "no automatic boot: neither active nor backup can boot", Hint: "choose an image, then b"}
			return s
		}, nil},
		{"autoboot", serial, func() *Snapshot { return acting("") }, nil},
		{"searching", serial, func() *Snapshot { return &Snapshot{Target: Target{Searching: true}} }, nil},
		{"notice", serial, func() *Snapshot {
			s := plainState()
			s.Target.Notice = "the console was killed by signal 11 and was started again"
			return s
		}, nil},
		{"problem", serial, func() *Snapshot {
			return &Snapshot{Target: Target{Problem: "no partition of vda, vdb holds system/ or sys/ with cfg/ beside it; put the disk back"}}
		}, nil},
		{"staged", serial, func() *Snapshot { return snapshot(staged(report(), 30)) }, []string{"end"}},
		{"hostile", serial, hostile, nil},
		{"hostile-vga", vga, hostile, []string{"down"}},
		{"hostile-default", serial, hostile, []string{"d"}},
		{"hostile-plan", vga, hostile, []string{"d", "enter"}},
		{"long", serial, long, []string{"enter"}},
		{"next-once", serial, odd(report(), savedDefault("0", "4", 4, 0, 1, 2, 3)), nil},
		{"next-absent", serial, odd(report(), savedDefault("7", "", 0, 1, 2, 3, 4)), nil},
		{"next-empty", serial, odd(without(report(), "active"), savedDefault("0", "", 2, 3, 4)), nil},
		{"next-damaged", serial, odd(damaged(report(), "active"), savedDefault("0", "", 0, 1, 2, 3, 4)), nil},
		{"next-unknown", serial, func() *Snapshot {
			r := booting(report(), nil)
			r.Problems = []string{"boot default: boot/grub/default: 9 bytes, GRUB Legacy wants at least 10"}
			return snapshot(r)
		}, nil},
		{"default", serial, plainState, []string{"d"}},
		{"default-vga", vga, odd(without(report(), "backup"), savedDefault("0", "4", 4, 0, 1)), []string{"d", "down"}},
		{"default-none", serial, odd(report(), nil), []string{"d"}},
		{"default-reads", serial, plainState, []string{"d", "down", "enter"}},
		{"default-plan", serial, func() *Snapshot { return drafted(Draft{Lines: draftLines()}) }, []string{"d", "down", "enter"}},
		{"default-same", serial, func() *Snapshot {
			return drafted(Draft{Lines: []ops.Line{{Label: "default", Text: "2 (backup), as it is"}, {Label: "writes", Text: "nothing"}}, Nothing: true})
		}, []string{"d", "down", "enter"}},
		{"default-refused", serial, func() *Snapshot {
			return drafted(Draft{Refused: "boot/grub/default: not one plain extent: it lies in several places", Hint: "copy it over itself on the running system"})
		}, []string{"d", "down", "enter"}},
		{"default-progress", serial, func() *Snapshot { return changing(serial.Name) }, []string{"d"}},
		{"default-other", serial, func() *Snapshot { return changing("tty0") }, nil},
		{"default-done", serial, changed, nil},
		{"nothing", serial, func() *Snapshot { return &Snapshot{Report: &status.Report{}} }, []string{"b"}},
		{"no-kernel-consoles", serial, func() *Snapshot {
			r := report()
			r.Images[0].Header = kexec.Header{}
			return snapshot(r)
		}, []string{"b"}},
	}...)
}
