package plain

import (
	"errors"

	"holdfast/ops"
	"holdfast/ops/boot"
	"holdfast/ops/status"
)

// boot shows what a boot of the image does, asks, and does it. It comes back when it was not to be.
func (m *session) boot(r *status.Report, image string) {
	plan, err := boot.Request{Report: r, Image: image, Consoles: m.Consoles, Operator: m.TTY, Session: m.Session}.Plan()
	if err != nil {
		m.printf("not booted: ")
		m.explain(err)
		return
	}
	m.printf("\n")
	for _, line := range plan.Lines() {
		m.printf("%s\n", line)
	}
	if !m.confirmed("boot") {
		return
	}
	if err := plan.Apply(m.ctx, m.Machine, &progress{session: m}); err != nil {
		m.printf("not booted: ")
		m.explain(err)
	}
}

// progress prints a line when a step begins. Percentages would fill a slow line, and could not be
// overwritten without an escape sequence.
type progress struct {
	session *session
	step    string
}

func (p *progress) Progress(now ops.Progress) {
	if now.Step == p.step {
		return
	}
	p.step = now.Step
	if now.Total > 0 {
		p.session.printf("%s (%s) ...\n", now.Step, size(now.Total))
		return
	}
	p.session.printf("%s ...\n", now.Step)
}

func (p *progress) Log(line string) { p.session.printf("%s\n", line) }

func hintOf(err error) string {
	var e *ops.Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}
