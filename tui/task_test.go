package tui

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/charmbracelet/x/ansi"

	"holdfast/flash"
	"holdfast/ops"
	"holdfast/ops/archive"
	"holdfast/ops/status"
)

// script is a plan of the tests: what it says of itself, and what it does.
type script struct {
	lines     []ops.Line
	nothing   bool
	objection string
	room      []string
	apply     func(context.Context, ops.Reporter) error
}

func (s *script) Lines() []ops.Line { return s.lines }
func (s *script) Nothing() bool     { return s.nothing }
func (s *script) Objection() string { return s.objection }
func (s *script) Room() []string    { return s.room }
func (s *script) Apply(ctx context.Context, rep ops.Reporter) error {
	if s.apply == nil {
		return nil
	}
	return s.apply(ctx, rep)
}

// scripted is a bench whose plans are those, by verb; what is not there has nothing to do.
func scripted(t *testing.T, fsys fs.FS, autoboot time.Duration, plans map[Verb]*script) *bench {
	t.Helper()
	b := newBenchOf(t, autoboot, func(h *hub) {
		h.plan = func(_ context.Context, _ *status.Report, task Task) (plan, error) {
			if p, ok := plans[task.Verb]; ok {
				return p, nil
			}
			return &script{nothing: true}, nil
		}
	})
	b.targets <- targetOf(fsys)
	return b
}

// asks has a console look at a task, and gives what it is shown.
func (b *bench) asks(t *testing.T, console string, task Task) *Draft {
	t.Helper()
	b.w.until(t, "the report", func(s *Snapshot) bool { return s.Report != nil })
	b.requests <- request{kind: planTask, console: console, task: task}
	s := b.w.until(t, "the plan", func(s *Snapshot) bool {
		d := s.Drafts[console]
		return d != nil && d.Task == task && !d.Reading
	})
	return s.Drafts[console]
}

// TestWords: which word has to be typed for what.
func TestWords(t *testing.T) {
	for _, test := range []struct {
		task Task
		plan script
		want string
	}{
		{Task{Verb: Rotates}, script{}, ""},
		{Task{Verb: Clears, Object: "active"}, script{}, ""},
		{Task{Verb: Removes, Object: "1.4.0"}, script{}, "1.4.0"},
		{Task{Verb: Installs, Object: "image.tgz"}, script{}, ""},
		{Task{Verb: Installs, Object: "image.tgz"}, script{room: []string{"1.4.0"}}, "remove"},
		{Task{Verb: Installs, Object: "image.tgz"}, script{objection: "older"}, "override"},
		{Task{Verb: Installs, Object: "image.tgz"}, script{objection: "older", room: []string{"1.4.0"}}, "override remove"},
	} {
		if got := shownPlan(test.task, &test.plan).Word; got != test.want {
			t.Errorf("%s, %+v: %q, want %q", test.task.title(), test.plan, got, test.want)
		}
	}
}

// TestNothingWithoutTheWord: what destroys is done when its word was typed, and the hub sees to that too.
func TestNothingWithoutTheWord(t *testing.T) {
	var done atomic.Int32
	p := &script{apply: func(context.Context, ops.Reporter) error { done.Add(1); return nil }}
	b := scripted(t, wholeFlash(), 0, map[Verb]*script{Removes: p})
	d := b.asks(t, "ttyS0", Task{Verb: Removes, Object: "backup"})
	for _, word := range []string{"", "y", "Backup", "backup ", "active"} {
		b.requests <- request{kind: doTask, console: "ttyS0", draft: d, word: word}
	}
	b.requests <- request{kind: doTask, console: "ttyS0", draft: d, word: "backup"}
	b.w.until(t, "the outcome", func(s *Snapshot) bool { return s.Outcome != nil && !s.Outcome.Failed })
	if n := done.Load(); n != 1 {
		t.Errorf("removed %d times, want once", n)
	}
}

