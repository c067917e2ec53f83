package terminal

import (
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Console is one console of the machine, before it is opened. The sizes are in character cells.
type Console struct {
	Name      string // as the kernel calls it: "ttyS0", "tty0"
	Path      string // of its device
	Serial    bool   // a line to a terminal that we know nothing of: ASCII only
	Term      string // value of TERM for it
	Baud      int    // bits a second to pace output to; 0: what the line is set to
	Width     int    // 0: ask the device, then the terminal
	Height    int
	Unicode   bool // shows box drawing and Latin letters
	Colour    bool // shows the eight colours
	AltScreen bool // keeps a second screen, and so the first one as it was
}

// The smallest size that is believed, and the one assumed where none is.
const (
	minWidth, minHeight         = 20, 5
	defaultWidth, defaultHeight = 80, 24
)

// Find lists the kernel's consoles, in its order, from /sys/class/tty/console/active. sys is the
// root of sysfs. Words holdfast.tty=NAME[,80x24][,TERM][,BAUD] of the kernel's command line correct
// what is known of a console, or name one more. None found is an empty list.
func Find(sys fs.FS, commandLine string) []Console {
	var list []Console
	text, _ := fs.ReadFile(sys, "class/tty/console/active")
	foreground, _ := fs.ReadFile(sys, "class/tty/tty0/active")
	names := strings.Fields(string(text))
	for _, name := range names {
		if name == "tty0" && contains(names, strings.TrimSpace(string(foreground))) {
			continue // the same screen under two names
		}
		if c, err := named(name); err == nil {
			list = append(list, c)
		}
	}
	for _, word := range strings.Fields(commandLine) {
		if value, ok := strings.CutPrefix(word, "holdfast.tty="); ok {
			list = override(list, strings.Split(value, ","))
		}
	}
	return list
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// named describes a console by its kernel name alone.
func named(name string) (Console, error) {
	for _, r := range name {
		if r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return Console{}, errors.New("not a device's name")
		}
	}
	// The kernel's own sinks and printers have nobody who types.
	if name == "" || strings.HasPrefix(name, "ttynull") || strings.HasPrefix(name, "lp") {
		return Console{}, errors.New("not a terminal")
	}
	c := Console{Name: name, Path: path.Join("/dev", name), Serial: true, Term: "vt100"}
	if n := strings.TrimPrefix(name, "tty"); n != name {
		if _, err := strconv.Atoi(n); err == nil { // a virtual console
			c.Serial, c.Term, c.Unicode, c.Colour = false, "linux", true, true
		}
	}
	return c, nil
}

// override applies one holdfast.tty= word. A field that is neither a size nor a speed is the TERM.
func override(list []Console, fields []string) []Console {
	c, err := named(fields[0])
	if err != nil {
		return list
	}
	at := len(list)
	for i := range list {
		if list[i].Name == c.Name {
			at, c = i, list[i]
		}
	}
	for _, f := range fields[1:] {
		w, h, size := parseSize(f)
		baud, err := strconv.Atoi(f)
		switch {
		case size:
			c.Width, c.Height = w, h
		case err == nil:
			c.Baud = max(baud, 0)
		case f != "":
			c.Term = f
		}
	}
	if at == len(list) {
		return append(list, c)
	}
	list[at] = c
	return list
}

func parseSize(s string) (w, h int, ok bool) {
	left, right, ok := strings.Cut(s, "x")
	if !ok {
		return 0, 0, false
	}
	w, err1 := strconv.Atoi(left)
	h, err2 := strconv.Atoi(right)
	return w, h, err1 == nil && err2 == nil && believed(w, h)
}

// believed reports whether a size can be one: a serial line says 0x0, and noise says anything.
func believed(w, h int) bool {
	return w >= minWidth && h >= minHeight && w <= 1000 && h <= 1000
}

// Host describes the terminal that this process runs in. env is the process's environment.
func Host(env []string) Console {
	get := func(name string) string {
		for _, e := range env {
			if value, ok := strings.CutPrefix(e, name+"="); ok {
				return value
			}
		}
		return ""
	}
	c := Console{Name: "terminal", Path: "/dev/tty", Term: get("TERM"), AltScreen: true}
	if c.Term == "" || c.Term == "dumb" {
		c.Term, c.AltScreen = "vt100", false
	}
	c.Colour = get("NO_COLOR") == "" && c.Term != "vt100"
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(get(name)); v != "" {
			c.Unicode = strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
			break
		}
	}
	return c
}
