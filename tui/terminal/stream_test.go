package terminal

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestFilter(t *testing.T) {
	for _, test := range []struct {
		in, plain, alt string
	}{
		{"text", "text", "text"},
		{"\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J", "\x1b[?25l\x1b[H\x1b[2J", "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J"},
		{"\x1b[>4;2m\x1b[>4m\x1b[>1u\x1b[<u\x1b[<1u\x1b[?u\x1b[?5W\x1b[?2026$p\x1b[?2027$p", "", ""},
		{"\x1b[?2004h\x1b[?1000;1006h\x1b[?2026h", "", ""},
		{"\x1b[1;31mred\x1b[m", "\x1b[1;31mred\x1b[m", "\x1b[1;31mred\x1b[m"},
		{"\x1b7\x1b[r\x1b[999;999H\x1b[6n\x1b8", "\x1b7\x1b[r\x1b[999;999H\x1b[6n\x1b8", "\x1b7\x1b[r\x1b[999;999H\x1b[6n\x1b8"},
		{"\x1bM\x1b(B\x1b[?7l\x1b[4h", "\x1bM\x1b(B\x1b[?7l\x1b[4h", "\x1bM\x1b(B\x1b[?7l\x1b[4h"},
		{"a\x1b[>1u─b", "a─b", "a─b"},
	} {
		for _, alt := range []bool{false, true} {
			want := test.plain
			if alt {
				want = test.alt
			}
			// Wherever the writes are cut, the outcome is the same.
			for cut := range len(test.in) + 1 {
				var out bytes.Buffer
				f := &filter{w: &out, alt: alt}
				for _, part := range []string{test.in[:cut], test.in[cut:]} {
					if n, err := f.Write([]byte(part)); n != len(part) || err != nil {
						t.Fatalf("Write(%q) = %d, %v", part, n, err)
					}
				}
				if out.String() != want {
					t.Errorf("filter (alt %v) of %q cut at %d = %q, want %q", alt, test.in, cut, out.String(), want)
				}
			}
		}
	}
}

func FuzzFilter(f *testing.F) {
	f.Add([]byte("\x1b[?2026$p"), 3)
	f.Add([]byte("\x1b[\x1b[1;\x00\x7f"), 2)
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		cut = max(0, min(cut, len(in)))
		var whole, parts bytes.Buffer
		one, two := &filter{w: &whole}, &filter{w: &parts}
		one.Write(in)
		two.Write(in[:cut])
		two.Write(in[cut:])
		if !bytes.Equal(whole.Bytes(), parts.Bytes()) {
			t.Errorf("%q in one piece gives %q, cut at %d %q", in, whole.Bytes(), cut, parts.Bytes())
		}
		if strings.Contains(whole.String(), "\x1b[>") || strings.Contains(whole.String(), "\x1b[?2026h") {
			t.Errorf("%q lets %q through", in, whole.Bytes())
		}
	})
}

func TestInput(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"abc", "abc"},
		{"\r", "\r"},
		{"\n", "\r"},
		{"\r\n", "\r"},
		{"\r\x00", "\r"},
		{"\r\n\r\n", "\r\r"},
		{"\r\r", "\r\r"},
		{"\n\n", "\r\r"},
		{"x\ny", "x\ry"},
		{"\b", "\x7f"},
		{"\x1b[[A\x1b[[B\x1b[[C\x1b[[D\x1b[[E", "\x1b[11~\x1b[12~\x1b[13~\x1b[14~\x1b[15~"},
		{"\x1b[[Fz", "\x1b[[Fz"},
		{"\x1b[A\x1bOA[[A", "\x1b[A\x1bOA[[A"},
		{"\x1b[[\x1b[[A", "\x1b[[\x1b[11~"},
		{"\x1b[24;80R", "\x1b[24;80R"},
	} {
		for _, reader := range []io.Reader{strings.NewReader(test.in), iotest.OneByteReader(strings.NewReader(test.in)), iotest.DataErrReader(strings.NewReader(test.in))} {
			var why error
			got := read(t, Input(reader, func(err error) { why = err }))
			if got != test.want || why != io.EOF {
				t.Errorf("Input of %q = %q (%v), want %q", test.in, got, why, test.want)
			}
		}
	}
}

// read reads as bubbletea does: with a large buffer, until an error.
func read(t *testing.T, r io.Reader) string {
	t.Helper()
	var out []byte
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		out = append(out, buf[:n]...)
		if err == io.EOF {
			return string(out)
		}
		if err != nil || n == 0 {
			t.Fatalf("read %d, %v", n, err)
		}
	}
}

func FuzzInput(f *testing.F) {
	f.Add([]byte("\x1b[[A\r\n\x1b[[["))
	f.Fuzz(func(t *testing.T, in []byte) {
		got := read(t, Input(bytes.NewReader(in), func(error) {}))
		if strings.Contains(got, "\n") || len(got) > 2*len(in) {
			t.Errorf("Input of %q = %q", in, got)
		}
	})
}

func TestInputTellsWhy(t *testing.T) {
	broken := errors.New("hung up")
	var why error
	n, err := Input(iotest.ErrReader(broken), func(e error) { why = e }).Read(make([]byte, 100))
	if n != 0 || err != io.EOF || why != broken {
		t.Errorf("read %d, %v and told %v; want 0, EOF, %v", n, err, why, broken)
	}
}

func TestPacer(t *testing.T) {
	for _, test := range []struct {
		baud, bytes int
		want        time.Duration
	}{
		{9600, 960, time.Second},
		{115200, 1152, 100 * time.Millisecond},
		{0, 100000, 0},
	} {
		var waited time.Duration
		p := &pacer{w: io.Discard, baud: test.baud, wait: func(d time.Duration) { waited += d }}
		p.Write(make([]byte, test.bytes))
		if waited > test.want || waited < test.want-50*time.Millisecond {
			t.Errorf("%d bytes at %d baud wait %v, want about %v", test.bytes, test.baud, waited, test.want)
		}
	}
}