// TestFilesAreClosed: an action begins when nothing of the background hashing has a file open any more.
func TestFilesAreClosed(t *testing.T) {
	fsys := &countingFS{FS: wholeFlash(), reads: make(chan struct{}, 100), let: make(chan struct{})}
	began := make(chan int32, 1)
	p := &script{apply: func(context.Context, ops.Reporter) error { began <- fsys.open.Load(); return nil }}
	b := scripted(t, fsys, 0, map[Verb]*script{Rotates: p})
	d := b.asks(t, "ttyS0", Task{Verb: Rotates})
	fsys.slow.Store(true)
	b.requests <- request{kind: painted}
	<-fsys.reads // a kernel is being hashed, and the disk does not answer
	b.requests <- request{kind: doTask, console: "ttyS0", draft: d}
	b.w.until(t, "the action", func(s *Snapshot) bool { return s.Action != nil })
	select {
	case n := <-began:
		t.Fatalf("it began with %d files open", n)
	default:
	}
	fsys.slow.Store(false)
	close(fsys.let)
	if n := <-began; n != 0 {
		t.Errorf("it began with %d files open", n)
	}
	b.w.until(t, "the outcome", func(s *Snapshot) bool { return s.Outcome != nil })
}

// countingFS counts the open files, and holds up reads of kernels.
type countingFS struct {
	fs.FS
	open  atomic.Int32
	slow  atomic.Bool
	reads chan struct{}
	let   chan struct{}
}

func (c *countingFS) Open(name string) (fs.File, error) {
	f, err := c.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, "kernel.img") {
		return f, err
	}
	c.open.Add(1)
	return &countedFile{f.(regular), c}, nil
}

type regular interface {
	fs.File
	ReadAt([]byte, int64) (int, error)
}

type countedFile struct {
	regular
	of *countingFS
}

func (f *countedFile) Read(p []byte) (int, error) {
	if f.of.slow.Load() {
		f.of.reads <- struct{}{}
		<-f.of.let
	}
	return f.regular.Read(p)
}

func (f *countedFile) Close() error {
	f.of.open.Add(-1)
	return f.regular.Close()
}

// TestRepairsFirst: in the stage what was interrupted is put right before the automatic boot counts, and
// what was done stays on the screens while it counts. A repair that fails keeps nobody from booting.
func TestRepairsFirst(t *testing.T) {
	for _, fails := range []bool{false, true} {
		let := make(chan struct{})
		p := &script{apply: func(context.Context, ops.Reporter) error {
			<-let
			if fails {
				return &ops.Error{Kind: ops.NotWritable, Err: errors.New("the disk is worn out"), Hint: "boot what there is"}
			}
			return nil
		}}
		b := scripted(t, wholeFlash(), 3*time.Second, map[Verb]*script{Repairs: p})
		s := b.w.until(t, "the repair", func(s *Snapshot) bool { return s.Action != nil })
		if s.Countdown != nil || s.Action.Verb != Repairs || s.Action.who() != "Holdfast" {
			t.Errorf("at first %+v, countdown %+v", s.Action, s.Countdown)
		}
		close(let)
		s = b.w.until(t, "the countdown", func(s *Snapshot) bool { return s.Countdown != nil && s.Action == nil })
		if s.Outcome == nil || s.Outcome.Failed != fails {
			t.Errorf("the repair came to %+v", s.Outcome)
		}
		number := s.Outcome.Number
		for range 3 {
			b.ticks <- time.Time{}
		}
		<-b.m.loads
		if s = b.w.until(t, "the boot", func(s *Snapshot) bool { return true }); s.Outcome == nil || s.Outcome.Number < number {
			t.Error("nobody can read any more what was repaired")
		}
	}
}

// TestRepairIsStopped at any console: somebody is there, and may want to boot at once.
func TestRepairIsStopped(t *testing.T) {
	p := &script{apply: func(ctx context.Context, _ ops.Reporter) error { <-ctx.Done(); return ctx.Err() }}
	b := scripted(t, wholeFlash(), 0, map[Verb]*script{Repairs: p})
	s := b.w.until(t, "the repair", func(s *Snapshot) bool { return s.Action != nil })
	m, asked := newScreen(t, serial, s, 80, 24)
	press(m, "b", "esc")
	if len(*asked) != 1 || (*asked)[0].kind != stopAction {
		t.Errorf("b, Esc ask %+v, want to stop it", *asked)
	}
	b.requests <- request{kind: stopAction, console: "ttyS0"}
	b.w.until(t, "the end", func(s *Snapshot) bool { return s.Action == nil && s.Outcome != nil })
	b.requests <- request{kind: bootImage, console: "ttyS0", object: "active"}
	<-b.m.loads
}

