package kexec

import (
	"slices"
	"strings"
)

// Console is a console of the running kernel, by its kernel name ("ttyS0", "tty0") and the options
// it was given ("115200n8"; may be empty).
type Console struct {
	Name    string
	Options string
}

// String is the console as the value of console=: "ttyS0,115200n8".
func (c Console) String() string {
	if c.Options == "" {
		return c.Name
	}
	return c.Name + "," + c.Options
}

// parseConsole reads the value of a console= word; the options begin after the first comma.
func parseConsole(value string) Console {
	name, options, _ := strings.Cut(value, ",")
	return Console{Name: name, Options: options}
}

// device names what a console writes to. tty0 is the virtual terminal in front and tty1 the first
// one: to the person before the screen they are the same.
func (c Console) device() string {
	if c.Name == "tty1" {
		return "tty0"
	}
	return c.Name
}

// silent reports whether the console is one of the kernel's names for no console at all.
func (c Console) silent() bool {
	return c.Name == "" || c.Name == "null" || c.Name == "ttynull"
}

// ParseConsoles gives the consoles of the running kernel in its order, the owner of /dev/console
// last. active is the text of /sys/class/tty/console/active, which says what exists; cmdline is that
// of /proc/cmdline, whose console= words know the options. With active "" the command line alone
// decides. console= and console=null, which mean no console, are left out.
func ParseConsoles(cmdline, active string) []Console {
	asked := askedConsoles(cmdline)
	if strings.TrimSpace(active) == "" {
		return asked
	}
	var found []Console
	for _, name := range strings.Fields(active) {
		c := Console{Name: name}
		if c.silent() {
			continue
		}
		if i := slices.IndexFunc(asked, func(a Console) bool { return a.Name == name }); i >= 0 {
			c = asked[i]
		}
		found = append(found, c)
	}
	return found
}

// askedConsoles reads console= words as the kernel does (__add_preferred_console in
// kernel/printk/printk.c): a console named twice keeps its first options, and the last one named
// owns /dev/console.
func askedConsoles(cmdline string) []Console {
	var asked []Console
	for _, word := range SplitWords(cmdline) {
		if isSeparator(word) {
			break
		}
		name, value, _ := param(word)
		c := parseConsole(value)
		if name != "console" || c.silent() {
			continue
		}
		if i := slices.IndexFunc(asked, func(a Console) bool { return a.Name == c.Name }); i >= 0 {
			c = asked[i]
			asked = slices.Delete(asked, i, i+1)
		}
		asked = append(asked, c)
	}
	return asked
}
