package grub

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"holdfast/flash/grub/script"
)

// add makes an entry or a submenu of the command and its block.
func (c *config) add(s script.Statement, args []value) error {
	if s.Block == nil || c.entry != nil {
		c.doubt(s.Line)
		return nil
	}
	if len(c.menu.Entries) == maxEntries {
		return errTooLong
	}
	e := Entry{parents: c.level.parents, Submenu: args[0].text == "submenu"}
	c.name(&e, args[1:], s.Line)
	if c.unsure > 0 {
		c.doubt(s.Line)
	}
	if !c.level.unsure {
		e.Key = c.level.under + strconv.Itoa(c.level.count)
	}
	c.level.count++
	c.menu.Entries = append(c.menu.Entries, e)
	at := len(c.menu.Entries) - 1
	if e.Submenu {
		return c.submenu(e, s.Block)
	}
	return c.body(&c.menu.Entries[at], s)
}

// name reads the title and the options.
func (c *config) name(e *Entry, args []value, line string) {
	titled := false
	take := func(to *string, v value) {
		*to = v.text
		if !v.known || strings.Contains(v.text, mark) {
			c.doubt(line)
		}
	}
	for i := 0; i < len(args); i++ {
		arg := args[i].text
		switch option, of, _ := strings.Cut(arg, "="); {
		case option == "--id" && of != "":
			take(&e.ID, value{of, args[i].known})
		case arg == "--id" && i+1 < len(args):
			i++
			take(&e.ID, args[i])
		case arg == "--class" || arg == "--users" || arg == "--hotkey":
			i++
		case strings.HasPrefix(arg, "--"):
		case !titled:
			titled = true
			take(&e.Title, args[i])
		}
	}
}

// submenu reads the menu in the entry. Only exported variables are seen there.
func (c *config) submenu(e Entry, block []script.Statement) error {
	if len(c.level.parents) >= maxCalls {
		return errTooLong
	}
	around, outside := c.level, c.variables
	defer func() { c.level, c.variables = around, outside }()
	c.steps += len(outside)
	c.variables = map[string]value{}
	for name, v := range outside {
		c.variables[name] = value{"", true}
		if c.exported[name] {
			c.variables[name] = v
		}
	}
	c.level = level{under: e.Key + ">", parents: append(slices.Clone(e.parents), escapeName(e.lastName())), unsure: e.Key == ""}
	return c.run(block)
}

// body runs an entry's commands.
func (c *config) body(e *Entry, s script.Statement) error {
	unsure, outside := c.unsure, c.variables
	c.steps += len(outside)
	c.unsure, c.entry, c.variables = 0, e, maps.Clone(outside)
	c.variables["chosen"] = value{e.name(), true}
	defer func() { c.unsure, c.entry, c.variables = unsure, nil, outside }()
	err := c.run(s.Block)
	e.ways.stays = !loads(c.last)
	return err
}
