package tui

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"holdfast/flash"
	"holdfast/kexec"
	"holdfast/kexec/kexectest"
	"holdfast/ops/boot"
	"holdfast/ops/logs"
	"holdfast/ops/status"
)

// menuList is the menu that disk create writes, without what does not matter here.
const menuList = `default saved
fallback 2 4
title Active image
savedefault 1
kernel (hd0,1)/system/active/kernel.img quiet
title Active image (retry)
savedefault 2
kernel (hd0,1)/system/active/kernel.img quiet
title Backup image
savedefault 3
kernel (hd0,1)/system/backup/kernel.img quiet
title Backup image (retry)
savedefault 4
kernel (hd0,1)/system/backup/kernel.img quiet
title Maintenance console
savedefault 4
kernel (hd0,0)/firmware/kernel.img
`

// wholeFlash is a flash with active and backup, both whole, and an empty factory.
func wholeFlash() fstest.MapFS {
	fsys := fstest.MapFS{
		"cfg/system.arg":      {Data: []byte("net.ifnames=0\n")},
		"boot/grub/menu.lst":  {Data: []byte(menuList)},
		"boot/grub/default":   {Data: savedFile("0")},
		"firmware/kernel.img": {Data: kexectest.Kernel("6.1.0-maintenance")},
	}
	for _, slot := range []string{"active", "backup"} {
		kernel := kexectest.Kernel("6.1.0-" + slot)
		args := []byte("root=/dev/ram0 quiet\n")
		sums := fmt.Sprintf("%x  kernel.img\n%x  kernel.arg\n", sha256.Sum256(kernel), sha256.Sum256(args))
		fsys["system/"+slot+"/kernel.img"] = &fstest.MapFile{Data: kernel}
		fsys["system/"+slot+"/kernel.arg"] = &fstest.MapFile{Data: args}
		fsys["system/"+slot+"/kernel.ver"] = &fstest.MapFile{Data: []byte("1.0\n")}
		fsys["system/"+slot+"/SHA256SUMS"] = &fstest.MapFile{Data: []byte(sums)}
	}
	return fsys
}

func targetOf(fsys fs.FS) Target {
	return Target{Target: status.Target{FS: fsys, Name: "test", Word: "sda2", GRUB: status.Place{FS: fsys}}}
}

// watch stands in for the consoles: it keeps what was shown, and a diary.
type watch struct {
	mu     sync.Mutex
	moved  *sync.Cond
	latest *Snapshot
	diary  []string
}

func newWatch() *watch {
	w := &watch{latest: &Snapshot{}}
	w.moved = sync.NewCond(&w.mu)
	return w
}

func (w *watch) note(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.diary = append(w.diary, text)
	w.moved.Broadcast()
}

func (w *watch) start()            { w.note("start") }
func (w *watch) stop()             { w.note("stop") }
func (w *watch) print(text string) { w.note("print " + text) }
func (w *watch) show(s *Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.latest = s
	w.moved.Broadcast()
}

// until waits for a state.
func (w *watch) until(t *testing.T, what string, wanted func(*Snapshot) bool) *Snapshot {
	t.Helper()
	late := time.AfterFunc(10*time.Second, func() { w.note("late") })
	defer late.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for !wanted(w.latest) {
		if n := len(w.diary); n > 0 && w.diary[n-1] == "late" {
			t.Fatalf("waited for %s, the state is %+v", what, *w.latest)
		}
		w.moved.Wait()
	}
	return w.latest
}

// computer is a machine that cannot jump.
type computer struct {
	w     *watch
	loads chan string   // command lines, as they are loaded
	hold  chan struct{} // Load waits for it; nil: it does not
	fail  error         // of Jump
}

func (c *computer) Load(_, _ *os.File, commandLine string) (kexec.Method, error) {
	c.loads <- commandLine
	if c.hold != nil {
		<-c.hold
	}
	var m kexec.Method
	return m, nil
}
func (c *computer) Unload() error { c.w.note("unload"); return nil }
func (c *computer) Release(boot.Plan) (func() error, error) {
	c.w.note("release")
	return func() error { c.w.note("restore"); return nil }, nil
}
func (c *computer) Jump() error { c.w.note("jump"); return c.fail }

// bench is a hub at work.
type bench struct {
	*hub
	w       *watch
	m       *computer
	targets chan Target
	log     chan logs.Line
	ticks   chan time.Time
	cancel  context.CancelFunc
	end     chan error
	how     Leave
}

func newBench(t *testing.T, autoboot time.Duration) *bench {
	return newBenchOf(t, autoboot, func(*hub) {})
}

