package grub

import (
	"slices"
	"strconv"
	"strings"
)

// maxFallbacks is MAX_FALLBACK_ENTRIES of GRUB Legacy (stage2/shared.h).
const maxFallbacks = 8

// menuList is GRUB Legacy's menu while it is read.
type menuList struct {
	menu      Menu
	fallback  []int
	saveLines map[int]saveLine // by the entry's number
	open      bool             // the last entry has a command
	root      string           // the last entry's device so far: "(hd0,1)"; "" when not known
}

// saveLine is an entry's last savedefault, which is the one that counts.
type saveLine struct {
	arg  string
	late bool
}

// parseMenuList reads GRUB Legacy's menu as its cmain does (stage2/stage2.c): a command and its
// arguments a line, separated by space or =; what is before the first title holds for all; an entry is
// a title with at least one command, a title without is none and takes no number. Commands that GRUB
// does not know it passes over.
func parseMenuList(text string) Menu {
	list := menuList{menu: Menu{loader: legacy, Default: "0"}, saveLines: map[int]saveLine{}}
	titled := false
	for _, line := range logicalLines(text) {
		command, args := splitCommand(line)
		switch {
		case !knownCommands(command):
			list.menu.Unknown = append(list.menu.Unknown, line)
		case command == "title":
			list.title(args)
			titled = true
		case !titled:
			list.global(command, args, line)
		default:
			list.open = true
			list.inEntry(command, args)
		}
	}
	return list.finish()
}

// logicalLines gives the lines as GRUB Legacy takes them (get_line_from_config): carriage returns are
// left out, tabs are spaces, a backslash at the end joins a line with the next, # in front makes a
// comment.
func logicalLines(text string) []string {
	text = strings.NewReplacer("\r", "", "\t", " ").Replace(text)
	text = joinLines(text)
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimLeft(line, " ")
		if line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines
}

