package stage

import (
	"os"
	"strings"

	"holdfast/kexec"
)

// CommandLine is the running kernel's command line, "" when it cannot be read.
func CommandLine() string {
	b, _ := os.ReadFile("/proc/cmdline")
	return strings.TrimSpace(string(b))
}

// Argument gives the value of name= on a kernel's command line, of the last when there are several,
// and whether the name is there at all: "holdfast.shell" alone has the value "".
func Argument(line, name string) (value string, ok bool) {
	for _, word := range strings.Fields(line) {
		key, v, _ := strings.Cut(word, "=")
		if key == name {
			value, ok = v, true
		}
	}
	return value, ok
}

// Consoles lists the consoles of the running kernel in its order, the owner of /dev/console last.
func Consoles() []kexec.Console {
	active, _ := os.ReadFile(ActiveFile) // none: the command line says what it can
	return kexec.ParseConsoles(CommandLine(), string(active))
}
