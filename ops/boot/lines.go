package boot

import (
	"fmt"

	"holdfast/ops"
)

// CommandLineLabel marks the line with the command line, which a screen may show by its origins.
const CommandLineLabel = "line"

// Lines is the plan in plain words, as the confirm screen and --print show it.
func (p Plan) Lines() []ops.Line {
	i := p.Image
	var lines []ops.Line
	add := func(label, text string) { lines = append(lines, ops.Line{Label: label, Text: text}) }
	add("boot", p.name())
	if m, ok := p.fsys.(*Memory); ok {
		add("from", "memory, nothing is saved; read from "+m.Source)
	}
	if i.Kernel != "" {
		add("kernel", i.Kernel+p.version())
	}
	if i.Initrd != "" {
		add("initrd", i.Initrd)
	}
	if p.Console != "" {
		add("console", p.Console)
	}
	add(CommandLineLabel, p.CommandLine.String())
	for _, w := range p.Warnings {
		add("note", w)
	}
	if p.onTrial() {
		add("writes", fmt.Sprintf("one try less: %d left to confirm in", p.left()))
	} else {
		add("writes", "nothing")
	}
	return lines
}

// String is Lines, joined.
func (p Plan) String() string { return ops.Join(p.Lines()) }

func (p Plan) name() string {
	if p.Image.Version == "" || p.Image.Version == p.Image.Name {
		return p.Image.Name
	}
	return fmt.Sprintf("%s, version %s", p.Image.Name, p.Image.Version)
}

func (p Plan) version() string {
	if v := p.Image.Header.Version; v != "" {
		return " (" + v + ")"
	}
	return ""
}
