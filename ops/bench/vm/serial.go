package vm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// The size of the terminal on a serial line.
const (
	width  = 80
	height = 24
)

// Serial is one serial line of a machine, with a terminal of 80x24 at its end. The terminal
// answers queries (cursor position, attributes), as a real one does.
type Serial struct {
	name     string
	conn     net.Conn
	machine  *Machine
	finished chan struct{} // closed when the line has given its last byte

	mu       sync.Mutex
	terminal *emulator
	log      []byte
	chunks   []chunk
	expected int           // bytes of the log that Expect has used
	news     chan struct{} // closed, and replaced, when bytes arrive
}

// chunk is a piece of a serial line's output, as it arrived.
type chunk struct {
	at  time.Time
	end int // bytes of the log up to and with this piece
}

func newSerial(name string, conn net.Conn, m *Machine) *Serial {
	s := &Serial{
		name: name, conn: conn, machine: m, finished: make(chan struct{}),
		terminal: newEmulator(width, height), news: make(chan struct{}),
	}
	go s.answer()
	go s.read()
	return s
}

// answer sends the terminal's answers. They are taken also when nobody is there to get them: the
// terminal stops until they are.
func (s *Serial) answer() {
	_, _ = io.Copy(s.conn, s.terminal)
	_, _ = io.Copy(io.Discard, s.terminal)
}

func (s *Serial) read() {
	defer close(s.finished)
	buffer := make([]byte, 4096)
	for {
		n, err := s.conn.Read(buffer)
		if n > 0 {
			s.arrived(buffer[:n])
		}
		if err != nil {
			return
		}
	}
}

func (s *Serial) arrived(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, p...)
	s.chunks = append(s.chunks, chunk{at: time.Now(), end: len(s.log)})
	_, _ = s.terminal.Write(p)
	close(s.news)
	s.news = make(chan struct{})
}

// Screen is what the terminal shows now.
func (s *Serial) Screen() Screen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.terminal.Screen()
}

// Wait waits until one row of the screen shows text.
func (s *Serial) Wait(ctx context.Context, text string) error {
	return s.wait(ctx, fmt.Sprintf("%q", text), func() bool {
		return s.terminal.Screen().Contains(text)
	})
}

// WaitScreen waits until the screen is what is wanted. It looks after every piece of output, so a
// screen that is shown only for a moment may be missed.
func (s *Serial) WaitScreen(ctx context.Context, wanted func(Screen) bool) error {
	return s.wait(ctx, "the wanted screen", func() bool { return wanted(s.terminal.Screen()) })
}

// Expect waits for text among the raw bytes of the line, after the text that the last Expect
// found. It also finds what scrolled off the screen at once, but not what a full-screen program
// drew piece by piece.
func (s *Serial) Expect(ctx context.Context, text string) error {
	return s.wait(ctx, fmt.Sprintf("%q among the bytes", text), func() bool {
		at := bytes.Index(s.log[s.expected:], []byte(text))
		if at < 0 {
			return false
		}
		s.expected += at + len(text)
		return true
	})
}

// wait calls done, with the lock held, now and after all output that arrives.
func (s *Serial) wait(ctx context.Context, what string, done func() bool) error {
	for {
		s.mu.Lock()
		found, news := done(), s.news
		s.mu.Unlock()
		if found {
			return nil
		}
		select {
		case <-news:
			continue
		case <-s.finished:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s on %s: %w%s", what, s.name, ctx.Err(), s.report())
		}
		select {
		case <-news: // the last bytes came with the end
		default:
			return fmt.Errorf("wait for %s on %s: %w%s", what, s.name, s.machine.exitError(), s.report())
		}
	}
}

// Type sends bytes as a keyboard at the other end would: Enter is "\r".
func (s *Serial) Type(text string) error {
	if _, err := io.WriteString(s.conn, text); err != nil {
		return fmt.Errorf("type on %s: %w", s.name, err)
	}
	return nil
}

// Press sends keys by name, as a VT100 or VT220 does: up, down, left, right, home, end, pgup, pgdn,
// insert, delete, enter, esc, tab, backspace, space, f1 to f12, ctrl-a to ctrl-z. Any other single
// character stands for itself.
func (s *Serial) Press(keys ...string) error {
	for _, key := range keys {
		text, err := keyBytes(key)
		if err != nil {
			return fmt.Errorf("press on %s: %w", s.name, err)
		}
		if err := s.Type(text); err != nil {
			return err
		}
	}
	return nil
}

// Bytes is a copy of all that the line has sent.
func (s *Serial) Bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.log)
}

// Arrived is when the raw bytes first held text completely; ok is false when they do not.
func (s *Serial) Arrived(text string) (at time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	start := bytes.Index(s.log, []byte(text))
	if start < 0 {
		return time.Time{}, false
	}
	for _, c := range s.chunks {
		if c.end >= start+len(text) {
			return c.at, true
		}
	}
	return time.Time{}, false
}

// report is the line's screen and its last bytes, for errors: on lines of their own.
func (s *Serial) report() string {
	log := s.Bytes()
	tail := log[max(0, len(log)-1000):]
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s shows:\n%s", s.name, s.Screen().boxed())
	fmt.Fprintf(&b, "%s sent %d bytes, at last: %q", s.name, len(log), tail)
	return b.String()
}

// close ends the line once QEMU is gone, with every byte it sent read.
func (s *Serial) close() {
	<-s.finished
	_ = s.conn.Close()
	_ = s.terminal.Close()
}
