package kexec

import (
	"fmt"
	"strings"
)

// Origin says where a word of the next kernel's command line comes from.
type Origin int

// The origins, in the order in which their words stand on the line, and in which a later one wins
// over an earlier one.
const (
	FromImage    Origin = iota // the image's kernel.arg
	FromConsole                // a console of the running kernel
	FromLocal                  // cfg/system.arg
	FromHoldfast               // panic=, flash=, img=, GRUB_ENTRY=
	FromOperator               // the one-shot edit
)

// String is the origin in a word or two, for display: "image", "system.arg".
func (o Origin) String() string {
	switch o {
	case FromImage:
		return "image"
	case FromConsole:
		return "console"
	case FromLocal:
		return "system.arg"
	case FromHoldfast:
		return "holdfast"
	case FromOperator:
		return "operator"
	}
	return "unknown"
}

// Word is one word of the command line. Quoted white space stays inside its word, quotes included.
type Word struct {
	Text   string
	Origin Origin
}

// CommandLine is a composed command line.
type CommandLine struct {
	Words   []Word
	Dropped []Word // words of the parts that are not on the line, e.g. the image's own console=
}

// String is the line as the kernel gets it.
func (l CommandLine) String() string {
	texts := make([]string, len(l.Words))
	for i, w := range l.Words {
		texts[i] = w.Text
	}
	return strings.Join(texts, " ")
}

// Console is the name of the console that will own the next kernel's /dev/console: that of the last
// console= word. "" when there is none, and the kernel chooses.
func (l CommandLine) Console() string {
	asked := askedConsoles(l.String())
	if len(asked) == 0 {
		return ""
	}
	return asked[len(asked)-1].Name
}

// defaultCmdlineMax is what every x86 kernel of the last fifteen years takes (COMMAND_LINE_SIZE).
const defaultCmdlineMax = 2047

// Check says why the kernel would not take the line as it is displayed: longer than limit bytes
// (Header.CmdlineMax; 0 means 2047), or a word that the kernel would read otherwise. A kernel cuts a
// long line silently, and our words are near its end.
func (l CommandLine) Check(limit int) error {
	for _, w := range l.Words {
		if err := w.check(); err != nil {
			return fmt.Errorf("%s: %w", w.Origin, err)
		}
	}
	if limit <= 0 {
		limit = defaultCmdlineMax
	}
	if n := len(l.String()); n > limit {
		return fmt.Errorf("command line of %d bytes, the kernel takes %d", n, limit)
	}
	return nil
}

func (w Word) check() error {
	for i := range len(w.Text) {
		if isControl(w.Text[i]) && w.Text[i] != '\t' {
			return fmt.Errorf("control character %#02x in %q", w.Text[i], w.Text)
		}
	}
	if strings.Count(w.Text, `"`)%2 != 0 {
		return fmt.Errorf("quote without its other half in %s", w.Text)
	}
	if len(SplitWords(w.Text)) != 1 {
		return fmt.Errorf("%q is not one word", w.Text)
	}
	return nil
}
