package install

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"holdfast/flash"
	"holdfast/kexec"
	"holdfast/ops"
	"holdfast/ops/arrange"
)

// Lines is the plan in words.
func (p Plan) Lines() []ops.Line {
	var lines []ops.Line
	add := func(label, format string, args ...any) {
		lines = append(lines, ops.Line{Label: label, Text: fmt.Sprintf(format, args...)})
	}
	add("install", "%s, from %s", cmp.Or(p.image.Version, "an image whose version is not known yet"), p.request.Source.Name)
	if p.nothing != "" {
		add("writes", "nothing: %s", p.nothing)
		return lines
	}
	p.addSigned(add)
	if p.objection != "" {
		add("against", "%s", p.objection)
	}
	p.addRoom(add)
	switch {
	case p.again:
		add("then", "active, which is this image, is on trial again, with %s", arrange.Tries(p.request.tries()))
	case p.request.StageOnly:
		add("then", "it is staged beside the slots; what boots stays as it is")
	default:
		p.addMoves(add)
	}
	if p.promote {
		lines = append(lines, p.boot.Lines()...)
	}
	if p.promote && p.image.Listed != nil {
		if n := arrange.InitrdNote(p.report, slices.Contains(p.image.Listed, "initrd.img")); n != "" {
			add("warning", "%s", n)
		}
	}
	for _, n := range p.notes() {
		add("note", "%s", n)
	}
	return lines
}

// String is Lines, joined.
func (p Plan) String() string { return ops.Join(p.Lines()) }

type adder = func(label, format string, args ...any)

func (p Plan) addSigned(add adder) {
	switch {
	case p.image.Signature.Signer != "":
		add("signed", "by %s", p.image.Signature.Signer)
	case p.image.Integrity == flash.Unchecked:
		add("warning", "the archive has no manifest: nothing says whether it is whole")
	}
	for _, n := range p.image.Notes {
		add("note", "%s", n)
	}
	if p.report.Target.Trust.Require && p.image.Signature.Signer == "" {
		add("warning", "no signature was seen at the beginning of the archive, and this machine takes signed images only")
	}
}

func (p Plan) addRoom(add adder) {
	for _, name := range p.Room() {
		add("first", "%s is removed to make room", arrange.Describe(p.report, name))
	}
	if p.need > 0 && p.free >= 0 {
		add("writes", "about %s, and reads it back; %s are free", mib(p.need), mib(p.free))
	}
	if p.short() {
		add("warning", "that is too little room: %v", p.shortHint())
	}
}

func (p Plan) addMoves(add adder) {
	goes := !slices.Contains(p.Room(), p.slot) // and was told already otherwise
	old, moves := arrange.Describe(p.report, p.slot), p.promote && p.slot == flash.Backup
	if moves {
		add("active", "the new image, on trial with %s", arrange.Tries(p.request.tries()))
		add("backup", "what is active now: %s", strings.TrimPrefix(arrange.Describe(p.report, flash.Active), "active, "))
		if goes && p.before.Backup != (flash.ID{}) {
			add("deletes", "%s", old)
		}
		return
	}
	add(p.slot, "the new image, on trial with %s", arrange.Tries(p.request.tries()))
	add(arrange.Other(p.slot), "stays: %s", arrange.Describe(p.report, arrange.Other(p.slot)))
	if img, _ := p.report.Image(p.slot); goes && img.Present {
		add("deletes", "%s", old)
	}
}

// notes are what an operator should know although it changes nothing.
func (p Plan) notes() []string {
	var notes []string
	b := p.report.Boot
	if !p.promote || b == nil || p.image.Arguments == "" {
		return notes
	}
	e, ok := b.Menu.First(flash.Active)
	if !ok {
		return notes
	}
	has := map[string]bool{}
	for _, w := range e.Words {
		has[w] = true
	}
	var lacks []string
	for _, w := range kexec.ParseArguments(p.image.Arguments) {
		if !has[w] {
			lacks = append(lacks, w)
		}
	}
	if len(lacks) > 0 {
		notes = append(notes, "GRUB's menu has its own kernel arguments: it lacks "+strings.Join(lacks, " ")+" of kernel.arg, which only a boot by the console gives")
	}
	return notes
}
