package tui

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"holdfast/flash"
	"holdfast/ops"
	"holdfast/ops/status"
)

// paper is a change of the tests: it is written when it is let, or fails.
type paper struct {
	entry  string
	write  func(entry string)
	let    chan struct{} // Apply waits for it; nil: it does not
	fail   error
	begins chan struct{}
}

func (p *paper) Lines() []ops.Line { return []ops.Line{{Label: "becomes", Text: p.entry}} }
func (p *paper) Nothing() bool     { return p.entry == "0" }
func (p *paper) Apply(ctx context.Context, rep ops.Reporter) error {
	p.begins <- struct{}{}
	if p.let != nil {
		<-p.let
	}
	if err := errors.Join(ctx.Err(), p.fail); err != nil {
		return err
	}
	p.write(p.entry)
	return nil
}

// desk plans papers for a bench whose flash it writes to. It refuses factory's entry.
type desk struct {
	paper paper
	plans chan string
	let   chan struct{} // a plan waits for it; nil: it does not
	demo  bool
}

func (p *desk) plan(_ context.Context, _ *status.Report, t Task) (plan, error) {
	if t.Verb == Repairs {
		return &paper{entry: "0"}, nil
	}
	p.plans <- t.Object
	if p.let != nil {
		<-p.let
	}
	written := p.paper
	written.entry = t.Object
	if t.Object == "9" {
		return nil, &ops.Error{Kind: ops.Refused, Err: errors.New("factory is empty"), Hint: "choose another"}
	}
	return &written, nil
}

// deskBench is a bench with a planner, and its flash found.
func deskBench(t *testing.T, autoboot time.Duration, set func(*desk)) (*bench, *desk) {
	t.Helper()
	fsys := wholeFlash()
	p := &desk{plans: make(chan string, 10)}
	p.paper.begins = make(chan struct{}, 10)
	p.paper.write = func(entry string) { fsys["boot/grub/default"].Data = savedFile(entry) }
	if set != nil {
		set(p)
	}
	b := newBenchOf(t, autoboot, func(h *hub) {
		h.plan = p.plan
		if p.demo {
			h.o.Machine = nil
		}
	})
	b.targets <- targetOf(fsys)
	b.w.until(t, "the report", func(s *Snapshot) bool { return s.Report != nil })
	return b, p
}

func savedFile(entry string) []byte { return []byte(entry + "\n##########\n") }

// looks has a console look at a change, and gives what it is shown.
func (b *bench) looks(t *testing.T, console, entry string) *Draft {
	t.Helper()
	b.requests <- request{kind: planTask, console: console, task: Task{Verb: SetsDefault, Object: entry}}
	s := b.w.until(t, "the plan", func(s *Snapshot) bool {
		d := s.Drafts[console]
		return d != nil && d.Task.Object == entry && !d.Reading
	})
	return s.Drafts[console]
}

// TestSetsTheDefault: one console agrees to a change; every console sees it, and what came of it.
func TestSetsTheDefault(t *testing.T) {
	b, p := deskBench(t, 0, func(p *desk) { p.paper.let = make(chan struct{}) })
	d := b.looks(t, "ttyS0", "2")
	if len(d.Lines) != 1 || d.Refused != "" || d.Nothing {
		t.Fatalf("looks at %+v", d)
	}
	b.requests <- request{kind: doTask, console: "ttyS0", draft: d}
	<-p.paper.begins
	s := b.w.until(t, "the change", func(s *Snapshot) bool { return s.Action != nil })
	if s.Action.Console != "ttyS0" || s.Action.title() != "boot default backup" {
		t.Errorf("under way is %+v", s.Action)
	}
	b.requests <- request{kind: bootImage, console: "tty0", object: "active"} // comes second
	close(p.paper.let)
	s = b.w.until(t, "the outcome", func(s *Snapshot) bool { return s.Outcome != nil })
	if o := s.Outcome; o.Failed || o.Text != "boot default: 0 (active) -> 2 (backup), read back" {
		t.Errorf("came to %+v", o)
	}
	if s.Action != nil || s.Report.Default() != "backup" {
		t.Errorf("afterwards the default is %q, under way %+v", s.Report.Default(), s.Action)
	}
	if img, why, _ := s.Report.Preferred(); img.Name != "backup" || why != "the boot default" {
		t.Errorf("an automatic boot would take %s, %s", img.Name, why)
	}
	if last := s.Log[len(s.Log)-1].Text; !strings.HasSuffix(last, s.Outcome.Text) {
		t.Errorf("the log ends with %q", last)
	}
	if len(b.m.loads) > 0 {
		t.Error("somebody else's boot was started meanwhile")
	}
}

