package tui

import (
	"context"
	"errors"
	"slices"
	"strings"

	"holdfast/ops"
	"holdfast/ops/boot"
	"holdfast/tui/terminal"
)

// boot hands the machine over to an image.
func (h *hub) boot(console, image string) {
	if !h.free() {
		return
	}
	action := Action{Console: console, Verb: Boots, Object: image}
	o := h.o.Session
	o.NoWait = console == "" // nobody is there who could end the wait
	_, _, another := h.state.Report.Preferred(append(slices.Clone(h.tried), image)...)
	plan, err := boot.Request{Report: h.state.Report, Image: image, Consoles: h.o.Kernel, Operator: console, Session: o, Alone: console == "" && another}.Plan()
	if err == nil && h.o.Machine == nil {
		err = &ops.Error{Kind: ops.Refused, Op: "boot", Err: errors.New("this is a demonstration: nothing is booted")}
	}
	if err != nil {
		h.ended(action, Outcome{}, err)
		return
	}
	h.act(action, func(ctx context.Context, rep ops.Reporter) (Outcome, error) {
		return Outcome{}, plan.Apply(ctx, machine{h.o.Machine, h.crew}, rep)
	})
}

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
