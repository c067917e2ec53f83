package tui

import (
	"time"

	"holdfast/flash"
	"holdfast/ops"
	"holdfast/ops/archive"
	"holdfast/ops/status"
)

// told is a flash on which every state is to be seen: active on trial, backup confirmed, a staged version
// that is bad.
func toldReport() *status.Report {
	r := staged(report(), 1)
	for i, e := range []flash.Entry{
		{State: flash.Trial, Tries: 2}, {State: flash.Confirmed}, {}, {State: flash.Bad},
	} {
		e.ID = flash.ID{byte(i + 1)}
		e.Since = time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC)
		r.Images[i].ID, r.Images[i].Entry = e.ID, e
	}
	r.Images[0].Integrity, r.Images[0].Signer = flash.Verified, "bench"
	return r
}

func toldState() *Snapshot { return snapshot(toldReport()) }

// foundArchives is a state in which archives were found.
func foundArchives(change func(*Archives)) func() *Snapshot {
	return func() *Snapshot {
		s := toldState()
		s.Archives = Archives{Looked: true, List: []archive.Found{
			found("images/appliance-1.4.1.tar.zst", "sdb1 (STICK)", 52<<20),
			found("image.tgz", "sda2", 47<<20),
		}}
		if change != nil {
			change(&s.Archives)
		}
		return s
	}
}

func found(file, where string, size int64) archive.Found {
	return archive.Found{Source: archive.Source{Name: "sdb1:/" + file, Size: size}, Path: file, Where: where,
		ModTime: time.Date(2026, 11, 2, 3, 4, 5, 0, time.UTC)}
}

// asked is a state in which serial looks at a task.
func asked(d Draft) func() *Snapshot {
	return func() *Snapshot {
		s := foundArchives(nil)()
		if d.Task.Verb == Installs {
			d.Task.Archive = &s.Archives.List[0].Source
		}
		draft := d
		s.Drafts = map[string]*Draft{serial.Name: &draft}
		return s
	}
}

func installTask() Task { return Task{Verb: Installs, Object: "sdb1:/images/appliance-1.4.1.tar.zst"} }

func installLines() []ops.Line {
	return []ops.Line{
		{Label: "install", Text: "1.4.1, from sdb1:/images/appliance-1.4.1.tar.zst"},
		{Label: "signed", Text: "by bench"},
		{Label: "writes", Text: "about 97.0 MiB, and reads it back; 120.5 MiB are free"},
		{Label: "active", Text: "the new image, on trial with 3 tries"},
		{Label: "backup", Text: "stays: 1.3.120, confirmed"},
		{Label: "deletes", Text: "active, 1.3.124"},
		{Label: "default", Text: `entry 0, "Active image" (active), as it is`},
	}
}

// underWay is a state in which somebody's action goes on.
func underWay(a Action) func() *Snapshot {
	return func() *Snapshot {
		s := toldState()
		s.Action = &a
		return s
	}
}

// came is a state in which an action has come to something.
func came(o Outcome) *Snapshot {
	s := toldState()
	o.Number = 1
	s.Outcome = &o
	return s
}

