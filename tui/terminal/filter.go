package terminal

import (
	"bytes"
	"io"
	"strings"
)

const (
	esc     = 0x1b
	maxHeld = 64 // bytes of one control sequence; ours have a dozen
)

// filter passes on what a plain terminal understands. The screen library also asks questions and
// switches modes that belong to modern emulators; minicom prints the tails of those as text, and a
// question's answer comes back as keys. So everything private goes, but showing the cursor and
// wrapping lines.
type filter struct {
	w    io.Writer
	alt  bool   // the terminal has a second screen: let it be used
	held []byte // a sequence whose end has not come yet, perhaps not in this Write
}

// Write passes p on in one piece, without what is dropped. The count is that of p: the caller must
// not send the rest again.
func (f *filter) Write(p []byte) (int, error) {
	out := make([]byte, 0, len(p))
	for _, b := range p {
		out = f.next(out, b)
	}
	if len(out) > 0 {
		if _, err := f.w.Write(out); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// next takes one byte and adds to out what may pass.
func (f *filter) next(out []byte, b byte) []byte {
	switch {
	case b == esc: // begins anew: what it cuts short does nothing in a terminal either
		f.held = append(f.held[:0], b)
		return out
	case len(f.held) == 0:
		return append(out, b)
	}
	f.held = append(f.held, b)
	if len(f.held) < maxHeld && !complete(f.held) {
		return out
	}
	if !f.drops(f.held) {
		out = append(out, f.held...)
	}
	f.held = f.held[:0]
	return out
}

// complete reports whether seq, which starts with ESC, is whole: ESC and a byte, or a control
// sequence (ECMA-48: CSI, parameters, a final byte from '@' on).
func complete(seq []byte) bool {
	if len(seq) < 2 {
		return false
	}
	if seq[1] != '[' {
		return true
	}
	last := seq[len(seq)-1]
	return len(seq) > 2 && (last >= '@' && last <= '~' || last < ' ')
}

func (f *filter) drops(seq []byte) bool {
	if len(seq) < 4 || seq[1] != '[' {
		return false
	}
	body, final := seq[2:len(seq)-1], seq[len(seq)-1]
	switch body[0] {
	case '<', '=', '>': // keyboard protocols, versions
		return true
	case '?':
	default:
		return false
	}
	if final != 'h' && final != 'l' || bytes.ContainsAny(body, "$") {
		return true
	}
	for _, mode := range strings.Split(string(body[1:]), ";") {
		if mode != "25" && mode != "7" && (mode != "1049" || !f.alt) {
			return true
		}
	}
	return false
}
