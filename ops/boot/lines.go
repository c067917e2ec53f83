package boot

import (
	"fmt"
	"path"
	"strings"
)

// Lines is the plan in plain words, a line each, as the confirm screen and --print show it.
func (p Plan) Lines() []string {
	i := p.Image
	lines := []string{
		"boot     " + name(p),
		"kernel   " + i.Kernel + paren(i.Header.Version),
	}
	if i.Initrd != "" {
		lines = append(lines, "initrd   "+i.Initrd)
	}
	if p.Console != "" {
		lines = append(lines, "console  "+p.Console)
	}
	lines = append(lines, "line     "+p.CommandLine.String())
	for _, w := range p.Warnings {
		lines = append(lines, "note     "+w)
	}
	return append(lines, "nothing is written")
}

// String is Lines, joined.
func (p Plan) String() string { return strings.Join(p.Lines(), "\n") }

func name(p Plan) string {
	if p.Image.Version == "" || p.Image.Version == path.Base(p.Image.Dir) {
		return p.Image.Name
	}
	return fmt.Sprintf("%s, version %s", p.Image.Name, p.Image.Version)
}

func paren(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}
