package tui

import "time"

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
	h.conclude(Outcome{Failed: true, Text: "no automatic boot: neither active nor backup can boot", Hint: "choose an image, then b"})
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

// bootNext goes on with the automatic boot after an image that did not boot: nobody is there to
// choose another. Each image is tried once.
func (h *hub) bootNext(failed string) {
	h.tried = append(h.tried, failed)
	if img, _, ok := h.state.Report.Preferred(h.tried...); ok {
		h.say("automatic boot: %s, as %s did not boot", imageName(img), failed)
		h.boot("", img.Name)
	}
}