func taskScenes() []scene {
	remove := Task{Verb: Removes, Object: "1.4.0"}
	removeLines := []ops.Line{{Label: "remove", Text: "1.4.0, 47.7 MiB"}, {Label: "deletes", Text: "system/1.4.0"}}
	toStaged := []string{"end", "x"}
	return []scene{
		{"states", serial, toldState, nil},
		{"last", serial, func() *Snapshot {
			s := toldState()
			s.Report.Record.Last = flash.Event{Kind: flash.RolledBack, ID: s.Report.Images[3].ID, Tries: 3}
			return s
		}, nil},
		{"states-vga", vga, toldState, []string{"down"}},
		{"states-details", serial, toldState, []string{"enter"}},
		{"bad-details", serial, toldState, []string{"end", "enter"}},
		{"archives", serial, foundArchives(nil), []string{"i", "down"}},
		{"archives-vga", vga, foundArchives(nil), []string{"i"}},
		{"archives-looking", serial, foundArchives(func(a *Archives) { a.Looking, a.Looked, a.List = true, false, nil }), []string{"i"}},
		{"archives-again", serial, foundArchives(func(a *Archives) { a.Looking = true; a.Problem = "sdc1 cannot be read: input/output error" }), []string{"i"}},
		{"archives-none", serial, func() *Snapshot {
			s := plainState()
			s.Archives.Looked = true
			return s
		}, []string{"i"}},
		{"install-reads", serial, foundArchives(nil), []string{"i", "down", "enter"}},
		{"install-plan", serial, asked(Draft{Task: installTask(), Lines: installLines()}), []string{"i", "down", "enter"}},
		{"install-words", serial, asked(Draft{Task: installTask(), Word: "override remove", Lines: append(installLines(),
			ops.Line{Label: "against", Text: "it is 1.4.1, and this machine takes nothing below 1.5"},
			ops.Line{Label: "first", Text: "1.4.0 is removed to make room"})}),
			[]string{"i", "down", "enter", "o", "v", "e", "r"}},
		{"install-refused", serial, asked(Draft{Task: installTask(), Refused: "initrd.img: hash differs", Hint: "copy the archive again, or take another one"}),
			[]string{"i", "down", "enter"}},
		{"install-progress", serial, underWay(Action{Console: serial.Name, Verb: Installs, Object: "sdb1:/image.tgz",
			Progress: ops.Progress{Step: "write initrd.img", Done: 31 << 20, Total: 97 << 20},
			Pace:     "31.0 MiB of 97.0 MiB, 6.2 MiB/s, 11s left", Note: "waiting for /dev/sda2: another holdfast is at work there (pid 812)"}),
			[]string{"i"}},
		{"install-other", serial, underWay(Action{Console: "tty0", Verb: Installs, Object: "sdb1:/image.tgz",
			Progress: ops.Progress{Step: "write initrd.img", Done: 31 << 20, Total: 97 << 20}}), nil},
		{"rotate-plan", serial, asked(Draft{Task: Task{Verb: Rotates}, Lines: []ops.Line{
			{Label: "active", Text: "what is backup now: 1.3.120, confirmed"}, {Label: "backup", Text: "what is active now: 1.3.124, on trial"}}}),
			[]string{"r"}},
		{"rotate-staged", serial, asked(Draft{Task: Task{Verb: Rotates, Object: "1.4.0"}, Refused: "1.4.0 is bad: it did not confirm in its tries", Hint: "c in its details clears that"}),
			[]string{"end", "r"}},
		{"remove-plan", serial, asked(Draft{Task: remove, Word: "1.4.0", Lines: removeLines}), toStaged},
		{"remove-typed", serial, asked(Draft{Task: remove, Word: "1.4.0", Lines: removeLines}), append(toStaged, "1", ".", "4")},
		{"remove-wrong", serial, asked(Draft{Task: remove, Word: "1.4.0", Lines: removeLines}), append(toStaged, "y", "e", "s", "enter")},
		{"verify", serial, toldState, []string{"v"}},
		{"verify-progress", serial, underWay(Action{Console: serial.Name, Verb: Verifies,
			Progress: ops.Progress{Step: "check backup", Done: 10 << 20, Total: 40 << 20}, Pace: "10.0 MiB of 40.0 MiB, 20.0 MiB/s, 2s left"}), []string{"v"}},
		{"clear-plan", serial, asked(Draft{Task: Task{Verb: Clears, Object: "1.4.0"}, Lines: []ops.Line{{Label: "clear", Text: "1.4.0 may boot again"}}}),
			[]string{"end", "enter", "c"}},
		{"repairs", serial, underWay(Action{Verb: Repairs, Progress: ops.Progress{Step: "delete incoming"}}), nil},
		{"repairs-boot", serial, underWay(Action{Verb: Repairs, Progress: ops.Progress{Step: "delete incoming"}}), []string{"b"}},
		{"repaired", serial, func() *Snapshot {
			return came(Outcome{Action: Action{Verb: Repairs}, Text: "the install of 1.3.125 was interrupted and undone"})
		}, nil},
		{"repair-failed", serial, func() *Snapshot {
			return came(Outcome{Action: Action{Verb: Repairs}, Failed: true, Text: "remount /flash: read-only file system", Hint: "see holdfast status; holdfast repair tries again"})
		}, nil},
		{"told-to-repair", serial, func() *Snapshot {
			s := toldState()
			s.Target.Notice = "an operation was interrupted" + toRepair
			return s
		}, nil},
	}
}
