package grub

import (
	"errors"
	"strings"
)

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

// shellWords splits a line of GRUB 2's script: white space separates, single and double quotes and
// backslash protect, # at the start of a word begins a comment. Variables stay as they are written.
func shellWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	begun := false
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == '\'' && c != '\'':
			word.WriteByte(c)
		case c == '\\' && i+1 < len(line) && (quote == 0 || strings.IndexByte(`"\$`, line[i+1]) >= 0):
			i++
			word.WriteByte(line[i])
			begun = true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			quote, begun = c, true
		case c == ' ' || c == '\t' || c == ';':
			if begun {
				words = append(words, word.String())
				word.Reset()
			}
			begun = false
		case c == '#' && !begun:
			return words, nil
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quoted word does not end in its line")
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}
