package grub

import (
	"io/fs"
	"strings"

	"holdfast/flash/grub/script"
)

// truth of a condition.
type truth int

const (
	open truth = iota // not known
	yes
	no
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (t truth) not() truth { return [...]truth{open, no, yes}[t] }

// holds runs the commands of a condition and tells whether the last succeeds.
func (c *config) holds(condition []script.Statement) (truth, error) {
	if err := c.run(condition); err != nil || len(condition) == 0 {
		return open, err
	}
	last := condition[len(condition)-1]
	if last.Kind != script.Command {
		return open, nil
	}
	args := c.expand(last.Words)
	if len(args) == 0 {
		return open, nil
	}
	if _, ok := c.functions[args[0].text]; ok {
		return open, nil
	}
	switch args[0].text {
	case "true":
		return yes, nil
	case "false":
		return no, nil
	case "test":
		return c.test(args[1:]), nil
	case "[":
		if args[len(args)-1].text == "]" {
			return c.test(args[1 : len(args)-1]), nil
		}
	}
	return open, nil
}

// test tells the truth of an expression of GRUB's test (grub-core/commands/test.c), as far as it is
// one of the simple ones: joined by -a, then by -o, without parentheses.
func (c *config) test(args []value) truth {
	if i := find2(args, "-o"); i >= 0 {
		one, other := c.test(args[:i]), c.test(args[i+1:])
		if one == yes || other == yes {
			return yes
		}
		return both(one, other, no)
	}
	if i := find2(args, "-a"); i >= 0 {
		one, other := c.test(args[:i]), c.test(args[i+1:])
		if one == no || other == no {
			return no
		}
		return both(one, other, yes)
	}
	switch {
	case len(args) == 0:
		return no
	case args[0].text == "!" && len(args) > 1:
		return c.test(args[1:]).not()
	case len(args) == 1:
		return filled(args[0])
	case len(args) == 2:
		return c.unary(args[0].text, args[1])
	case len(args) == 3:
		return compare(args[0], args[1].text, args[2])
	}
	return open
}

func both(one, other, is truth) truth {
	if one == is && other == is {
		return is
	}
	return open
}

func find2(args []value, operator string) int {
	for i := 1; i < len(args)-1; i++ {
		if args[i].text == operator {
			return i
		}
	}
	return -1
}

func filled(v value) truth {
	if !v.known {
		return open
	}
	return truthOf(v.text != "")
}

func (c *config) unary(operator string, v value) truth {
	switch operator {
	case "-n":
		return filled(v)
	case "-z":
		return filled(v).not()
	case "-e", "-f", "-s":
		name, ok := besideMenu(v.text)
		if !ok || !fs.ValidPath(name) {
			return open
		}
		info, err := fs.Stat(c.beside, name)
		return truthOf(err == nil && !info.IsDir() && (operator != "-s" || info.Size() > 0))
	}
	return open
}

func compare(one value, operator string, other value) truth {
	equal := equals(one, other)
	switch operator {
	case "=", "==":
		return equal
	case "!=":
		return equal.not()
	}
	return open
}

func equals(one, other value) truth {
	if !one.known || !other.known {
		return open
	}
	if strings.Contains(other.text, mark) {
		one, other = other, one
	}
	if strings.Contains(one.text, mark) {
		// A mark stands for one byte at least.
		sure := strings.NewReplacer(markSaved, "", markOnce, "").Replace(one.text)
		if strings.Contains(other.text, mark) || len(sure) < len(other.text) {
			return open
		}
		return no
	}
	return truthOf(one.text == other.text)
}
