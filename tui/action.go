package tui

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"holdfast/flash"
	"holdfast/ops"
	"holdfast/ops/boot"
	"holdfast/ops/status"
	"holdfast/tui/terminal"
)

// leaveGrace is how long a reboot or a power-off waits for an action that was told to stop.
const leaveGrace = 10 * time.Second

// progressEvery is how often progress is shown: more would fill a line of 9600 baud.
const progressEvery = 250 * time.Millisecond

// unverified is the first image that is there and that nobody has hashed.
func unverified(r *status.Report) (status.Image, bool) {
	for _, i := range r.Images {
		if i.Present && i.Integrity == flash.Unknown {
			return i, true
		}
	}
	return status.Image{}, false
}

// imageName is an image as people speak of it: its slot and its version.
func imageName(i status.Image) string {
	if i.Version == "" || i.Version == i.Name {
		return i.Name
	}
	return i.Name + " " + i.Version
}

func hintOf(err error) string {
	var e *ops.Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

// startCountdown begins the automatic boot, once in a console's life.
func (h *hub) startCountdown() {
	if h.o.Autoboot <= 0 || h.counted || h.state.Action != nil {
		return
	}
	if _, _, ok := h.state.Report.Preferred(); !ok {
		h.noAutoboot()
		return
	}
	h.state.Countdown = &Countdown{Left: int((h.o.Autoboot + time.Second - 1) / time.Second)}
	h.tick = h.after(time.Second)
}

// pauseCountdown is for a flash that goes away: the countdown begins anew with the next one.
func (h *hub) pauseCountdown() { h.state.Countdown, h.tick = nil, nil }

// endCountdown ends it for good.
func (h *hub) endCountdown(why string) {
	if h.o.Autoboot <= 0 || h.counted {
		return
	}
	h.pauseCountdown()
	h.counted = true
	h.say("automatic boot: %s", why)
}

// noAutoboot ends the automatic boot before it began, and says so on every screen. Factory is for a
// person to choose: it is older than anything the appliance ran since.
func (h *hub) noAutoboot() {
	h.counted = true
	h.failures++
	h.state.Failure = &Failure{Number: h.failures, Text: "no automatic boot: neither active nor backup can boot",
		Hint: "choose an image, then b"}
	h.say("%s", h.state.Failure.Text)
}

// second is one second of the countdown gone by.
func (h *hub) second() {
	img, why, ok := h.state.Report.Preferred()
	if !ok {
		h.pauseCountdown()
		h.noAutoboot()
		return
	}
	c := *h.state.Countdown
	c.Left--
	h.state.Countdown = &c
	if c.Left > 0 {
		h.tick = h.after(time.Second)
		return
	}
	h.endCountdown(imageName(img) + ", " + why)
	h.boot("", img.Name)
}

// boot starts a boot unless something is being done already: who comes second sees who was first.
func (h *hub) boot(console, image string) {
	if h.state.Action != nil || h.state.Report == nil || h.left != nil {
		return
	}
	h.stopVerifying()
	h.state.Failure = nil
	action := Action{Console: console, Image: image}
	plan, err := boot.Request{Report: h.state.Report, Image: image, Consoles: h.o.Kernel, Operator: console}.Plan()
	if err == nil && h.o.Machine == nil {
		err = &ops.Error{Kind: ops.Refused, Op: "boot", Err: errors.New("this is a demonstration: nothing is booted")}
	}
	if err != nil {
		h.failed(action, err)
		return
	}
	h.state.Action = &action
	h.say("boot %s, asked for by %s", imageName(plan.Image), action.who())
	ctx, cancel := context.WithCancel(h.ctx)
	h.stop = cancel
	h.spawn(func() func() {
		defer cancel()
		err := plan.Apply(ctx, machine{h.o.Machine, h.crew}, &reporter{hub: h})
		return func() { h.failed(*h.state.Action, err) }
	})
}

// failed is the only way an action ends that we see: one that succeeds does not come back.
func (h *hub) failed(a Action, err error) {
	h.state.Action, h.stop = nil, nil
	h.failures++
	f := Failure{Number: h.failures, Action: a, Text: err.Error(), Hint: hintOf(err)}
	if errors.Is(err, context.Canceled) {
		f.Text, f.Hint = "stopped", ""
	}
	h.state.Failure = &f
	h.say("boot %s: %s", a.Image, f.Text)
	if a.Console == "" && !a.Stopping && h.left == nil && h.state.Report != nil {
		h.bootNext(a.Image)
	}
	h.verify()
}

// bootNext goes on with the automatic boot after an image that did not boot: nobody is there to
// choose another. Each image is tried once.
func (h *hub) bootNext(failed string) {
	h.tried = append(h.tried, failed)
	if img, _, ok := h.state.Report.Preferred(h.tried...); ok {
		h.say("automatic boot: %s, as %s did not boot", imageName(img), failed)
		failure := h.state.Failure
		h.boot("", img.Name)
		h.state.Failure = failure // why it is not the image that was wanted stays on the screens
	}
}

func (h *hub) stopAction() {
	if h.stop == nil || h.state.Action == nil {
		return
	}
	h.stop()
	a := *h.state.Action
	a.Stopping = true
	h.state.Action = &a
}

// reporter brings an action's progress to the hub.
type reporter struct {
	hub *hub

	mu   sync.Mutex
	step string
	last time.Time
}

// Progress shows the state of a step, not each one that comes.
func (r *reporter) Progress(p ops.Progress) {
	r.mu.Lock()
	early := p.Step == r.step && time.Since(r.last) < progressEvery
	if !early {
		r.step, r.last = p.Step, time.Now()
	}
	r.mu.Unlock()
	if early {
		return
	}
	r.hub.send(func() {
		if r.hub.state.Action != nil {
			a := *r.hub.state.Action
			a.Progress = p
			r.hub.state.Action = &a
		}
	})
}

// Log adds a fact to the log.
func (r *reporter) Log(text string) { r.hub.tell("%s", text) }

// machine gives the consoles back around a jump.
type machine struct {
	boot.Machine
	crew consoles
}

// Release lets the machine itself be released, then ends every program, gives every terminal back,
// and says on each what comes next: if the next kernel shows nothing, this is what stands on the
// screen.
func (m machine) Release(p boot.Plan) (func() error, error) {
	restore, err := m.Machine.Release(p)
	if err != nil {
		return restore, err
	}
	m.crew.stop()
	m.crew.print(farewell(p))
	return func() error {
		err := restore()
		m.crew.start()
		return err
	}, nil
}

func farewell(p boot.Plan) string {
	var b strings.Builder
	b.WriteString(terminal.Reset + terminal.Clear + "Holdfast hands the machine over.\r\n")
	for _, l := range p.Lines() {
		for _, r := range l.String() {
			b.WriteRune(clean(r, false))
		}
		b.WriteString("\r\n")
	}
	return b.String()
}
