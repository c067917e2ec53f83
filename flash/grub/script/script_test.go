package script

import (
	"fmt"
	"strings"
	"testing"
)

// outline writes statements so that their structure shows: words by spaces, blocks in braces.
func outline(list []Statement) string {
	var all []string
	for _, s := range list {
		text := fmt.Sprint(s.Kind)
		for _, w := range s.Words {
			text += " " + w.Written()
		}
		if s.Block != nil {
			text += " {" + outline(s.Block) + "}"
		}
		for _, b := range s.Branches {
			text += " [" + outline(b.Condition) + "?" + outline(b.Body) + "]"
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

func (k Kind) String() string { return [...]string{"command", "if", "loop", "function"}[k] }

func TestParse(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"# nothing\n\n;;", ""},
		{"set a=1; echo 'x  y'\"$z\" # end", "command set a=1; command echo x  y$z"},
		{"a \\\n b\\ c", "command a b c"},
		{"menuentry 'it'\\''s' {\n linux /k ${root}x\n}\n", "command menuentry it's {command linux /k $rootx}"},
		{"menuentry a {\n}", "command menuentry a {}"},
		{"if a; then b; elif c; then d; else e; fi", "if [command a?command b] [command c?command d] [?command e]"},
		{"function f { a; }", "function f {command a}"},
		{"for x in 1 2; do a; done; while b; do c; done", "loop x {command a}; loop {command b; command c}"},
		{"echo if fi then", "command echo if fi then"},
	} {
		list, err := Parse(tt.text)
		if got := outline(list); got != tt.want || err != nil {
			t.Errorf("Parse(%q) = %s, %v, want %s", tt.text, got, err, tt.want)
		}
	}
	for text, want := range map[string]string{
		"a\nif b; then c":                  "line 2: no fi",
		"a 'b":                             "a quoted word does not end",
		"a | b":                            "'|' has no meaning to GRUB here",
		"}":                                `"}" closes what was not opened`,
		"a {\nb":                           "a block does not end",
		"if a; then function f { b; }; fi": "a function in a block",
		"else":                             `"else" does not belong here`,
		strings.Repeat("a { ", 101):        "blocks nest deeper than 100",
		"a " + strings.Repeat("b", maxWord*2) + "\\c": "a word of more than 8192 bytes",
	} {
		if list, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%.40q) = %s, %v, want %q", text, outline(list), err, want)
		}
	}
}

func TestIsName(t *testing.T) {
	for s, want := range map[string]bool{"": false, "a": true, "saved_entry": true, "x1": true, "?": true, "a-b": false, "a=": false} {
		if got := IsName(s); got != want {
			t.Errorf("IsName(%q) = %v, want %v", s, got, want)
		}
	}
}
