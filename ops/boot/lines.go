package boot

import (
	"fmt"
	"strings"
)

// Line is one line of a plan: what it is about, and what it says of that.
type Line struct{ Label, Text string }

// CommandLineLabel marks the line with the command line, which a screen may show by its origins.
const CommandLineLabel = "line"

// String is the line as plain text.
func (l Line) String() string { return fmt.Sprintf("%-8s %s", l.Label, l.Text) }

// Lines is the plan in plain words, as the confirm screen and --print show it.
func (p Plan) Lines() []Line {
	i := p.Image
	lines := []Line{{"boot", p.name()}}
	if i.Kernel != "" {
		lines = append(lines, Line{"kernel", i.Kernel + p.version()})
	}
	if i.Initrd != "" {
		lines = append(lines, Line{"initrd", i.Initrd})
	}
	if p.Console != "" {
		lines = append(lines, Line{"console", p.Console})
	}
	lines = append(lines, Line{CommandLineLabel, p.CommandLine.String()})
	for _, w := range p.Warnings {
		lines = append(lines, Line{"note", w})
	}
	return append(lines, Line{"writes", "nothing"})
}

// String is Lines, joined.
func (p Plan) String() string {
	var b strings.Builder
	for i, l := range p.Lines() {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(l.String())
	}
	return b.String()
}

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
