package grub

import (
	"path"
	"slices"
	"strings"

	"holdfast/flash/grub/script"
)

// command runs one command: what decides about the menu is done, what GRUB has else for its menus is
// passed over, and the rest is not understood.
func (c *config) command(s script.Statement) error {
	args := c.expand(s.Words)
	if len(args) == 0 {
		return nil
	}
	name := args[0].text
	c.last = name
	if variable, _, ok := strings.Cut(s.Words[0].Written(), "="); ok && script.IsName(variable) {
		c.set(args[0], s.Line)
		return nil
	}
	if body, ok := c.functions[name]; ok && args[0].known {
		return c.call(body)
	}
	switch name {
	case "menuentry", "submenu":
		return c.add(s, args)
	case "set":
		if len(args) == 2 {
			c.set(args[1], s.Line)
		}
	case "unset":
		for _, arg := range args[1:] {
			c.set(value{arg.text + "=", arg.known}, s.Line)
		}
	case "export":
		for _, arg := range args[1:] {
			c.exported[arg.text] = true
		}
	case "load_env":
		c.loadEnv(args[1:], s.Line)
	case "save_env":
		c.saveEnv(args[1:], s.Line)
	case "linux", "linux16", "linuxefi":
		c.kernel(args[1:], s.Line)
	case "initrd", "initrd16", "initrdefi":
		c.initrd(args[1:])
		c.other(name, args, s.Line)
	default:
		c.other(name, args, s.Line)
	}
	return nil
}

func (c *config) call(body []script.Statement) error {
	if c.depth++; c.depth > maxCalls {
		return errTooLong
	}
	defer func() { c.depth-- }()
	return c.run(body)
}

// set takes NAME=VALUE.
func (c *config) set(arg value, line string) {
	name, text, _ := strings.Cut(arg.text, "=")
	if !arg.known {
		text = ""
	}
	c.assign(name, value{text, arg.known}, line)
}

func (c *config) assign(name string, v value, line string) {
	c.variables[name] = v
	if c.entry != nil && name != "saved_entry" {
		c.entry.moved = true
	}
	mixed := strings.Contains(v.text, mark) && v.text != markSaved && v.text != markOnce
	if (name == "default" || name == "fallback") && (c.unsure > 0 || !v.known || mixed) {
		c.unknown(line)
	}
}

// environment reads the options of load_env and save_env: the file, "" for GRUB's own, and the names.
func environment(args []value) (file string, names []string) {
	for i := 0; i < len(args); i++ {
		arg := args[i].text
		switch of, ok := strings.CutPrefix(arg, "--file="); {
		case ok:
			file = of
		case (arg == "-f" || arg == "--file") && i+1 < len(args):
			i++
			file = args[i].text
		case strings.HasPrefix(arg, "-"):
		default:
			names = append(names, arg)
		}
	}
	if name, ok := besideMenu(file); ok && name == "grubenv" {
		file = ""
	}
	return file, names
}

// besideMenu is the path of a file that a menu names by the folder it lies in itself.
func besideMenu(name string) (string, bool) {
	for _, folder := range []string{"$prefix/", "$config_directory/"} {
		if rest, ok := strings.CutPrefix(name, folder); ok {
			return path.Clean(rest), true
		}
	}
	return "", false
}

func (c *config) loadEnv(args []value, line string) {
	file, names := environment(args)
	if file != "" {
		c.forget(line)
		return
	}
	for _, name := range []string{"saved_entry", "next_entry", "prev_saved_entry"} {
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		text, _ := c.env.Get(name)
		c.variables[name] = value{text, true}
	}
}

// forget makes all variables unknown that decide what is booted.
func (c *config) forget(line string) {
	c.doubt(line)
	for name := range c.variables {
		c.variables[name] = value{}
	}
	if c.entry != nil {
		c.entry.moved = true
	}
}

func (c *config) saveEnv(args []value, line string) {
	file, names := environment(args)
	if file != "" || !slices.Contains(names, "saved_entry") {
		return
	}
	v := c.variables["saved_entry"]
	unchanged := v == value{markSaved, true}
	switch {
	case unchanged && c.unsure == 0:
	case c.entry == nil || c.unsure > 0 || !v.known || v.text == "" || strings.Contains(v.text, mark):
		c.doubt(line)
	default:
		c.entry.Saves = v.text
	}
}

// kernel is the command that loads one. Which of two that depend on what is not known is open.
func (c *config) kernel(args []value, line string) {
	if c.entry == nil {
		return
	}
	if c.unsure > 0 || len(args) == 0 {
		c.unknown(line)
		c.entry.Kernel, c.entry.Words, c.entry.Slot, c.entry.Initrds = "", nil, "", nil
		return
	}
	c.entry.setKernel(texts(args), c.root(), 1)
}

// initrd is the command that loads what the kernel unpacks first, of several files one after the other.
func (c *config) initrd(args []value) {
	if c.entry == nil || c.unsure > 0 {
		return
	}
	for _, file := range texts(args) {
		c.entry.addInitrd(file, c.root())
	}
}

// root is the device of a path that names none, "" when it is not known.
func (c *config) root() string {
	if root := c.variables["root"]; root.known {
		return root.text
	}
	return ""
}

// loads reports that a command fails where GRUB cannot load what the entry boots.
func loads(command string) bool {
	for _, prefix := range []string{"linux", "initrd", "multiboot", "module", "chainloader", "boot"} {
		if strings.HasPrefix(command, prefix) {
			return true
		}
	}
	return false
}

func (c *config) other(name string, args []value, line string) {
	for i, arg := range args[1:] {
		of := ""
		if option, name, ok := strings.Cut(arg.text, "="); ok && option == "--set" {
			of = name[strings.LastIndexByte(name, ':')+1:]
		} else if (arg.text == "--set" || arg.text == "-s") && i+2 < len(args) {
			of = args[i+2].text
		}
		if of != "" {
			c.assign(of, value{}, line)
		}
	}
	if strings.HasPrefix(name, "search") {
		c.variables["root"] = value{} // also without a name for what it finds
		if c.entry != nil {
			c.entry.moved = true
		}
	}
	switch {
	case name == "read" || name == "getenv" || name == "increment" || name == "decrement":
		for _, arg := range args[1:] {
			c.assign(arg.text, value{}, line)
		}
	case elsewhere(name), !args[0].known:
		c.forget(line)
	case c.entry == nil && !harmless(name):
		c.unknown(line)
	}
}

// elsewhere are the commands that go on in another file, and those that leave this one.
func elsewhere(command string) bool {
	const list = " . source configfile normal eval blscfg legacy_source legacy_configfile extract_entries_source" +
		" extract_entries_configfile syslinux_source syslinux_configfile extract_syslinux_entries_source return exit break" +
		" continue setparams shift normal_exit reboot halt "
	return strings.Contains(list, " "+command+" ")
}

// harmless are the commands of GRUB 2 that menus have outside of their entries, and that change
// nothing about what is booted.
func harmless(command string) bool {
	const list = " [ test true false background_color background_image clear cmosclean cmosset cmostest cryptomount" +
		" cutmem echo fwsetup gettext getenv increment initrd insmod keymap keystatus linux loadfont lsefi ls" +
		" nativedisk outb password password_pbkdf2 play probe read regexp rmmod search search.file search.fs_label" +
		" search.fs_uuid serial sleep smbios decrement terminal_input terminal_output terminfo video videoinfo videotest" +
		" menu_autohide "
	return strings.Contains(list, " "+command+" ")
}
