package grub

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"holdfast/flash/grub/script"
)

// config runs a grub.cfg as GRUB 2 would, as far as it can be known without the machine: variables
// that GRUB sets by itself have unknown values, conditions on them go both ways, and what differs
// between the two is unknown in turn.
type config struct {
	env       Env   // what load_env loads
	beside    fs.FS // the folder of grub.cfg
	menu      Menu
	variables map[string]value
	exported  map[string]bool
	functions map[string][]script.Statement
	level     level
	entry     *Entry // the one whose commands run; nil outside
	last      string // the command that ran last
	unsure    int    // how many conditions that are not known are around
	depth     int    // of calls
	steps     int
}

// value of a variable. One that is not set is known, and "".
type value struct {
	text  string
	known bool
}

// level is a menu or submenu that is being filled.
type level struct {
	under   string   // in front of its entries' keys: "1>"
	parents []string // names of the submenus around
	count   int
	unsure  bool // how many entries there are is not known
}

// Values that no menu contains stand for what is saved.
const (
	mark      = "\x00"
	markSaved = mark + "saved" + mark
	markOnce  = mark + "once" + mark
)

// maxSteps and maxCalls bound how long a script runs, and maxEntries how many entries it makes.
const (
	maxSteps   = 1 << 20
	maxCalls   = 30
	maxEntries = 10_000
)

var errTooLong = errors.New("runs for too long")

// parseConfig reads GRUB 2's menu by running it three times: with a default saved, with one for the
// next boot alone besides, and with none. What becomes of the variable default tells whether the menu
// heeds them.
func parseConfig(text string, beside fs.FS) (Menu, error) {
	statements, err := script.Parse(text)
	if err != nil {
		return Menu{}, err
	}
	run := func(vars ...EnvLine) (*config, error) {
		c := &config{
			env: Env{Lines: vars}, beside: beside, menu: Menu{loader: grub2},
			variables: map[string]value{"menuentry_id_option": {"--id", true}, "feature_menuentry_id": {"y", true}},
			exported:  map[string]bool{"menuentry_id_option": true, "feature_menuentry_id": true},
			functions: map[string][]script.Statement{},
		}
		for _, name := range []string{"default", "fallback", "saved_entry", "next_entry", "prev_saved_entry", "boot_once", "chosen"} {
			c.variables[name] = value{"", true}
		}
		return c, c.run(statements)
	}
	saved, err := run(EnvLine{"saved_entry", markSaved})
	if err != nil {
		return Menu{}, err
	}
	once, err := run(EnvLine{"saved_entry", markSaved}, EnvLine{"next_entry", markOnce})
	if err != nil {
		return Menu{}, err
	}
	unset, err := run()
	if err != nil {
		return Menu{}, err
	}
	return join(saved, once, unset), nil
}

// join makes one menu of the three runs.
func join(saved, once, unset *config) Menu {
	m := saved.menu
	m.Saved = saved.variables["default"] == value{markSaved, true}
	m.once = once.variables["default"] == value{markOnce, true}
	always := unset.variables["default"]
	m.Default = always.text
	switch {
	case !m.Saved && saved.variables["default"] != always, !always.known,
		!m.once && once.variables["default"] != saved.variables["default"]:
		m.doubt = true
		m.Default = ""
	case m.Default == "":
		m.Default = "0"
	}
	if fallback := saved.variables["fallback"]; fallback.known && !strings.Contains(fallback.text, mark) {
		m.Fallback = numbers(fallback.text)
	}
	m.doubt = m.doubt || once.menu.doubt || unset.menu.doubt || len(once.menu.Entries) != len(m.Entries)
	for i := range m.Entries {
		if i >= len(once.menu.Entries) {
			break
		}
		e, other := &m.Entries[i], once.menu.Entries[i]
		e.ways.onceSaves = other.Saves == e.Saves
		e.ways.savesDoubt = e.ways.savesDoubt || other.ways.savesDoubt || other.Saves != e.Saves && other.Saves != ""
	}
	return m
}