// joinLines joins where a backslash, itself not behind another one, is in front of a newline.
func joinLines(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
			if text[i] != '\n' {
				b.WriteByte('\\')
				b.WriteByte(text[i])
				continue
			}
			b.WriteByte(' ')
			continue
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

func splitCommand(line string) (command, args string) {
	i := strings.IndexAny(line, " =")
	if i < 0 {
		return line, ""
	}
	return line[:i], strings.TrimLeft(line[i:], " =")
}

// knownCommands are those of GRUB Legacy 0.97 with what Debian, Red Hat and Formilux added.
func knownCommands(command string) bool {
	const known = " background blocklist boot bootp cat chainloader clear cmp color configfile debug default device dhcp" +
		" displayapm displaymem dump embed fallback find foreground fstest geometry gfxmenu halt help hiddenmenu ifconfig" +
		" impsprobe initrd install ioprobe kernel lock makeactive map md5crypt module modulenounzip pager partnew parttype" +
		" password pause print quiet quit rarp read reboot root rootnoverify savedefault savemap serial setkey setup" +
		" shade silent splashimage terminal terminfo testload testvbe tftpserver timeout title unhide hide uppermem" +
		" uuid vbeprobe verbose viewport "
	return !strings.Contains(command, " ") && strings.Contains(known, " "+command+" ")
}

func (l *menuList) title(args string) {
	entries := &l.menu.Entries
	if len(*entries) > 0 && !l.open {
		*entries = (*entries)[:len(*entries)-1]
	}
	l.open, l.root = false, ""
	*entries = append(*entries, Entry{Key: strconv.Itoa(len(*entries)), Title: args, ways: ways{onceSaves: true}})
}

func (l *menuList) global(command, args, line string) {
	switch command {
	case "default":
		l.setDefault(args, line)
	case "fallback":
		if fallback, ok := fallbackEntries(args); ok {
			l.fallback = fallback
			return
		} else if fallback != nil {
			l.fallback = nil
		}
		l.menu.Unknown = append(l.menu.Unknown, line)
	case "savemap": // what Formilux's GRUB does with it is not published
		l.menu.Unknown = append(l.menu.Unknown, line)
	}
}

func (l *menuList) setDefault(args, line string) {
	if strings.HasPrefix(args, "saved") {
		l.menu.Saved = true
		return
	}
	n, _, ok := leadingNumber(args)
	if ok {
		l.menu.Saved, l.menu.Default = false, strconv.Itoa(n)
		return
	}
	l.menu.Unknown = append(l.menu.Unknown, line)
	l.menu.doubt = l.menu.doubt || args != "" // measured: "x" leaves the default as it was, "-1" does not
}

// fallbackEntries reads the list as fallback_func does (stage2/builtins.c): a number a second time is
// left out, and takes what follows for an error; an error leaves the list before in force when it is
// the first word, and else none.
func fallbackEntries(args string) (list []int, ok bool) {
	for args != "" {
		n, rest, ok := leadingNumber(args)
		if !ok {
			return list, false
		}
		args = rest
		if slices.Contains(list, n) {
			continue // and the space in front of the next word is no number
		}
		if list = append(list, n); len(list) == maxFallbacks {
			break
		}
		_, args, _ = strings.Cut(args, " ")
		args = strings.TrimLeft(args, " ")
	}
	return list, true
}

// leadingNumber reads a number as GRUB Legacy does: decimal or with 0x, as far as there are digits.
func leadingNumber(s string) (n int, rest string, ok bool) {
	digits, base := "0123456789", 10
	if len(s) > 1 && s[0] == '0' && s[1]|0x20 == 'x' {
		s, digits, base = s[2:], "0123456789abcdefABCDEF", 16
	}
	rest = strings.TrimLeft(s, digits)
	number, err := strconv.ParseInt(s[:len(s)-len(rest)], base, 32)
	return int(number), rest, err == nil
}

func (l *menuList) inEntry(command, args string) {
	e := &l.menu.Entries[len(l.menu.Entries)-1]
	switch command {
	case "kernel":
		words := splitWords(args)
		for len(words) > 0 && (strings.HasPrefix(words[0], "--type=") || words[0] == "--no-mem-option") {
			words = words[1:]
		}
		e.setKernel(words, l.root, 0)
	case "initrd": // one that fails behind savedefault makes GRUB go on with what was saved: too odd to follow
		if words := splitWords(args); len(words) > 0 && !l.saveLines[len(l.menu.Entries)-1].late {
			e.addInitrd(words[0], l.root)
		}
	case "root", "rootnoverify":
		l.root, _, _ = strings.Cut(args, " ")
		e.moved = true
	case "find", "uuid":
		l.root, e.moved = "", true
	case "savedefault":
		l.saveLines[len(l.menu.Entries)-1] = saveLine{arg: args, late: e.Kernel != ""}
	}
}

// finish does what depends on how many entries there are.
func (l *menuList) finish() Menu {
	entries := &l.menu.Entries
	if len(*entries) > 0 && !l.open {
		*entries = (*entries)[:len(*entries)-1]
	}
	l.fallback = slices.DeleteFunc(l.fallback, func(n int) bool { return n >= len(*entries) })
	for _, n := range l.fallback {
		l.menu.Fallback = append(l.menu.Fallback, strconv.Itoa(n))
	}
	for n, line := range l.saveLines {
		if n < len(*entries) {
			l.setSaves(n, line)
		}
	}
	return l.menu
}

// setSaves follows savedefault_func (stage2/builtins.c).
func (l *menuList) setSaves(n int, line saveLine) {
	e := &l.menu.Entries[n]
	e.ways.late = line.late
	switch {
	case line.arg == "":
		e.Saves = strconv.Itoa(n)
	case strings.HasPrefix(line.arg, "fallback"):
		next := slices.Index(l.fallback, n) + 1 // the first, for an entry that is not in the list
		if next == len(l.fallback) {
			e.ways.fails = true
			return
		}
		e.Saves = strconv.Itoa(l.fallback[next])
	default:
		number, _, ok := leadingNumber(line.arg)
		if !ok {
			e.ways.fails = true
			return
		}
		e.Saves = strconv.Itoa(number)
	}
}

// splitWords splits at white space outside double quotes, as the kernel does with its command line
// (lib/cmdline.c); the quotes stay. GRUB Legacy passes the text on as it stands.
func splitWords(s string) []string {
	quoted := false
	return strings.FieldsFunc(s, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t')
	})
}
