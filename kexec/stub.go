package kexec

// Console is the name of the last console= on the line, which owns /dev/console; "" when none.
func (l CommandLine) Console() string {
	name := ""
	for _, w := range l.Words {
		if key, value, ok := param(w.Text); ok && key == "console" {
			name = parseConsole(value).Name
		}
	}
	return name
}