// TestSetsWhatWasShown: a plan that is out of date, of another console, or refused is not carried out.
func TestSetsWhatWasShown(t *testing.T) {
	b, p := deskBench(t, 0, nil)
	first := b.looks(t, "ttyS0", "2")
	theirs := b.looks(t, "tty0", "4")
	refused := b.looks(t, "ttyS0", "9")
	if refused.Refused != "factory is empty" || refused.Hint != "choose another" {
		t.Errorf("refused by %+v", refused)
	}
	same := b.looks(t, "ttyS0", "0")
	for _, d := range []*Draft{nil, first, theirs, refused, same, {Task: Task{Object: "2"}}} {
		b.requests <- request{kind: doTask, console: "ttyS0", draft: d}
	}
	b.requests <- request{kind: doTask, console: "tty0", draft: theirs}
	b.w.until(t, "the outcome", func(s *Snapshot) bool { return s.Outcome != nil })
	if n := len(p.paper.begins); n != 1 {
		t.Errorf("%d changes began, want the one that its console agreed to", n)
	}
	s := b.w.until(t, "the report", func(s *Snapshot) bool { return s.Report.Default() == "maintenance" })
	if d := s.Drafts["ttyS0"]; !strings.Contains(d.Refused, "changed at tty0") {
		t.Errorf("ttyS0 still looks at %+v", d)
	}
}

// TestDefaultFails: the reason is shown, and the flash is read again: it may have changed all the same.
func TestDefaultFails(t *testing.T) {
	b, _ := deskBench(t, 0, func(p *desk) {
		p.paper.fail = &ops.Error{Kind: ops.NotWritable, Err: errors.New("busy"), Hint: "remount it"}
	})
	b.requests <- request{kind: doTask, console: "ttyS0", draft: b.looks(t, "ttyS0", "2")}
	s := b.w.until(t, "the failure", func(s *Snapshot) bool { return s.Outcome != nil })
	if o := s.Outcome; !o.Failed || o.message() != "the boot default was not set to backup: busy" || o.Hint != "remount it" {
		t.Errorf("came to %+v", o)
	}
	if s.Report.Default() != "active" {
		t.Errorf("the default is %q", s.Report.Default())
	}
}

// TestDiskGoes: a disk that is pulled while the default is written. One reason is one sentence, and no
// screen gives advice that only a command line could take.
func TestDiskGoes(t *testing.T) {
	b, p := deskBench(t, 0, func(p *desk) { p.paper.fail, p.paper.let = errors.New("open /dev/vda2: gone"), make(chan struct{}) })
	s := b.w.until(t, "the report", func(s *Snapshot) bool { return s.Report != nil })
	fsys := s.Report.Target.FS.(fstest.MapFS)
	b.requests <- request{kind: doTask, console: "ttyS0", draft: b.looks(t, "ttyS0", "2")}
	<-p.paper.begins
	clear(fsys)
	close(p.paper.let)
	s = b.w.until(t, "the failure", func(s *Snapshot) bool { return s.Outcome != nil })
	if o := s.Outcome; !o.Failed || o.Text != "open /dev/vda2: gone" || o.Hint != "" {
		t.Errorf("came to %+v", o)
	}
	if problem := s.Target.Problem; s.Report != nil || !strings.HasPrefix(problem, "test cannot be read any more: ") || strings.Contains(problem, "--flash") {
		t.Errorf("in place of the flash: %q", problem)
	}
}

func TestStopsADefault(t *testing.T) {
	b, p := deskBench(t, 0, func(p *desk) { p.paper.let = make(chan struct{}) })
	b.requests <- request{kind: doTask, console: "ttyS0", draft: b.looks(t, "ttyS0", "2")}
	<-p.paper.begins
	b.requests <- request{kind: stopAction, console: "ttyS0"}
	b.w.until(t, "the stop", func(s *Snapshot) bool { return s.Action != nil && s.Action.Stopping })
	close(p.paper.let)
	s := b.w.until(t, "the end", func(s *Snapshot) bool { return s.Outcome != nil })
	if s.Outcome.Text != "stopped" || s.Report.Default() != "active" {
		t.Errorf("came to %+v, the default is %q", s.Outcome, s.Report.Default())
	}
}

