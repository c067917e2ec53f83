package plain

import (
	"bufio"
	"context"
	"io"
)

// maxLine is the longest answer that is kept; nobody types more, but a line that makes noise does.
const maxLine = 256

// readLines gives the lines of r, without their ends, until r or ctx does; then it closes the
// channel. Terminals and programs end a line by CR, LF or both.
func readLines(ctx context.Context, r io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		s := scanner{r: bufio.NewReader(r)}
		for {
			line, ok := s.line()
			if !ok {
				return
			}
			select {
			case lines <- line:
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// scanner splits lines.
type scanner struct {
	r  *bufio.Reader
	cr bool // the last line ended by CR, so an LF is the rest of its end
}

// line is the next line; false at the end of the input. What comes after the last line's end is no
// line: an answer that was not finished is not given.
func (s *scanner) line() (string, bool) {
	var line []byte
	for {
		b, err := s.r.ReadByte()
		if err != nil {
			return "", false
		}
		again := s.cr && b == '\n'
		s.cr = b == '\r'
		switch {
		case again:
		case b == '\r' || b == '\n':
			return string(line), true
		case len(line) < maxLine:
			line = append(line, b)
		}
	}
}
