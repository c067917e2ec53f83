package plain

import (
	"context"
	"fmt"
	"strings"

	"holdfast/flash"
	"holdfast/ops"
	"holdfast/ops/archive"
	"holdfast/ops/install"
	"holdfast/ops/remove"
	"holdfast/ops/repair"
	"holdfast/ops/rotate"
	"holdfast/ops/status"
)

// task is what the menu does with the flash, planned by an operation.
type task interface {
	Lines() []ops.Line
	Apply(context.Context, ops.Reporter) error
}

// changeImages asks what is to be done with the images, and does it.
func (m *session) changeImages(r *status.Report) {
	items := m.operations(r)
	var names []string
	for _, i := range items {
		names = append(names, i.label)
	}
	if n, ok := m.pick(names, "what to do"); ok {
		items[n].do()
	}
}

// operations are the items for what changes the images.
func (m *session) operations(r *status.Report) []item {
	items := []item{
		{label: "install an image from an archive", do: func() { m.install(r) }},
		{label: "exchange active and backup", do: func() { m.rotate(r, "") }},
	}
	for _, img := range r.Images {
		if img.Staged {
			items = append(items, item{label: "make " + img.Name + " the active image", do: func() { m.rotate(r, img.Name) }})
		}
	}
	for _, img := range r.Images {
		if img.Entry.State == flash.Bad {
			items = append(items, item{label: "clear the mark of " + img.Name + ", which is bad", do: func() { m.repair(r, img.Name) }})
		}
	}
	items = append(items,
		item{label: "remove an image", do: func() { m.remove(r) }},
		item{label: "verify the images", do: func() { m.verify(r) }})
	if p, err := m.planRepair(r, ""); err == nil && !p.Nothing() {
		items = append(items, item{label: "repair: " + repair.Reason(p.Lines()), do: func() { m.repair(r, "") }})
	}
	return items
}

// carry shows a plan, asks for a word, and carries the plan out. err is what kept it from being made.
func (m *session) carry(p task, err error, word, what string) {
	if err != nil {
		m.printf("not possible: ")
		m.explain(err)
		return
	}
	m.printPlan(p)
	m.apply(p, word, what)
}

func (m *session) printPlan(p task) {
	m.printf("\n")
	for _, line := range p.Lines() {
		m.printf("%s\n", line)
	}
}

func (m *session) apply(p task, word, what string) {
	if !m.typed(word, what) {
		return
	}
	if err := p.Apply(m.ctx, &progress{session: m}); err != nil {
		m.printf("it failed: ")
		m.explain(err)
		return
	}
	m.printf("Done. Enter shows it.\n")
}

// pick lists things and asks for the number of one; false when none was chosen.
func (m *session) pick(names []string, what string) (int, bool) {
	m.printf("\n")
	for n, name := range names {
		m.printf("%3d  %s\n", n+1, name)
	}
	answer, ok := m.ask("Number of " + what + ", or Enter to go back: ")
	if !ok || answer == "" {
		return 0, false
	}
	for n := range names {
		if answer == fmt.Sprint(n+1) {
			return n, true
		}
	}
	m.printf("There is no such number.\n")
	return 0, false
}

// install looks for archives, asks for one, and installs it.
func (m *session) install(r *status.Report) {
	var found []archive.Found
	var err error
	if m.Archives != nil {
		m.printf("Looking for archives on every volume ...\n")
		found, err = m.Archives(m.ctx)
	}
	if err != nil {
		m.printf("! %v\n", err)
	}
	if len(found) == 0 {
		m.printf("No archive was found. Connect a stick with one and choose again.\n")
		return
	}
	var names []string
	for _, f := range found {
		names = append(names, fmt.Sprintf("%s, %s, %s", f.Name, size(f.Size), f.ModTime.Format("2006-01-02 15:04")))
	}
	n, ok := m.pick(names, "the archive")
	if !ok {
		return
	}
	m.installFrom(r, found[n].Source)
}

// installFrom asks for a word for each thing that only an operator may let pass.
func (m *session) installFrom(r *status.Report, source archive.Source) {
	request := install.Request{Report: r, Source: source, Session: m.Session, Progress: &progress{session: m}}
	p, err := request.Plan(m.ctx)
	if err != nil {
		m.carry(p, err, "", "")
		return
	}
	m.printPlan(p)
	if p.Nothing() != "" {
		m.printf("There is nothing to do.\n")
		return
	}
	if request.Override = p.Objection() != ""; request.Override && !m.typed("override", "install it although "+p.Objection()) {
		return
	}
	word, what := "yes", "install it"
	if request.MakeRoom = len(p.Room()) > 0; request.MakeRoom {
		word, what = "remove", "remove "+strings.Join(p.Room(), " and ")+" and install it"
	}
	if request.Override || request.MakeRoom {
		if p, err = request.Plan(m.ctx); err != nil {
			m.carry(p, err, "", "")
			return
		}
	}
	if err := p.Check(); err != nil {
		m.printf("not possible: ")
		m.explain(err)
		return
	}
	m.apply(p, word, what)
}

func (m *session) rotate(r *status.Report, version string) {
	p, err := rotate.Request{Report: r, Version: version, Session: m.Session, Progress: &progress{session: m}}.Plan(m.ctx)
	m.carry(p, err, "yes", "do it")
}

// remove asks for an image and removes it. What is typed is its name: no word that was meant for something
// else removes it.
func (m *session) remove(r *status.Report) {
	var names, lines []string
	for _, img := range r.Images {
		if img.Present {
			names, lines = append(names, img.Name), append(lines, describe(img))
		}
	}
	n, ok := m.pick(lines, "the image that goes")
	if !ok {
		return
	}
	p, err := remove.Request{Report: r, Name: names[n], Session: m.Session, Progress: &progress{session: m}}.Plan(m.ctx)
	m.carry(p, err, names[n], "remove it")
}

func (m *session) planRepair(r *status.Report, clear string) (repair.Plan, error) {
	return repair.Request{Report: r, Session: m.Session, Clear: clear}.Plan()
}

func (m *session) repair(r *status.Report, clear string) {
	p, err := m.planRepair(r, clear)
	m.carry(p, err, "yes", "do it")
}

// verify hashes all images and says what came of each.
func (m *session) verify(r *status.Report) {
	for _, img := range r.Images {
		if !img.Present {
			continue
		}
		img, err := img.Verify(m.ctx, r.Target.FS, &progress{session: m})
		if err != nil {
			m.explain(err)
			return
		}
		text := img.Integrity.String()
		if img.Signer != "" {
			text += ", signed by " + img.Signer
		}
		m.printf("%-8s %s\n", img.Name, text)
		for _, p := range img.Problems {
			m.printf("! %s: %s\n", img.Name, p)
		}
	}
}
