package kexec

import "strings"

// SplitWords splits a command line as the kernel does (next_arg in lib/cmdline.c): at white space,
// unless a double quote is open. Quotes stay in their word, nothing escapes them, and an open one
// runs to the end of the text.
func SplitWords(text string) []string {
	var words []string
	start, quoted := -1, false
	for i := range len(text) {
		if isSpace(text[i]) && !quoted {
			if start >= 0 {
				words = append(words, text[start:i])
			}
			start = -1
			continue
		}
		if start < 0 {
			start = i
		}
		if text[i] == '"' {
			quoted = !quoted
		}
	}
	if start >= 0 {
		words = append(words, text[start:])
	}
	return words
}

// isSpace is the kernel's isspace (lib/ctype.c), which counts Latin-1's no-break space.
func isSpace(b byte) bool {
	return b == ' ' || b >= '\t' && b <= '\r' || b == 0xa0
}

// ParseArguments gives the words of a kernel.arg or system.arg file: its lines joined by a space,
// split as SplitWords does. A '#' that begins a word starts a comment to the end of the line. Line
// ends may be DOS's; a byte order mark and control characters, of no use to any kernel, are left out.
func ParseArguments(text string) []string {
	text = strings.TrimPrefix(text, "\ufeff")
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	var line strings.Builder
	inWord, quoted, comment := false, false, false
	for i := range len(text) {
		b := text[i]
		switch {
		case b == '\n':
			comment = false
			b = ' '
		case comment, isControl(b) && !isSpace(b):
			continue
		case b == '#' && !inWord:
			comment = true
			continue
		}
		if b == '"' {
			quoted = !quoted
		}
		inWord = quoted || !isSpace(b)
		line.WriteByte(b)
	}
	return SplitWords(line.String())
}

func isControl(b byte) bool { return b < ' ' || b == 0x7f }

// param gives a word's name and value as the kernel takes them, outer quotes gone. ok is false for
// a word without a value.
func param(word string) (name, value string, ok bool) {
	bare, quoted := strings.CutPrefix(word, `"`)
	at := 0
	if bare != "" {
		at = strings.IndexByte(bare[1:], '=') + 1 // a name is never empty
	}
	if at == 0 {
		if quoted {
			bare = strings.TrimSuffix(bare, `"`)
		}
		return bare, "", false
	}
	name, value = bare[:at], bare[at+1:]
	inner, valueQuoted := strings.CutPrefix(value, `"`)
	if quoted || valueQuoted {
		inner = strings.TrimSuffix(inner, `"`)
	}
	return name, inner, true
}