// TestPlansElsewhere: a disk that does not answer holds up no console.
func TestPlansElsewhere(t *testing.T) {
	b, p := deskBench(t, 0, func(p *desk) { p.let = make(chan struct{}) })
	b.requests <- request{kind: planTask, console: "ttyS0", task: Task{Verb: SetsDefault, Object: "2"}}
	<-p.plans
	s := b.w.until(t, "the wait", func(s *Snapshot) bool { return s.Drafts["ttyS0"] != nil })
	if !s.Drafts["ttyS0"].Reading {
		t.Error("there is a plan before there can be")
	}
	b.targets <- targetOf(wholeFlash()) // what is planned for the old one counts no more
	b.w.until(t, "the flash anew", func(now *Snapshot) bool { return now.Report != nil && now.Report != s.Report })
	close(p.let)
	d := b.looks(t, "tty0", "2")
	if d.Refused != "" {
		t.Errorf("tty0 is refused: %s", d.Refused)
	}
	if s := b.w.until(t, "both", func(s *Snapshot) bool { return len(s.Drafts) == 2 }); s.Drafts["ttyS0"].Refused == "" {
		t.Error("ttyS0 can agree to a plan for a flash that has gone")
	}
}

// TestDefaultStopsTheCountdown: who looks at the boot default is at work.
func TestDefaultStopsTheCountdown(t *testing.T) {
	b, _ := deskBench(t, time.Second, nil)
	b.w.until(t, "the countdown", func(s *Snapshot) bool { return s.Countdown != nil })
	b.looks(t, "ttyS0", "2")
	if s := b.w.until(t, "its end", func(s *Snapshot) bool { return s.Countdown == nil }); s.Autoboot {
		t.Error("it will begin again")
	}
}

// TestChangedElsewhere: what another program saved is on the screens after a shell, and when somebody
// looks at a change; a flash that cannot be read takes nothing away.
func TestChangedElsewhere(t *testing.T) {
	fsys := wholeFlash()
	b := newBenchOf(t, 0, func(h *hub) {
		h.plan = func(context.Context, *status.Report, Task) (plan, error) { return &paper{entry: "0"}, nil }
	})
	b.targets <- targetOf(fsys)
	s := b.w.until(t, "the report", func(s *Snapshot) bool { return s.Report != nil })
	save := func(entry string) { fsys["boot/grub/default"] = &fstest.MapFile{Data: savedFile(entry)} }
	is := func(slot string) func(*Snapshot) bool {
		return func(s *Snapshot) bool { return s.Report != nil && s.Report.Default() == slot }
	}
	if !is("active")(s) {
		t.Fatalf("the default is %q", s.Report.Default())
	}
	save("2")
	b.requests <- request{kind: shellEnded, console: "ttyS0"}
	b.w.until(t, "what the shell left", is("backup"))
	save("0")
	b.requests <- request{kind: findArchives, console: "tty0"} // what is staged is in its list too
	b.w.until(t, "what a search for archives found", is("active"))
	save("4")
	b.looks(t, "tty0", "0")
	b.w.until(t, "what the plan started from", is("maintenance"))
	clear(fsys)
	b.looks(t, "tty0", "2")
	b.requests <- request{kind: dismiss} // served after it
	if s := b.w.until(t, "the report", func(s *Snapshot) bool { return true }); s.Report == nil {
		t.Error("the images are gone from the screen")
	}
}

// TestHashesStay: a change of the default does not have every image hashed anew, and new problems of
// it are logged.
func TestHashesStay(t *testing.T) {
	h := newHub(options())
	h.state.Report = damaged(report(), "factory")
	after := booting(report(), savedDefault("2", "", 2, 3, 4))
	for i := range after.Images {
		after.Images[i].Integrity = flash.Unknown
	}
	after.Problems = []string{"boot default: odd"}
	h.reread(after, nil, false)
	r := h.state.Report
	if a, f := r.Images[0], r.Images[2]; a.Integrity != flash.Intact || f.Integrity != flash.Damaged || f.Broken == "" {
		t.Errorf("active is %v, factory %v, want them as they were", a.Integrity, f.Integrity)
	}
	if r.Default() != "backup" || len(r.Problems) != 1 {
		t.Errorf("default %q, problems %q", r.Default(), r.Problems)
	}
	if last := h.log.lines[len(h.log.lines)-1].Text; last != "holdfast: boot default: odd" {
		t.Errorf("the log ends with %q", last)
	}
}

// TestDemonstration: the plan is shown, and nothing is written.
func TestDemonstration(t *testing.T) {
	b, p := deskBench(t, 0, func(p *desk) { p.demo = true })
	d := b.looks(t, "ttyS0", "2")
	if len(d.Lines) == 0 || d.Refused != "" {
		t.Errorf("looks at %+v", d)
	}
	b.requests <- request{kind: doTask, console: "ttyS0", draft: d}
	s := b.w.until(t, "the outcome", func(s *Snapshot) bool { return s.Outcome != nil })
	if o := s.Outcome; !o.Failed || o.Text != "this is a demonstration: nothing is written" || len(p.paper.begins) > 0 {
		t.Errorf("came to %+v, and %d changes began", o, len(p.paper.begins))
	}
}
