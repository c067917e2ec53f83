package grub

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Env is GRUB 2's environment block, grubenv (grub-core/lib/envblk.c): 1024 bytes, the first line a
// fixed one, then NAME=VALUE lines with backslash as escape, filled up with #. Lines keep their
// order, and also those that begin with # are kept.
type Env struct {
	Lines []EnvLine
}

// EnvLine is a variable or, when Name is "", a comment.
type EnvLine struct {
	Name  string
	Value string // of a comment the whole line, with its #
}

const (
	envSize   = 1024
	envHeader = "# GRUB Environment Block\n"
)

// DecodeEnv decodes a grubenv.
func DecodeEnv(b []byte) (Env, error) {
	if len(b) != envSize {
		return Env{}, fmt.Errorf("%d bytes, a GRUB environment block has %d", len(b), envSize)
	}
	rest, ok := strings.CutPrefix(string(b), envHeader)
	if !ok {
		return Env{}, errors.New("does not begin as a GRUB environment block")
	}
	var env Env
	for rest != "" {
		line, after, whole := cutLine(rest)
		if !whole {
			if strings.Trim(line, "#") != "" {
				return Env{}, fmt.Errorf("line %q does not end", line)
			}
			break // the filling
		}
		rest = after
		if strings.HasPrefix(line, "#") {
			env.Lines = append(env.Lines, EnvLine{Value: line})
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" || strings.ContainsAny(name, "\\\n") {
			return Env{}, fmt.Errorf("line %q is not NAME=VALUE", line)
		}
		env.Lines = append(env.Lines, EnvLine{Name: name, Value: unescape(value)})
	}
	return env, nil
}

// cutLine cuts at the first newline that is not escaped. GRUB lets a backslash escape also in a
// comment.
func cutLine(s string) (line, rest string, whole bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\n':
			return s[:i], s[i+1:], true
		case '\\':
			i++
		}
	}
	return s, "", false
}

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Get is the value of a variable, and whether it is there. Of several, GRUB keeps the last.
func (e Env) Get(name string) (string, bool) {
	for _, line := range slices.Backward(e.Lines) {
		if line.Name == name && name != "" {
			return line.Value, true
		}
	}
	return "", false
}

// Entry is saved_entry.
func (e Env) Entry() string {
	value, _ := e.Get("saved_entry")
	return value
}

// Once is next_entry.
func (e Env) Once() string {
	value, _ := e.Get("next_entry")
	return value
}

// With is the same with another saved_entry, in the line where GRUB finds the old one, else behind
// the others. What menus take back after one boot, next_entry and prev_saved_entry, loses its value
// and keeps its line.
func (e Env) With(entry string) (Saved, error) {
	if strings.ContainsAny(entry, "\n\x00") {
		return nil, fmt.Errorf("%q cannot be saved: it is more than one line", entry)
	}
	e.Lines = slices.Clone(e.Lines)
	if !e.replace("saved_entry", entry) {
		e.Lines = append(e.Lines, EnvLine{Name: "saved_entry", Value: entry})
	}
	e.replace("next_entry", "")
	e.replace("prev_saved_entry", "")
	if _, err := e.Encode(); err != nil {
		return nil, err
	}
	return e, nil
}

// WithSaved is With, but what was asked for the next boot alone stays.
func (e Env) WithSaved(entry string) (Saved, error) {
	once := e.Once()
	after, err := e.With(entry)
	if err != nil || once == "" {
		return after, err
	}
	after.(Env).replace("next_entry", once)
	_, err = after.Encode()
	return after, err
}

// replace changes the line that counts, in place, and reports whether there is one.
func (e Env) replace(name, value string) bool {
	for i, line := range slices.Backward(e.Lines) {
		if line.Name == name {
			e.Lines[i].Value = value
			return true
		}
	}
	return false
}

// Encode gives the 1024 bytes; too many variables for them are an error.
func (e Env) Encode() ([]byte, error) {
	var b strings.Builder
	b.WriteString(envHeader)
	for _, line := range e.Lines {
		if line.Name == "" {
			b.WriteString(line.Value + "\n")
			continue
		}
		b.WriteString(line.Name + "=" + strings.NewReplacer("\\", "\\\\", "\n", "\\\n").Replace(line.Value) + "\n")
	}
	if b.Len() > envSize {
		return nil, fmt.Errorf("variables take %d bytes, a GRUB environment block has %d", b.Len(), envSize)
	}
	b.WriteString(strings.Repeat("#", envSize-b.Len()))
	return []byte(b.String()), nil
}