// TestHostIsTold: on a running system nothing is repaired by itself.
func TestHostIsTold(t *testing.T) {
	began := false
	p := &script{apply: func(context.Context, ops.Reporter) error { began = true; return nil }}
	b := newBenchOf(t, 0, func(h *hub) {
		h.o.Stage = false
		h.plan = func(context.Context, *status.Report, Task) (plan, error) { return p, nil }
	})
	b.targets <- targetOf(wholeFlash())
	s := b.w.until(t, "the notice", func(s *Snapshot) bool { return s.Target.Notice != "" })
	if !strings.Contains(s.Target.Notice, "holdfast repair") || s.Action != nil || began {
		t.Errorf("notice %q, action %+v", s.Target.Notice, s.Action)
	}
}

// TestSecondConsole: what another console does cannot be planned against, and who looks at a plan sees
// that it is out of date.
func TestSecondConsole(t *testing.T) {
	let := make(chan struct{})
	p := &script{apply: func(_ context.Context, rep ops.Reporter) error {
		rep.Log("waiting for /dev/sda2: another holdfast is at work there (pid 7)")
		<-let
		return nil
	}}
	b := scripted(t, wholeFlash(), 0, map[Verb]*script{Rotates: p, Removes: {}})
	theirs := b.asks(t, "tty0", Task{Verb: Removes, Object: "backup"})
	ours := b.asks(t, "ttyS0", Task{Verb: Rotates})
	b.requests <- request{kind: doTask, console: "ttyS0", draft: ours}
	s := b.w.until(t, "the wait", func(s *Snapshot) bool { return s.Action != nil && s.Action.Note != "" })
	if d := b.asks(t, "tty0", Task{Verb: Removes, Object: "active"}); d.Refused != "ttyS0 rotates active and backup" || d.Hint == "" {
		t.Errorf("planned meanwhile: %+v", d)
	}
	m, _ := newScreen(t, serial, s, 80, 24)
	press(m, "r")
	if text := ansi.Strip(frameText(m)); !strings.Contains(text, "waiting for /dev/sda2") || !strings.Contains(text, "Esc stops it") {
		t.Errorf("the wait is not told:\n%s", text)
	}
	close(let)
	b.w.until(t, "the outcome", func(s *Snapshot) bool { return s.Outcome != nil })
	b.requests <- request{kind: doTask, console: "tty0", draft: theirs, word: "backup"}
	b.requests <- request{kind: dismiss}
	if s := b.w.until(t, "what is shown", func(s *Snapshot) bool { return s.Outcome == nil }); s.Action != nil || !strings.Contains(s.Drafts["tty0"].Refused, "changed at ttyS0") {
		t.Errorf("tty0 can agree to %+v", s.Drafts["tty0"])
	}
}

// TestVerifies: what hashing found is told image by image, and is on the screens at once.
func TestVerifies(t *testing.T) {
	fsys := wholeFlash()
	b := scripted(t, fsys, 0, nil)
	b.w.until(t, "the report", func(s *Snapshot) bool { return s.Report != nil })
	broken := slices.Clone(fsys["system/backup/kernel.img"].Data)
	broken[3000] ^= 1
	fsys["system/backup/kernel.img"] = &fstest.MapFile{Data: broken}
	b.requests <- request{kind: verifyImage, console: "ttyS0"}
	s := b.w.until(t, "the outcome", func(s *Snapshot) bool { return s.Outcome != nil })
	want := []ops.Line{{Label: "active", Text: "intact"}, {Label: "backup", Text: "damaged: kernel.img: hash differs"}}
	if o := s.Outcome; o.Failed || o.Text != "damaged: backup" || o.Hint == "" || !slices.Equal(o.Lines, want) {
		t.Errorf("came to %+v", o)
	}
	b.w.until(t, "the damage", func(s *Snapshot) bool { i, _ := s.Report.Image("backup"); return i.Integrity == flash.Damaged })
	b.requests <- request{kind: verifyImage, console: "ttyS0", object: "active"}
	s = b.w.until(t, "the second outcome", func(s *Snapshot) bool { return s.Outcome != nil && s.Outcome.Number == 2 })
	if o := s.Outcome; o.Text != "active: intact" || len(o.Lines) != 0 {
		t.Errorf("came to %+v", o)
	}
}