// newBenchOf is newBench with a hub that is changed before it runs.
func newBenchOf(t *testing.T, autoboot time.Duration, change func(*hub)) *bench {
	o := options()
	w := newWatch()
	b := &bench{w: w, targets: make(chan Target), log: make(chan logs.Line), ticks: make(chan time.Time), end: make(chan error, 1)}
	b.m = &computer{w: w, loads: make(chan string, 10), fail: errors.New("the kernel said no")}
	o.Machine, o.Targets, o.KernelLog, o.Autoboot = b.m, b.targets, b.log, autoboot
	b.hub = newHub(o)
	b.crew = w
	change(b.hub)
	b.after = func(time.Duration) <-chan time.Time { return b.ticks }
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	done := make(chan struct{})
	go func() {
		defer close(done)
		how, err := b.run(ctx)
		b.how = how
		b.end <- err
	}()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

// ready has the flash found.
func (b *bench) ready(t *testing.T) {
	t.Helper()
	b.targets <- targetOf(wholeFlash())
	b.w.until(t, "the report", func(s *Snapshot) bool { return s.Report != nil })
}

func TestVerifiesInTheBackground(t *testing.T) {
	b := newBench(t, 0)
	fsys := wholeFlash()
	fsys["system/backup/kernel.img"].Data[3000] ^= 1
	b.targets <- targetOf(fsys)
	s := b.w.until(t, "the report", func(s *Snapshot) bool { return s.Report != nil })
	if i, _ := s.Report.Image("active"); i.Integrity != flash.Unknown {
		t.Errorf("before the first frame active is %v, want it left alone", i.Integrity)
	}
	b.requests <- request{kind: painted}
	b.w.until(t, "active intact, backup damaged", func(s *Snapshot) bool {
		a, _ := s.Report.Image("active")
		k, _ := s.Report.Image("backup")
		return a.Integrity == flash.Intact && k.Integrity == flash.Damaged && k.Broken != ""
	})
}

// TestOneBoot: two consoles confirm at once; one boot starts, and the other console sees whose.
func TestOneBoot(t *testing.T) {
	b := newBench(t, 0)
	b.ready(t)
	b.m.hold = make(chan struct{})
	b.requests <- request{kind: bootImage, console: "ttyS0", object: "active"}
	b.requests <- request{kind: bootImage, console: "tty0", object: "active"}
	line := <-b.m.loads
	if !strings.HasSuffix(strings.Split(line, " net.ifnames")[0], "console=ttyS0,115200n8") {
		t.Errorf("command line %q: the operator's console is not the last", line)
	}
	s := b.w.until(t, "the boot", func(s *Snapshot) bool { return s.Action != nil })
	if s.Action.Console != "ttyS0" {
		t.Errorf("%s acts, want ttyS0", s.Action.Console)
	}
	close(b.m.hold)
	b.w.until(t, "the failure", func(s *Snapshot) bool { return s.Outcome != nil && s.Action == nil })
	if len(b.m.loads) > 0 {
		t.Error("a second boot was started")
	}
}

// TestFailedJump: before the jump every console is given back and told the plan; after a failed one
// they come back with the reason.
func TestFailedJump(t *testing.T) {
	b := newBench(t, 0)
	b.ready(t)
	b.requests <- request{kind: bootImage, console: "tty0", object: "backup"}
	s := b.w.until(t, "the failure", func(s *Snapshot) bool { return s.Outcome != nil })
	if !strings.Contains(s.Outcome.Text, "the kernel said no") {
		t.Errorf("failure %q lacks the reason", s.Outcome.Text)
	}
	var short []string
	for _, d := range b.w.diary {
		word, rest, _ := strings.Cut(d, " ")
		short = append(short, word)
		if word == "print" && (!strings.Contains(rest, "system/backup/kernel.img") || !strings.Contains(rest, "img=backup")) {
			t.Errorf("printed %q, want kernel and command line", rest)
		}
	}
	if got, want := strings.Join(short, " "), "start release stop print jump restore start unload"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
}

func TestStopsABoot(t *testing.T) {
	b := newBench(t, 0)
	b.ready(t)
	b.m.hold = make(chan struct{})
	b.requests <- request{kind: bootImage, console: "tty0", object: "active"}
	<-b.m.loads
	b.requests <- request{kind: stopAction, console: "tty0"}
	close(b.m.hold)
	s := b.w.until(t, "the end", func(s *Snapshot) bool { return s.Outcome != nil })
	if s.Outcome.Text != "stopped" {
		t.Errorf("failure %q, want stopped", s.Outcome.Text)
	}
	for _, d := range b.w.diary {
		if d == "jump" {
			t.Error("it jumped all the same")
		}
	}
}

func TestRefusedBoot(t *testing.T) {
	b := newBench(t, 0)
	b.ready(t)
	b.requests <- request{kind: bootImage, console: "tty0", object: "factory"}
	s := b.w.until(t, "the refusal", func(s *Snapshot) bool { return s.Outcome != nil })
	if !strings.Contains(s.Outcome.Text, "empty") || s.Outcome.Hint == "" {
		t.Errorf("refused by %+v", s.Outcome)
	}
}

func TestAutoboot(t *testing.T) {
	b := newBench(t, 3*time.Second)
	b.ready(t)
	for left := 3; left > 0; left-- {
		s := b.w.until(t, "the countdown", func(s *Snapshot) bool { return s.Countdown != nil && s.Countdown.Left == left })
		if s.Countdown.Image != "active 1.0" || s.Countdown.Why != "the boot default" {
			t.Errorf("counts for %+v", s.Countdown)
		}
		b.ticks <- time.Time{}
	}
	line := <-b.m.loads
	if !strings.Contains(line, "img=active") {
		t.Errorf("booted %q, want active", line)
	}
	s := b.w.until(t, "the menu", func(s *Snapshot) bool { return s.Outcome != nil })
	if s.Countdown != nil || !strings.Contains(s.Outcome.Text, "the kernel said no") {
		t.Errorf("after a failed automatic boot: %+v, %+v", s.Countdown, s.Outcome)
	}
}

func TestAutobootTakesWhatCanBoot(t *testing.T) {
	b := newBench(t, time.Second)
	fsys := wholeFlash()
	fsys["system/active/kernel.img"].Data[3000] ^= 1
	b.targets <- targetOf(fsys)
	b.requests <- request{kind: painted}
	b.w.until(t, "backup to be the choice", func(s *Snapshot) bool { return s.Countdown != nil && s.Countdown.Image == "backup 1.0" })
	b.ticks <- time.Time{}
	if line := <-b.m.loads; !strings.Contains(line, "img=backup") {
		t.Errorf("booted %q, want backup", line)
	}
}

// TestAutobootGoesOn: the countdown may end before the hashes are known. The image that turns out
// damaged is followed by the next, once, and the reason stays on the screen.
func TestAutobootGoesOn(t *testing.T) {
	b := newBench(t, time.Second)
	fsys := wholeFlash()
	fsys["system/active/kernel.img"].Data[3000] ^= 1
	b.targets <- targetOf(fsys)
	b.w.until(t, "the countdown", func(s *Snapshot) bool { return s.Countdown != nil })
	b.ticks <- time.Time{} // nothing was painted, so nothing is hashed
	if line := <-b.m.loads; !strings.Contains(line, "img=backup") {
		t.Errorf("booted %q, want backup", line)
	}
	s := b.w.until(t, "the end of it", func(s *Snapshot) bool { return s.Outcome != nil && s.Outcome.Number == 2 && s.Action == nil })
	if s.Outcome.Action.Object != "backup" {
		t.Errorf("the last failure is %+v", s.Outcome)
	}
	select {
	case line := <-b.m.loads:
		t.Errorf("tried again: %q", line)
	default:
	}
}

// TestNoAutoboot: when neither image can boot, the screens say so, also when it turns out only while
// the seconds are counted.
func TestNoAutoboot(t *testing.T) {
	b := newBench(t, time.Second)
	fsys := wholeFlash()
	fsys["system/active/kernel.img"].Data[3000] ^= 1
	fsys["system/backup/kernel.img"].Data = nil
	b.targets <- targetOf(fsys)
	b.requests <- request{kind: painted}
	b.w.until(t, "the damage", func(s *Snapshot) bool { return s.Report != nil && s.Report.Images[0].Broken != "" })
	s := b.w.until(t, "the news", func(s *Snapshot) bool { return s.Outcome != nil })
	if s.Countdown != nil || s.Autoboot || !strings.Contains(s.Outcome.Text, "no automatic boot") {
		t.Errorf("countdown %+v, autoboot %v, failure %+v", s.Countdown, s.Autoboot, s.Outcome)
	}
}

// TestStopsBeforeTheFlashIsFound: the automatic boot can be stopped as soon as it is announced.
func TestStopsBeforeTheFlashIsFound(t *testing.T) {
	b := newBench(t, time.Second)
	b.w.until(t, "the announcement", func(s *Snapshot) bool { return s.Autoboot })
	b.requests <- request{kind: stopCountdown, console: "tty0"}
	b.ready(t)
	if s := b.w.until(t, "the report", func(s *Snapshot) bool { return s.Report != nil }); s.Countdown != nil || s.Autoboot {
		t.Error("it counts down all the same")
	}
}

func TestStopsTheCountdown(t *testing.T) {
	b := newBench(t, 2*time.Second)
	b.ready(t)
	b.w.until(t, "the countdown", func(s *Snapshot) bool { return s.Countdown != nil })
	b.requests <- request{kind: stopCountdown, console: "tty0"}
	b.w.until(t, "its end", func(s *Snapshot) bool { return s.Countdown == nil })
	b.ready(t) // the flash comes anew
	if s := b.w.until(t, "the report", func(s *Snapshot) bool { return s.Report != nil }); s.Countdown != nil {
		t.Error("a countdown that was stopped began again")
	}
}

func TestFlashIsLost(t *testing.T) {
	b := newBench(t, 5*time.Second)
	b.ready(t)
	b.w.until(t, "the countdown", func(s *Snapshot) bool { return s.Countdown != nil })
	b.targets <- Target{Problem: "pulled out"}
	b.w.until(t, "no flash", func(s *Snapshot) bool {
		return s.Report == nil && s.Countdown == nil && s.Target.Problem == "pulled out"
	})
	b.ready(t)
	b.w.until(t, "a countdown from the start", func(s *Snapshot) bool { return s.Countdown != nil && s.Countdown.Left == 5 })
	b.targets <- targetOf(fstest.MapFS{})
	b.w.until(t, "no flash layout", func(s *Snapshot) bool { return strings.Contains(s.Target.Problem, "no flash here") })
}

// TestNoticeAlone: news of PID 1 must not start the look at the flash, and the countdown, anew.
func TestNoticeAlone(t *testing.T) {
	b := newBench(t, 5*time.Second)
	b.ready(t)
	b.w.until(t, "the countdown", func(s *Snapshot) bool { return s.Countdown != nil })
	b.targets <- Target{Notice: "the console was started again"}
	s := b.w.until(t, "the notice", func(s *Snapshot) bool { return s.Target.Notice != "" })
	if s.Report == nil || s.Countdown == nil || s.Target.Name != "test" {
		t.Errorf("the notice took away what was there: %+v", s)
	}
}

func TestLogKeepsTheLast(t *testing.T) {
	b := newBench(t, 0)
	for i := range logLines + 500 {
		b.log <- logs.Line{Text: fmt.Sprint(i)}
	}
	last := fmt.Sprint(logLines + 499)
	s := b.w.until(t, "the last line", func(s *Snapshot) bool { return len(s.Log) > 0 && s.Log[len(s.Log)-1].Text == last })
	if len(s.Log) != logLines || s.LogFirst != 500 || s.Log[0].Text != "500" {
		t.Errorf("kept %d lines from %d (%q)", len(s.Log), s.LogFirst, s.Log[0].Text)
	}
}

func TestLeaves(t *testing.T) {
	b := newBench(t, 0)
	b.requests <- request{kind: leaveConsole, leave: PowerOff}
	if err := <-b.end; err != nil || b.how != PowerOff {
		t.Errorf("left by %v, %v; want to power off", b.how, err)
	}
}

// TestLeavesDespiteAHangingLoad: a reboot waits for an action that was told to stop, but not for ever.
func TestLeavesDespiteAHangingLoad(t *testing.T) {
	b := newBench(t, 0)
	b.m.hold = make(chan struct{})
	defer close(b.m.hold)
	b.ready(t)
	b.requests <- request{kind: bootImage, console: "ttyS0", object: "active"}
	<-b.m.loads
	b.requests <- request{kind: leaveConsole, console: "ttyS0", leave: Reboot}
	b.w.until(t, "the stop", func(s *Snapshot) bool { return s.Action != nil && s.Action.Stopping })
	select {
	case <-b.end:
		t.Fatal("left while the load was under way, without waiting for it")
	default:
	}
	b.ticks <- time.Time{} // the time is up
	if err := <-b.end; err != nil || b.how != Reboot {
		t.Errorf("left by %v, %v; want to reboot", b.how, err)
	}
}

// TestEndsWithItsContext: the end waits for an action, which could jump after it otherwise.
func TestEndsWithItsContext(t *testing.T) {
	b := newBench(t, 0)
	b.ready(t)
	b.m.hold = make(chan struct{})
	b.requests <- request{kind: bootImage, console: "tty0", object: "active"}
	<-b.m.loads
	b.cancel()
	b.w.until(t, "the action to be stopped", func(s *Snapshot) bool { return s.Action != nil && s.Action.Stopping })
	select {
	case err := <-b.end:
		t.Fatalf("ended by %v with a kernel half loaded", err)
	default:
	}
	close(b.m.hold)
	if err := <-b.end; !errors.Is(err, context.Canceled) {
		t.Errorf("ended by %v, want %v", err, context.Canceled)
	}
}

type landmine struct{}

func (landmine) Open(string) (fs.File, error) { panic("boom") }

func TestPanicEndsIt(t *testing.T) {
	b := newBench(t, 0)
	b.targets <- targetOf(landmine{})
	if err := <-b.end; err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("ended by %v, want the panic", err)
	}
}