// numbers reads a list of fallback entries as far as they are numbers: GRUBs differ on names there.
func numbers(list string) []string {
	words := strings.Fields(list)
	if i := slices.IndexFunc(words, func(w string) bool { return !onlyDigits(w) }); i >= 0 {
		words = words[:i]
	}
	return words
}

func (c *config) run(list []script.Statement) error {
	for _, s := range list {
		if c.steps++; c.steps > maxSteps {
			return errTooLong
		}
		var err error
		switch s.Kind {
		case script.Conditional:
			err = c.conditional(s.Branches)
		case script.Loop:
			err = c.either(s.Block, nil)
		case script.Function:
			c.functions[s.Words[0].Written()] = s.Block
		default:
			err = c.command(s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// conditional runs the branch that is taken, or those that may be.
func (c *config) conditional(branches []script.Branch) error {
	if len(branches) == 0 {
		c.last = ""
		return nil
	}
	first, rest := branches[0], branches[1:]
	if first.Condition == nil { // else
		return c.run(first.Body)
	}
	truth, err := c.holds(first.Condition)
	switch {
	case err != nil:
		return err
	case truth == yes:
		return c.run(first.Body)
	case truth == no:
		return c.conditional(rest)
	}
	return c.either(first.Body, rest)
}

// either runs the one and the other, of which GRUB will run one, and keeps what they agree on.
func (c *config) either(body []script.Statement, others []script.Branch) error {
	c.unsure++
	defer func() { c.unsure-- }()
	c.steps += 2 * len(c.variables)
	before := maps.Clone(c.variables)
	if err := c.run(body); err != nil {
		return err
	}
	one := c.variables
	c.variables = before
	if err := c.conditional(others); err != nil {
		return err
	}
	c.last = ""
	for name := range one {
		if _, ok := c.variables[name]; !ok {
			c.variables[name] = value{} // before, it was whatever GRUB has it
		}
	}
	for name, v := range c.variables {
		if one[name] != v {
			c.variables[name] = value{}
		}
	}
	return nil
}

// maxUnknown bounds how many lines are kept.
const maxUnknown = 100

// unknown keeps a line that is not understood.
func (c *config) unknown(line string) {
	if len(c.menu.Unknown) < maxUnknown && !slices.Contains(c.menu.Unknown, line) {
		c.menu.Unknown = append(c.menu.Unknown, line)
	}
}

// doubt says that a line that is not understood may decide what is booted, or saved.
func (c *config) doubt(line string) {
	c.unknown(line)
	if c.entry != nil {
		c.entry.ways.savesDoubt = true
		return
	}
	c.menu.doubt = true
	c.level.unsure = true
}

// maxExpanded bounds the text that variables give to one command, in bytes.
const maxExpanded = 64 << 10

// expand gives the words of a command as it gets them; those with unknown variables have them as
// they are written.
func (c *config) expand(words []script.Word) []value {
	var values []value
	room := maxExpanded
	for _, w := range words {
		v := value{known: true}
		bare := true
		var all strings.Builder
		for _, p := range w {
			text, known := p.Text, true
			if p.Variable {
				text, known = c.variable(p.Text, &room)
			}
			all.WriteString(text)
			v.known = v.known && known
			bare = bare && p.Variable && !p.Quoted
		}
		v.text = all.String()
		switch {
		case v.known && bare: // is split, and no word when it is empty
			for _, text := range strings.Fields(v.text) {
				values = append(values, value{text, true})
			}
		default:
			values = append(values, v)
		}
	}
	return values
}

// expandStep is how many bytes of a variable take as long as a step, roughly.
const expandStep = 64

// variable is the text of a variable, as it is written when that is not known.
func (c *config) variable(name string, room *int) (text string, known bool) {
	v := c.variables[name]
	if !v.known || len(v.text) > *room {
		return "$" + name, false
	}
	*room -= len(v.text)
	c.steps += 1 + len(v.text)/expandStep
	return v.text, true
}

func texts(values []value) []string {
	var list []string
	for _, v := range values {
		list = append(list, v.text)
	}
	return list
}