// TestCarry: what is known of an image stays with its content.
func TestCarry(t *testing.T) {
	id := func(n byte) flash.ID { return flash.ID{n} }
	with := func(name string, n byte, i flash.Integrity) status.Image {
		img := image(name, "1", "6.1", 1, i)
		img.ID = id(n)
		return img
	}
	before := &status.Report{Images: []status.Image{with("active", 1, flash.Verified), with("backup", 2, flash.Damaged), with("factory", 3, flash.Intact), with("1.4", 3, flash.Intact)}}
	for _, test := range []struct {
		name    string
		now     status.Image
		written bool
		want    flash.Integrity
	}{
		{"the same", with("active", 1, flash.Unknown), false, flash.Verified},
		{"moved", with("backup", 1, flash.Unknown), true, flash.Verified},
		{"another in its place", with("active", 9, flash.Unknown), true, flash.Unknown},
		{"damaged, looked at again", with("backup", 2, flash.Unknown), false, flash.Damaged},
		{"damaged, perhaps written anew", with("backup", 2, flash.Unknown), true, flash.Unknown},
		{"damaged, moved", with("active", 2, flash.Unknown), true, flash.Unknown},
		{"one of two copies", with("backup", 3, flash.Unknown), true, flash.Unknown},
		{"no ID", with("backup", 0, flash.Unknown), true, flash.Unknown},
	} {
		got := carry(before, &status.Report{Images: []status.Image{test.now}}, test.written).Images[0]
		if got.Integrity != test.want {
			t.Errorf("%s: %v, want %v", test.name, got.Integrity, test.want)
		}
	}
}

// TestFindsArchives: a search goes on beside everything else, once at a time.
func TestFindsArchives(t *testing.T) {
	let, begun := make(chan struct{}), make(chan struct{}, 10)
	b := newBenchOf(t, 0, func(h *hub) {
		h.o.Archives = func(context.Context) ([]archive.Found, error) {
			begun <- struct{}{}
			<-let
			return []archive.Found{{Source: archive.Source{Name: "sdb1:/a.tgz"}, Path: "a.tgz"}}, errors.New("sdc1 cannot be read: input/output error")
		}
	})
	b.requests <- request{kind: findArchives, console: "ttyS0"}
	b.requests <- request{kind: findArchives, console: "tty0"}
	b.w.until(t, "the search", func(s *Snapshot) bool { return s.Archives.Looking })
	b.ready(t)
	close(let)
	s := b.w.until(t, "the list", func(s *Snapshot) bool { return !s.Archives.Looking })
	if len(s.Archives.List) != 1 || s.Archives.Problem == "" || len(begun) != 1 {
		t.Errorf("found %+v in %d searches", s.Archives, len(begun))
	}
}

// TestPace: how much, how fast, how long; not more often than a line of 9600 baud can take.
func TestPace(t *testing.T) {
	at := time.Unix(0, 0)
	r := &reporter{now: func() time.Time { return at }}
	for _, test := range []struct {
		after time.Duration
		step  string
		done  int64
		total int64
		shown bool
		pace  string
	}{
		{0, "write kernel.img", 0, 8 << 20, true, ""},
		{100 * time.Millisecond, "write kernel.img", 1 << 20, 8 << 20, false, ""},
		{150 * time.Millisecond, "write kernel.img", 2 << 20, 8 << 20, true, ""},
		{750 * time.Millisecond, "write kernel.img", 4 << 20, 8 << 20, true, "4.0 MiB of 8.0 MiB, 4.0 MiB/s, 1s left"},
		{500 * time.Millisecond, "write kernel.img", 5 << 20, 8 << 20, true, "4.0 MiB of 8.0 MiB, 4.0 MiB/s, 1s left"},
		{0, "write initrd.img", 0, 0, true, ""},
		{2 * time.Second, "write initrd.img", 4 << 20, 0, true, "4.0 MiB, 2.0 MiB/s"},
	} {
		at = at.Add(test.after)
		pace, shown := r.take(ops.Progress{Step: test.step, Done: test.done, Total: test.total})
		if shown != test.shown || pace != test.pace {
			t.Errorf("%s %d: %q, %v; want %q, %v", test.step, test.done, pace, shown, test.pace, test.shown)
		}
	}
}
