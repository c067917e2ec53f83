// Package script reads the script that a grub.cfg is, as GRUB 2 does (grub-core/script): its words with
// quotes and variables, and its commands with their blocks and conditions. It runs nothing.
package script

import (
	"fmt"
	"slices"
	"strings"
)

// Statement is one command, if, loop or function (grub-core/script/parser.y).
type Statement struct {
	Kind     Kind
	Line     string      // the line it begins in, as it stands
	Words    []Word      // of a command; of a function its name alone
	Block    []Statement // between the braces of a menuentry or a function, or what a loop repeats
	Branches []Branch    // of an if; the last has no condition when there is an else
}

// Kind of a statement.
type Kind int

// The kinds.
const (
	Command     Kind = iota
	Conditional      // if
	Loop
	Function
)

// Branch is one way through an if.
type Branch struct{ Condition, Body []Statement }

// Word is a word as it is written, in parts that GRUB expands each its own way.
type Word []Part

// Part is text, or a variable.
type Part struct {
	Text     string // of a variable its name
	Variable bool
	Quoted   bool
}

// plain is the text of a word that is written without quotes and variables, "" for another.
func (w Word) plain() string {
	if len(w) == 1 && !w[0].Variable && !w[0].Quoted {
		return w[0].Text
	}
	return ""
}

// Written is the word without its quotes, variables as they stand.
func (w Word) Written() string {
	var b strings.Builder
	for _, p := range w {
		if p.Variable {
			b.WriteString("$" + p.Text)
			continue
		}
		b.WriteString(p.Text)
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

// Parse reads a whole script.
func Parse(text string) ([]Statement, error) {
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
func (p *parser) statements(closing ...string) ([]Statement, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("blocks nest deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	var list []Statement
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
func (p *parser) statement() (Statement, error) {
	line := p.lexer.lineAt(p.token.line)
	if p.token.kind != text {
		return Statement{}, fmt.Errorf("%q does not begin a command", p.token.text())
	}
	var s Statement
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
	s.Line = line
	return s, err
}

func (p *parser) command() (Statement, error) {
	var s Statement
	for p.token.kind == text {
		s.Words = append(s.Words, p.token.word)
		if err := p.next(); err != nil {
			return s, err
		}
	}
	if p.token.kind != openBrace {
		return s, nil
	}
	var err error
	s.Block, err = p.braces()
	return s, err
}

// braces reads a block whose opening brace is the current token.
func (p *parser) braces() ([]Statement, error) {
	block, err := p.statements()
	if err != nil {
		return nil, err
	}
	if p.token.kind != closeBrace {
		return nil, fmt.Errorf("a block does not end")
	}
	if block == nil {
		block = []Statement{}
	}
	return block, p.next()
}

// until reads statements up to one of the words.
func (p *parser) until(words ...string) ([]Statement, string, error) {
	list, err := p.statements(words...)
	if err != nil {
		return nil, "", err
	}
	if p.token.kind != text {
		return nil, "", fmt.Errorf("no %s", words[len(words)-1])
	}
	return list, p.token.word.plain(), nil
}

func (p *parser) conditional() (Statement, error) {
	s := Statement{Kind: Conditional}
	closed := "if"
	for closed != "fi" {
		var b Branch
		var err error
		if closed != "else" {
			if b.Condition, _, err = p.until("then"); err != nil {
				return s, err
			}
		}
		if closed == "else" {
			b.Body, closed, err = p.until("fi")
		} else {
			b.Body, closed, err = p.until("elif", "else", "fi")
		}
		if err != nil {
			return s, err
		}
		s.Branches = append(s.Branches, b)
	}
	return s, p.next()
}

func (p *parser) loop() (Statement, error) {
	s := Statement{Kind: Loop}
	if p.token.word.plain() == "for" {
		if err := p.next(); err != nil {
			return s, err
		}
		s.Words = append(s.Words, p.token.word) // the variable
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
		s.Block = condition
	}
	body, _, err := p.until("done")
	if err != nil {
		return s, err
	}
	s.Block = append(s.Block, body...)
	return s, p.next()
}

func (p *parser) function() (Statement, error) {
	s := Statement{Kind: Function}
	if p.depth > 1 {
		return s, fmt.Errorf("a function in a block")
	}
	if err := p.next(); err != nil {
		return s, err
	}
	s.Words = []Word{p.token.word}
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
	s.Block, err = p.braces()
	return s, err
}
