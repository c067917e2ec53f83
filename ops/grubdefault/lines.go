package grubdefault

import (
	"fmt"
	"strconv"
	"strings"

	"holdfast/flash/grub"
	"holdfast/flash/store"
	"holdfast/ops"
)

// Lines is the plan in plain words.
func (p Plan) Lines() []ops.Line {
	var lines []ops.Line
	add := func(label, text string) { lines = append(lines, ops.Line{Label: label, Text: text}) }
	if p.Nothing() {
		add("default", p.name(p.To)+", as it is")
		add("writes", "nothing")
	} else {
		add("default", p.name(p.From)+" -> "+p.name(p.To))
		add("writes", p.spot.String())
		if p.historyDir() != "" {
			add("logs", "the old sector and what was done, in cfg/holdfast.log")
		}
	}
	if then := p.chain(); then != "" {
		add("then", then)
	}
	switch once := p.loader.saved.Once(); {
	case once == "":
	case p.after.Once() == once:
		add("once", p.name(once)+" was asked for the next boot alone: stays")
	default:
		add("once", p.name(once)+" was asked for the next boot alone: forgotten")
	}
	for _, note := range p.notes {
		add("note", note)
	}
	return lines
}

// String is Lines, joined.
func (p Plan) String() string { return ops.Join(p.Lines()) }

// name is a saved name with what the menu knows of it.
func (p Plan) name(saved string) string {
	if saved == "" {
		return "none"
	}
	e, ok := p.loader.menu.Find(saved)
	if !ok {
		return shown(saved)
	}
	return describe(saved, e)
}

// shown is a name as it can be printed and logged: one that could drive a terminal, or begin a line of
// its own, is quoted.
func shown(name string) string {
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}

// chain is what boots from the next start on, by slots where entries have one.
func (p Plan) chain() string {
	var list []string
	for _, e := range p.loader.menu.Chain(p.after, func(e grub.Entry) bool { return p.request.empty(e) == "" }) {
		name := e.Slot
		if name == "" {
			name = "entry " + e.Key
		}
		list = append(list, name)
	}
	return strings.Join(list, ", ")
}

// String is where and how the default is written.
func (s spot) String() string {
	of := label(s.volume)
	if s.path == "" {
		of = s.volume.Disk
	}
	text := fmt.Sprintf("one sector, %d of %s (%s), through the %v", s.blocks.Sector, of, s.file(), s.way)
	if s.volume.Sector > store.Sector && s.way != throughFile {
		text += fmt.Sprintf(", in a block of %d bytes that stay as they are otherwise", s.volume.Sector)
	}
	return text
}
