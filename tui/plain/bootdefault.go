package plain

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"holdfast/flash/grub"
	"holdfast/ops"
	"holdfast/ops/grubdefault"
	"holdfast/ops/status"
)

// change is a change of the boot default that was planned.
type change interface {
	Lines() []ops.Line
	Nothing() bool
	Apply(context.Context, ops.Reporter) error
}

// planChange is how the real ones are planned.
func planChange(r grubdefault.Request) (change, error) { return r.Plan() }

// changeDefault lists the entries of GRUB's menu, asks for one and makes it the boot default.
func (m *session) changeDefault(r *status.Report) {
	if r.Boot == nil || len(r.Boot.Menu.Entries) == 0 {
		m.printf("There is no boot default, or no menu that says what it boots.\n")
		return
	}
	entries := firsts(r.Boot.Menu)
	m.printf("\n")
	for n, e := range entries {
		m.printf("%3d  %s\n", n+1, choice(r, e))
	}
	answer, ok := m.ask("Number of what boots by itself, or Enter to go back: ")
	if !ok || answer == "" {
		return
	}
	n, err := strconv.Atoi(answer)
	if err != nil || n < 1 || n > len(entries) {
		m.printf("There is no such number.\n")
		return
	}
	m.setDefault(r, entries[n-1])
}

// setDefault shows what is written for that, asks, and writes it.
func (m *session) setDefault(r *status.Report, e grub.Entry) {
	plan, err := m.plan(r, e)
	if err != nil {
		m.printf("not changed: ")
		m.explain(err)
		return
	}
	m.printf("\n")
	for _, line := range plan.Lines() {
		m.printf("%s\n", line)
	}
	if plan.Nothing() {
		m.printf("There is nothing to change.\n")
		return
	}
	if !m.confirmed("change it") {
		return
	}
	if err := plan.Apply(m.ctx, &progress{session: m}); err != nil {
		m.printf("it failed: ")
		m.explain(err)
		return
	}
	m.printf("The boot default is changed. Enter shows it.\n")
}

func (m *session) plan(r *status.Report, e grub.Entry) (change, error) {
	name := r.Boot.Menu.Name(e, r.Boot.Saved.Entry())
	if name == "" {
		return nil, errors.New("a saved default cannot name this entry")
	}
	return m.planChange(grubdefault.Request{Report: r, Entry: name})
}

// firsts are the entries without the retries of each.
func firsts(menu grub.Menu) []grub.Entry {
	var list []grub.Entry
	for _, e := range menu.Entries {
		first := e
		if group := menu.Group(e); len(group) > 0 {
			first = group[0]
		}
		if !e.Submenu && first.Key == e.Key && first.Title == e.Title && first.ID == e.ID {
			list = append(list, e)
		}
	}
	return list
}

// choice is an entry on one line, with what is known of its image.
func choice(r *status.Report, e grub.Entry) string {
	text := fmt.Sprintf("%-11s  %s", orDash(e.Slot), strconv.QuoteToASCII(e.Title))
	if img, ok := r.Image(e.Slot); ok && img.Broken != "" {
		return text + ": " + img.Broken
	} else if ok {
		return text + ", " + orDash(img.Version)
	}
	return text
}

// nextBoot says what GRUB boots by itself, and what after that when no boot succeeds.
func nextBoot(b *status.Boot) string {
	if b == nil || len(b.Next) == 0 {
		return "not known"
	}
	var names []string
	for _, e := range b.Next {
		name := e.Slot
		if name == "" {
			name = strconv.QuoteToASCII(e.Title)
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}
