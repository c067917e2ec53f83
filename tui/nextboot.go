package tui

import (
	"fmt"
	"strconv"
	"strings"

	"holdfast/flash"
	"holdfast/flash/grub"
	"holdfast/ops/repair"
	"holdfast/ops/status"
)

// wide is the width from which labels have their column on the first screen.
const wide = 60

// nextBoot is what GRUB boots next and after that, on one line, and below it what is odd about it.
func (v *view) nextBoot(width int) []line {
	r := v.snap.Report
	label := pad("next boot", labelWidth)
	if width < wide {
		label = "next "
	}
	if r.Boot == nil || len(r.Boot.Next) == 0 {
		return labelledIn(strings.TrimRight(label, " "), clip(unknownBoot(r), 2*(width-len(label))), len(label), width, bad)
	}
	lines := []line{{{text: label}, {text: chain(r.Boot, width-len(label))}}}
	if odd := oddBoot(r); odd != "" {
		lines = append(lines, labelledIn("", clip(odd, 2*(width-len(label))-8), len(label), width, bad)...)
	}
	return lines
}

// lastEvent is what happened last to the slots, on one line; nothing when nobody knows.
func (v *view) lastEvent(width int) []line {
	e := v.snap.Report.Record.Last
	text := repair.Said(v.snap.Report, e)
	if text == "" {
		return nil
	}
	label, s := pad("last", labelWidth), normal
	if width < wide {
		label = "last "
	}
	if e.Kind == flash.RolledBack || e.Kind == flash.Undone {
		s = bad
	}
	return []line{{{text: label}, {clip(text, width-len(label)), s}}}
}

// chain is the boots that follow each other in at most width cells: in full, else each slot once with
// how many times it is tried.
func chain(b *status.Boot, width int) string {
	full, short := steps(b)
	for _, text := range []string{sentence(full), sentence(short)} {
		if len([]rune(text)) <= width {
			return text
		}
	}
	return clip(strings.Join(short, ", "), width)
}

// sentence is "active, then backup, maintenance".
func sentence(steps []string) string {
	if len(steps) > 1 {
		steps = append([]string{steps[0], "then " + steps[1]}, steps[2:]...)
	}
	return strings.Join(steps, ", ")
}

// steps names the entries of a chain, in full and with those of a slot that follow each other as one.
func steps(b *status.Boot) (full, short []string) {
	last, times := "", 0
	for i, e := range b.Next {
		name := entryName(e)
		switch group := b.Menu.Group(e); {
		case i == 0 && b.Saved.Once() != "":
			full, short = append(full, name+" (once)"), append(short, name+" (once)")
			continue
		case len(group) > 0 && !same(group[0], e):
			full = append(full, name+" (retry)")
		default:
			full = append(full, name)
		}
		if name == last {
			times++
			short[len(short)-1] = name + " x" + strconv.Itoa(times)
			continue
		}
		last, times, short = name, 1, append(short, name)
	}
	return full, short
}

// bootProblem begins those of a report's problems that are about the boot default.
const bootProblem = "boot default: "

// unknownBoot says why it is not known what boots next.
func unknownBoot(r *status.Report) string {
	if r.Boot != nil {
		if odd := oddBoot(r); odd != "" {
			return odd
		}
		return "not known"
	}
	if reason := told(r); reason != "" {
		return "not known: " + reason
	}
	return "no boot default found"
}

// told is what the report says of the boot default.
func told(r *status.Report) string {
	for _, p := range r.Problems {
		if text, ok := strings.CutPrefix(p, bootProblem); ok {
			return text
		}
	}
	return r.Target.GRUB.Problem
}

// oddBoot says in words what is wrong with the boot default, or "".
func oddBoot(r *status.Report) string {
	b := r.Boot
	name := grub.Boots(b.Saved)
	saved := quoted(name)
	_, named := b.Menu.Find(name)
	switch {
	case len(b.Menu.Entries) == 0:
		return "saved default: " + saved + ", and no menu that says what it boots"
	case !b.Menu.Saved:
		return "the menu does not heed the saved default (" + saved + ")"
	case name != "" && !named:
		return "saved default: " + saved + ", which the menu does not have"
	case same(b.Entry, grub.Entry{}):
		return "which entry of the menu boots is not known"
	case len(b.Next) == 0:
		return "GRUB can load nothing of its menu"
	}
	next := b.Next[0]
	if !same(next, b.Entry) {
		return skipped(r, b.Entry, next)
	}
	if img, ok := r.Image(next.Slot); ok && img.Integrity == flash.Damaged {
		return next.Slot + " is damaged, which GRUB does not see"
	}
	return told(r)
}

// skipped says why GRUB does not load an entry, and which one it loads.
func skipped(r *status.Report, e, next grub.Entry) string {
	why, detail := "cannot be loaded", ""
	img, ok := r.Image(e.Slot)
	switch {
	case ok && !img.Present:
		why = "is empty"
	case ok && img.Broken != "":
		detail = " (" + img.Broken + ")"
	}
	return fmt.Sprintf("%s %s: GRUB goes on to %s%s", entryName(e), why, entryName(next), detail)
}

// quoted is an entry as it is saved: a number, or a name.
func quoted(entry string) string {
	if entry == "" {
		return "nothing"
	}
	if _, err := strconv.Atoi(entry); err == nil {
		return "entry " + entry
	}
	return strconv.Quote(entry)
}
