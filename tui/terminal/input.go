package terminal

import "io"

// keys brings what terminals send into the one form that the screen library reads.
type keys struct {
	r    io.Reader
	lost func(error)

	cr   bool // the last byte was a CR, and one Enter was given for it
	seen int  // bytes of "ESC [ [" so far; the third is held back
}

// Input is the reader for a full-screen program. Enter is one CR, whether the terminal sends CR, LF,
// CR LF or (telnet) CR NUL; backspace is DEL; the function keys of the Linux console, ESC [ [ A to E,
// come as those of a VT220. When r fails, lost is told why, once, and the input ends.
func Input(r io.Reader, lost func(error)) io.Reader {
	return &keys{r: r, lost: lost}
}

// Read reads less than fits: a rewritten function key is longer than what came.
func (k *keys) Read(p []byte) (int, error) {
	if len(p) < 8 {
		return 0, io.ErrShortBuffer
	}
	raw := make([]byte, len(p)/2)
	for {
		n, err := k.r.Read(raw)
		out := p[:0]
		for _, b := range raw[:n] {
			out = k.next(out, b)
		}
		if err != nil {
			k.lost(err)
			return len(out), io.EOF
		}
		if len(out) > 0 {
			return len(out), nil
		}
	}
}

var linuxFunctionKeys = map[byte]string{'A': "11~", 'B': "12~", 'C': "13~", 'D': "14~", 'E': "15~"}

func (k *keys) next(out []byte, b byte) []byte {
	if k.seen == 3 { // "ESC [" was passed on, "[" was not
		k.seen = 0
		if f, ok := linuxFunctionKeys[b]; ok {
			return append(out, f...)
		}
		out = append(out, '[')
	}
	switch {
	case b == esc:
		k.seen = 1
	case b == '[' && k.seen == 1:
		k.seen = 2
	case b == '[' && k.seen == 2:
		k.seen = 3
		return out
	default:
		k.seen = 0
	}
	cr := k.cr
	k.cr = b == '\r'
	switch {
	case cr && (b == '\n' || b == 0):
		return out
	case b == '\n':
		return append(out, '\r')
	case b == '\b':
		return append(out, 0x7f)
	}
	return append(out, b)
}
