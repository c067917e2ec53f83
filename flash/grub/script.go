package grub

import (
	"fmt"
	"slices"
	"strings"
)

// statement is one of GRUB 2's script (grub-core/script/parser.y).
type statement struct {
	kind     kind
	line     string      // the line it begins in, as it stands
	words    []word      // of a command; of a function its name alone
	block    []statement // between the braces of a menuentry or a function, or what a loop repeats
	branches []branch    // of an if; the last has no condition when there is an else
}

type kind int

const (
	command kind = iota
	conditional
	loop
	function
)

type branch struct{ condition, body []statement }

// word is a word as it is written, in parts that GRUB expands each its own way.
type word []part

type part struct {
	text     string // of a variable its name
	variable bool
	quoted   bool
}

// plain is the text of a word that is written without quotes and variables, "" for another.
func (w word) plain() string {
	if len(w) == 1 && !w[0].variable && !w[0].quoted {
		return w[0].text
	}
	return ""
}

// written is the word without its quotes, variables as they stand.
func (w word) written() string {
	var b strings.Builder
	for _, p := range w {
		if p.variable {
			b.WriteString("$" + p.text)
			continue
		}
		b.WriteString(p.text)
	}
	return b.String()
}

// maxDepth bounds how deep blocks nest.
const maxDepth = 100

// parser reads statements from tokens.
type parser struct {
	lexer lexer
	token token
	depth int
}

// parseScript reads a whole script.
func parseScript(text string) ([]statement, error) {
	p := parser{lexer: lexer{text: text, line: 1}}
	statements, err := p.statements()
	if err == nil && p.token.kind != end {
		err = fmt.Errorf("%q closes what was not opened", p.token.text())
	}
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", p.lexer.line, err)
	}
	return statements, nil
}

func (p *parser) next() error {
	var err error
	p.token, err = p.lexer.token()
	return err
}

// statements reads up to what closes the list: a brace, one of the words given, or the end. That
// token is then the current one.
func (p *parser) statements(closing ...string) ([]statement, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("blocks nest deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	var list []statement
	for {
		if err := p.next(); err != nil {
			return nil, err
		}
		for p.token.kind == separator {
			if err := p.next(); err != nil {
				return nil, err
			}
		}
		if p.token.kind == end || p.token.kind == closeBrace || slices.Contains(closing, p.token.word.plain()) && p.token.kind == text {
			return list, nil
		}
		s, err := p.statement()
		if err != nil {
			return nil, err
		}
		list = append(list, s)
		switch p.token.kind {
		case separator:
		case end, closeBrace:
			return list, nil
		default:
			return nil, fmt.Errorf("%q does not belong here", p.token.text())
		}
	}
}

// statement reads one, and leaves as the current token the one behind it.
func (p *parser) statement() (statement, error) {
	line := p.lexer.lineAt(p.token.line)
	if p.token.kind != text {
		return statement{}, fmt.Errorf("%q does not begin a command", p.token.text())
	}
	var s statement
	var err error
	switch p.token.word.plain() {
	case "if":
		s, err = p.conditional()
	case "for", "while", "until":
		s, err = p.loop()
	case "function":
		s, err = p.function()
	case "then", "elif", "else", "fi", "do", "done", "in":
		err = fmt.Errorf("%q does not belong here", p.token.text())
	default:
		s, err = p.command()
	}
	s.line = line
	return s, err
}

func (p *parser) command() (statement, error) {
	var s statement
	for p.token.kind == text {
		s.words = append(s.words, p.token.word)
		if err := p.next(); err != nil {
			return s, err
		}
	}
	if p.token.kind != openBrace {
		return s, nil
	}
	var err error
	s.block, err = p.braces()
	return s, err
}

// braces reads a block whose opening brace is the current token.
func (p *parser) braces() ([]statement, error) {
	block, err := p.statements()
	if err != nil {
		return nil, err
	}
	if p.token.kind != closeBrace {
		return nil, fmt.Errorf("a block does not end")
	}
	if block == nil {
		block = []statement{}
	}
	return block, p.next()
}

// until reads statements up to one of the words.
func (p *parser) until(words ...string) ([]statement, string, error) {
	list, err := p.statements(words...)
	if err != nil {
		return nil, "", err
	}
	if p.token.kind != text {
		return nil, "", fmt.Errorf("no %s", words[len(words)-1])
	}
	return list, p.token.word.plain(), nil
}

func (p *parser) conditional() (statement, error) {
	s := statement{kind: conditional}
	closed := "if"
	for closed != "fi" {
		var b branch
		var err error
		if closed != "else" {
			if b.condition, _, err = p.until("then"); err != nil {
				return s, err
			}
		}
		if closed == "else" {
			b.body, closed, err = p.until("fi")
		} else {
			b.body, closed, err = p.until("elif", "else", "fi")
		}
		if err != nil {
			return s, err
		}
		s.branches = append(s.branches, b)
	}
	return s, p.next()
}

func (p *parser) loop() (statement, error) {
	s := statement{kind: loop}
	if p.token.word.plain() == "for" {
		if err := p.next(); err != nil {
			return s, err
		}
		s.words = append(s.words, p.token.word) // the variable
		for p.token.kind == text {
			if err := p.next(); err != nil {
				return s, err
			}
		}
		if _, _, err := p.until("do"); err != nil {
			return s, err
		}
	} else {
		condition, _, err := p.until("do")
		if err != nil {
			return s, err
		}
		s.block = condition
	}
	body, _, err := p.until("done")
	if err != nil {
		return s, err
	}
	s.block = append(s.block, body...)
	return s, p.next()
}

func (p *parser) function() (statement, error) {
	s := statement{kind: function}
	if p.depth > 1 {
		return s, fmt.Errorf("a function in a block")
	}
	if err := p.next(); err != nil {
		return s, err
	}
	s.words = []word{p.token.word}
	if err := p.next(); err != nil {
		return s, err
	}
	for p.token.kind == separator {
		if err := p.next(); err != nil {
			return s, err
		}
	}
	if p.token.kind != openBrace {
		return s, fmt.Errorf("a function without a block")
	}
	var err error
	s.block, err = p.braces()
	return s, err
}
