package script

import (
	"errors"
	"fmt"
	"strings"
)

type tokenKind int

const (
	end tokenKind = iota
	text
	separator // newline or ;
	openBrace
	closeBrace
)

type token struct {
	kind tokenKind
	word Word
	line int // where the line that it begins in begins
}

func (t token) text() string {
	return [...]string{"the end", t.word.Written(), ";", "{", "}"}[t.kind]
}

// maxWord and maxLine bound a word, and what is kept of a line, in bytes.
const (
	maxWord = 8 << 10
	maxLine = 200
)

// lexer cuts GRUB 2's script into tokens (grub-core/script/yylex.l).
type lexer struct {
	text  string
	pos   int
	line  int // number, from 1
	begin int // where it begins
}

// lineAt is the line that begins there, as it stands.
func (l *lexer) lineAt(begin int) string {
	line, _, _ := strings.Cut(l.text[begin:min(begin+maxLine, len(l.text))], "\n")
	return strings.TrimSpace(line)
}

func (l *lexer) token() (token, error) {
	l.skip()
	t := token{line: l.begin}
	if l.pos >= len(l.text) {
		return t, nil
	}
	switch l.text[l.pos] {
	case '\n', ';':
		t.kind = separator
	case '{':
		t.kind = openBrace
	case '}':
		t.kind = closeBrace
	case '|', '&', '<', '>':
		return t, fmt.Errorf("%q has no meaning to GRUB here", l.text[l.pos])
	default:
		var err error
		t.kind = text
		t.word, err = l.word()
		return t, err
	}
	l.advance(1)
	return t, nil
}

// skip passes over white space and a comment. A carriage return is white space too: GRUB strips it
// from the end of a line.
func (l *lexer) skip() {
	for l.pos < len(l.text) {
		switch {
		case strings.IndexByte(" \t\r", l.text[l.pos]) >= 0:
			l.pos++
		case strings.HasPrefix(l.text[l.pos:], "\\\n"):
			l.advance(2)
		case l.text[l.pos] == '#':
			if n := strings.IndexByte(l.text[l.pos:], '\n'); n >= 0 {
				l.pos += n
			} else {
				l.pos = len(l.text)
			}
		default:
			return
		}
	}
}

// word reads one word; there is at least one byte of it.
func (l *lexer) word() (Word, error) {
	w := Word{}
	start := l.pos
	for l.pos < len(l.text) {
		if l.pos-start > maxWord {
			return nil, fmt.Errorf("a word of more than %d bytes", maxWord)
		}
		c := l.text[l.pos]
		switch {
		case strings.IndexByte(" \t\r\n;{}|&<>", c) >= 0:
			return w, nil
		case c == '\'':
			n := strings.IndexByte(l.text[l.pos+1:], '\'')
			if n < 0 {
				return nil, errors.New("a quoted word does not end")
			}
			w = w.add(l.text[l.pos+1:l.pos+1+n], true)
			l.advance(n + 2)
		case c == '"':
			l.pos++
			var err error
			if w, err = l.quoted(w); err != nil {
				return nil, err
			}
		case c == '\\' && l.pos+1 < len(l.text):
			if l.text[l.pos+1] != '\n' {
				w = w.add(l.text[l.pos+1:l.pos+2], true)
			}
			l.advance(2)
		case c == '$':
			w = l.variable(w, false)
		default:
			w = w.add(l.run(" \t\r\n;{}|&<>'\"\\$"), false)
		}
	}
	return w, nil
}

// quoted reads what is between double quotes, the first of which has been read.
func (l *lexer) quoted(w Word) (Word, error) {
	w = w.add("", true) // "" is a word too
	for start := l.pos; l.pos < len(l.text) && l.pos-start <= maxWord; {
		switch c := l.text[l.pos]; {
		case c == '"':
			l.pos++
			return w, nil
		case c == '\\' && l.pos+1 < len(l.text) && strings.IndexByte("\"\\$\n", l.text[l.pos+1]) >= 0:
			if l.text[l.pos+1] != '\n' {
				w = w.add(l.text[l.pos+1:l.pos+2], true)
			}
			l.advance(2)
		case c == '$':
			w = l.variable(w, true)
		default:
			w = w.add(l.run("\"\\$"), true)
		}
	}
	return nil, errors.New("a quoted word does not end")
}

// run takes the next byte, and all that follow it up to one of those given.
func (l *lexer) run(stop string) string {
	n := strings.IndexAny(l.text[l.pos+1:], stop) + 1
	if n == 0 {
		n = len(l.text) - l.pos
	}
	s := l.text[l.pos : l.pos+n]
	l.advance(n)
	return s
}

// advance goes on by n bytes and counts the lines in them.
func (l *lexer) advance(n int) {
	passed := l.text[l.pos : l.pos+n]
	l.line += strings.Count(passed, "\n")
	if last := strings.LastIndexByte(passed, '\n'); last >= 0 {
		l.begin = l.pos + last + 1
	}
	l.pos += n
}

// variable reads one, whose $ is next. A $ that begins none stands for itself.
func (l *lexer) variable(w Word, quoted bool) Word {
	rest := l.text[l.pos+1:]
	name := rest[:nameLength(rest)]
	size := len(name)
	if inner, braced := strings.CutPrefix(rest, "{"); braced {
		if n := nameLength(inner); strings.HasPrefix(inner[n:], "}") {
			name, size = inner[:n], n+2
		}
	}
	if name == "" {
		l.pos++
		return w.add("$", quoted)
	}
	l.pos += 1 + size
	return append(w, Part{Text: name, Variable: true, Quoted: quoted})
}

// IsName reports that s can be the name of a variable.
func IsName(s string) bool { return s != "" && nameLength(s) == len(s) }

// nameLength is how many bytes in front of s are the name of a variable.
func nameLength(s string) int {
	if s == "" {
		return 0
	}
	if strings.IndexByte("?#*@", s[0]) >= 0 {
		return 1
	}
	n := 0
	for n < len(s) && (s[n] == '_' || s[n] >= '0' && s[n] <= '9' || s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z') {
		n++
	}
	return n
}

// add adds text, to the last part where that is of the same kind.
func (w Word) add(text string, quoted bool) Word {
	if n := len(w); n > 0 && !w[n-1].Variable && w[n-1].Quoted == quoted {
		w[n-1].Text += text
		return w
	}
	return append(w, Part{Text: text, Quoted: quoted})
}
