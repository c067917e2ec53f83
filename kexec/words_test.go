package kexec

import (
	"slices"
	"strings"
	"testing"
)

func TestSplitWords(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"white space", " \t\n ", nil},
		{"words", "quiet  ro\troot=/dev/sda1\n", []string{"quiet", "ro", "root=/dev/sda1"}},
		{"quoted value", `a="b c" d`, []string{`a="b c"`, "d"}},
		{"quoted word", `"a=b c" d`, []string{`"a=b c"`, "d"}},
		{"quote inside", `a=b"c d"e f`, []string{`a=b"c d"e`, "f"}},
		{"open quote", `a "b c`, []string{"a", `"b c`}},
		{"no escape", `a="b\" c"`, []string{`a="b\"`, `c"`}},
		{"single quotes mean nothing", `'a b'`, []string{"'a", "b'"}},
		{"empty quotes", `"" a`, []string{`""`, "a"}},
		{"the kernel's no-break space", "a\xa0b", []string{"a", "b"}},
		{"a hash is a letter", "a #b", []string{"a", "#b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := SplitWords(tt.text); !slices.Equal(got, tt.want) {
				t.Errorf("SplitWords(%q) = %q, want %q", tt.text, got, tt.want)
			}
		})
	}
}

func TestParseArguments(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"lines", "quiet\nro root=/dev/sda1\n", []string{"quiet", "ro", "root=/dev/sda1"}},
		{"DOS lines", "quiet\r\nro\r\n", []string{"quiet", "ro"}},
		{"old Macintosh lines", "quiet\rro", []string{"quiet", "ro"}},
		{"byte order mark", "\ufeffquiet", []string{"quiet"}},
		{"comment line", "# for the lab\nquiet", []string{"quiet"}},
		{"comment after words", "quiet # console=ttyS9\nro", []string{"quiet", "ro"}},
		{"comment with a quote", "# don't \"\nquiet", []string{"quiet"}},
		{"hash within a word", "a=b#c d", []string{"a=b#c", "d"}},
		{"hash within quotes", `a="b #c" d`, []string{`a="b #c"`, "d"}},
		{"quotes over a line's end", "a=\"b\nc\" d", []string{`a="b c"`, "d"}},
		{"DOS line's end in quotes", "a=\"b\r\nc\" d", []string{`a="b c"`, "d"}},
		{"control characters", "qu\x1biet\x00\x7f \x07 ro", []string{"quiet", "ro"}},
		{"control before a comment", "\x01# quiet", nil},
		{"UTF-8 stays", "a=Zürich", []string{"a=Zürich"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ParseArguments(tt.text); !slices.Equal(got, tt.want) {
				t.Errorf("ParseArguments(%q) = %q, want %q", tt.text, got, tt.want)
			}
		})
	}
}

// TestParam holds what TestJump sees the kernel itself do, and the corners of next_arg.
func TestParam(t *testing.T) {
	for _, tt := range []struct {
		word, name, value string
		ok                bool
	}{
		{`marker="one two"`, "marker", "one two", true},
		{`"odd=a b"`, "odd", "a b", true},
		{"bare", "bare", "", false},
		{`"for init"`, "for init", "", false},
		{"img=x", "img", "x", true},
		{"a=b=c", "a", "b=c", true},
		{"a=", "a", "", true},
		{`a=""`, "a", "", true},
		{"=a=b", "=a", "b", true},
		{"=", "=", "", false},
		{`a=b"c d"`, "a", `b"c d"`, true},
		{`"`, "", "", false},
		{"", "", "", false},
	} {
		name, value, ok := param(tt.word)
		if name != tt.name || value != tt.value || ok != tt.ok {
			t.Errorf("param(%s) = %q, %q, %v, want %q, %q, %v", tt.word, name, value, ok, tt.name, tt.value, tt.ok)
		}
	}
}

func FuzzParseArguments(f *testing.F) {
	f.Add("quiet \"a b\" # c\r\nconsole=ttyS0,115200\n")
	f.Add("\"\n#\"")
	f.Fuzz(func(t *testing.T, text string) {
		words := ParseArguments(text)
		for _, w := range words {
			if w == "" || strings.ContainsAny(w, "\x00\n\r\x1b") {
				t.Errorf("ParseArguments(%q) has the word %q", text, w)
			}
		}
		if again := SplitWords(strings.Join(words, " ")); !slices.Equal(again, words) {
			t.Errorf("ParseArguments(%q) = %q, split again %q", text, words, again)
		}
	})
}
