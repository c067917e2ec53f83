package vm

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// tmuxPane is a tmux of its own with one pane of 80x24 that shows the bytes it is given: the
// oracle for the emulator.
type tmuxPane struct {
	t       *testing.T
	socket  string
	in, out *os.File
}

func newTmuxPane(t *testing.T) *tmuxPane {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Fatal("tmux is missing: apt-get install tmux")
	}
	dir, err := os.MkdirTemp("", "vm-tmux-") // a test's own directory may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	p := &tmuxPane{t: t, socket: filepath.Join(dir, "tmux")}
	config, in, out := filepath.Join(dir, "conf"), filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(config, []byte("set -g status off\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{in, out} {
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		_ = exec.Command("tmux", "-S", p.socket, "kill-server").Run()
		_ = os.RemoveAll(dir)
	})
	pane := fmt.Sprintf("stty raw -echo; cat <%s & exec cat >%s </dev/tty", in, out)
	cmd := exec.Command("tmux", "-u", "-S", p.socket, "-f", config, "new-session", "-d", "-x", "80", "-y", "24", pane)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("start tmux: %v: %s", err, msg)
	}
	if p.in, err = os.OpenFile(in, os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	}
	if p.out, err = os.OpenFile(out, os.O_RDONLY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.in.Close(); _ = p.out.Close() })
	return p
}

// show gives the pane a fresh screen, the bytes, and then a question: its answer says that tmux
// has seen them all.
func (p *tmuxPane) show(data string) Screen {
	p.t.Helper()
	if _, err := io.WriteString(p.in, "\x1b[?1049l\x1bc"+data+"\x1b[6n"); err != nil {
		p.t.Fatal(err)
	}
	var s Screen
	if _, err := fmt.Fscanf(p.out, "\x1b[%d;%dR", &s.Y, &s.X); err != nil {
		p.t.Fatalf("read tmux's answer: %v", err)
	}
	s.X, s.Y = min(s.X, 80)-1, s.Y-1 // tmux says 81 while a wrap is pending
	text, err := exec.Command("tmux", "-u", "-S", p.socket, "capture-pane", "-p", "-N").Output()
	if err != nil {
		p.t.Fatalf("capture the pane: %v", err)
	}
	s.Rows = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	return s
}

// emulate shows the bytes in a fresh emulator, in two writes cut at cut.
func emulate(data string, cut int) Screen {
	e := newEmulator(width, height)
	defer e.Close()
	go func() { _, _ = io.Copy(io.Discard, e) }()
	_, _ = io.WriteString(e, data[:cut])
	_, _ = io.WriteString(e, data[cut:])
	return e.Screen()
}

// lines fills rows 1 to n with their numbers.
func lines(n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "\x1b[%d;1Hline %d abcdefghijklmnopqrstuvwxyz", i, i)
	}
	return b.String()
}

func TestEmulatorShowsWhatTmuxShows(t *testing.T) {
	full := strings.Repeat("0123456789", 8)
	tests := []struct{ name, data string }{
		{"text", "hello\r\nworld"},
		{"wrap", full + "next"},
		{"pending wrap", full},
		{"no autowrap", "\x1b[?7l" + full + "next"},
		{"backspace and tabs", "abc\bX\tY\tZ\r\tT"},
		{"scroll at the end", lines(24) + "\r\nlast\r\nmore"},
		{"cursor moves", "\x1b[10;10H*\x1b[3A*\x1b[5B*\x1b[7D*\x1b[2C*\x1b[H*\x1b[99;99H*"},
		{"erase display below", lines(24) + "\x1b[10;5H\x1b[J"},
		{"erase display above", lines(24) + "\x1b[10;5H\x1b[1J"},
		{"erase display", lines(24) + "\x1b[10;5H\x1b[2J*"},
		{"erase line", lines(5) + "\x1b[2;5H\x1b[K\x1b[3;5H\x1b[1K\x1b[4;5H\x1b[2K"},
		{"ECH", lines(3) + "\x1b[2;5H\x1b[4X\x1b[3;5H\x1b[200X"},
		{"ICH", lines(3) + "\x1b[2;5H\x1b[4@\x1b[3;5H\x1b[9@"},
		{"DCH", lines(3) + "\x1b[2;5H\x1b[4P\x1b[3;5H\x1b[200P"},
		{"IL", lines(24) + "\x1b[5;1H\x1b[2L*"},
		{"DL", lines(24) + "\x1b[5;1H\x1b[2M*"},
		{"DECSTBM", lines(24) + "\x1b[5;10r*\x1b[10;1H\nnew\r\nnewer"},
		{"DECSTBM and RI", lines(24) + "\x1b[5;10r\x1b[5;1H\x1bMnew\x1b[r*"},
		{"DECSTBM, IL, DL", lines(24) + "\x1b[5;10r\x1b[7;1H\x1b[2L*\x1b[6;1H\x1b[M*"},
		{"RI at the top", lines(24) + "\x1b[H\x1bM\x1bMtop"},
		{"SU and SD", lines(24) + "\x1b[3S\x1b[5;20r\x1b[2T"},
		{"save and restore", "\x1b[5;5H\x1b7\x1b[10;10Hx\x1b8y"},
		{"CHA, VPA", lines(3) + "\x1b[40G*\x1b[12d*"},
		{"REP", "x\x1b[5by"},
		{"box drawing", "┌──┬──┐\r\n│ab│░▒▓█\r\n╚══╧══╝ ←↑→↓ • ► ◄"},
		{"box drawing over a row", lines(2) + "\x1b[1;1H" + strings.Repeat("═", 80) + "x"},
		{"wide characters", "日本語 abc\r\x1b[4Cx"},
		{"alternate screen", "main\x1b[?1049hother\x1b[5;5Hx\x1b[?1049l!"},
		{"colours and attributes", "\x1b[1;7;31mred\x1b[27mx\x1b[0m plain"},
		{"bubbletea's queries", "a\x1b[?2026$p\x1b[>4;2m\x1b[>1u\x1b[?u\x1b[?5W\x1b[?2004hb\x1b[<1u\x1b[>4mc"},
		{"IRM", lines(2) + "\x1b[1;5H\x1b[4hINS\x1b[4l\x1b[2;5HREP"},
		{"IRM pushes off the end", full + "\x1b[1;5H\x1b[4hXYZ\x1b[4l"},
		{"IRM with UTF-8", lines(2) + "\x1b[2;5H\x1b[4h│é═\x1b[4l."},
		{"IRM at the last column", full + "\x1b[1;80H\x1b[4hX"},
		{"IRM wraps", lines(3) + "\x1b[1;76H\x1b[4h0123456789\x1b[4l"},
		{"IRM set while a wrap is pending", lines(2) + "\x1b[1;1H" + full + "\x1b[4hXY"},
		{"IRM wraps at the end of the screen", lines(24) + "\x1b[24;1H" + full + "\x1b[4hXY"},
		{"IRM and control characters", "abcdef\r\x1b[4hX\r\nY\x1b[2CZ"},
		{"IRM and other modes", lines(1) + "\x1b[1;5H\x1b[?4hA\x1b[4hB\x1b[?4lC\x1b[20;4lD"},
		{"IRM ends with a reset", lines(1) + "\x1b[4h\x1bc" + lines(1) + "\x1b[1;5HX"},
	}
	tmux := newTmuxPane(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := tmux.show(tt.data)
			for _, cut := range []int{0, len(tt.data) / 2, len(tt.data) - 1} {
				sameScreen(t, emulate(tt.data, cut), want)
			}
		})
	}
}

// TestEmulatorOnRandomSequences draws with what bubbletea sends with TERM=vt100 and linux. It
// stays where tmux 3.3 does as a VT102 does: IL and DL inside the scroll region in column
// 1, and no moves from the last column, where tmux counts a pending wrap as a column.
func TestEmulatorOnRandomSequences(t *testing.T) {
	tmux := newTmuxPane(t)
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		data := randomSequences(random)
		if !sameScreen(t, emulate(data, len(data)/2), tmux.show(data)) {
			t.Fatalf("after %q", data)
		}
	}
}

func randomSequences(r *rand.Rand) string {
	n := func(max int) int { return 1 + r.IntN(max) }
	var b strings.Builder
	b.WriteString(lines(24))
	for range 40 {
		switch r.IntN(16) {
		case 0:
			fmt.Fprintf(&b, "\x1b[%d;%dH", n(24), n(80))
		case 1:
			fmt.Fprintf(&b, "\x1b[%dG\x1b[4h%s\x1b[4l", n(60), strings.Repeat("I", n(9)))
		case 2:
			fmt.Fprintf(&b, "\x1b[%d%c", n(9), "ABCDGd@PXST"[r.IntN(11)])
		case 3:
			top, bottom := n(12), 12+n(12)
			fmt.Fprintf(&b, "\x1b[%d;%dr\x1b[%dH", top, bottom, []int{top, 12, bottom}[r.IntN(3)])
			fmt.Fprintf(&b, []string{"\x1b[%dL", "\x1b[%dM", "\n%d", "\x1bM%d"}[r.IntN(4)], n(5))
			b.WriteString("\x1b[r")
		case 4:
			b.WriteString([]string{"\x1bM", "\n", "\r", "\b", "\t", "\x1b[H"}[r.IntN(6)])
		case 5:
			fmt.Fprintf(&b, "\x1b[%d%c", r.IntN(3), "JK"[r.IntN(2)])
		case 6:
			b.WriteString([]string{"\x1b[7m", "\x1b[m", "\x1b[32m"}[r.IntN(3)])
		default:
			text := string([]rune("ab│═#.")[r.IntN(6)])
			fmt.Fprintf(&b, "\x1b[%dG%s", n(60), strings.Repeat(text, n(12)))
		}
	}
	return b.String()
}

func sameScreen(t *testing.T, got, want Screen) bool {
	t.Helper()
	if got.String() != want.String() {
		t.Errorf("the emulator shows\n%s, tmux shows\n%s", got.boxed(), want.boxed())
		return false
	}
	if got.X != want.X || got.Y != want.Y {
		t.Errorf("the emulator's cursor is at %d,%d, tmux's at %d,%d", got.X, got.Y, want.X, want.Y)
		return false
	}
	return true
}

// FuzzEmulator feeds line noise: the screen stays a screen.
func FuzzEmulator(f *testing.F) {
	for _, seed := range []string{
		"", "text\r\n", lines(24), "\x1b[4hINS\x1b[4l\x1b[5;10r\x1b[2L\x1b[2M\x1b[1J", "\x1b[99999999999b\x1b[99999@",
		"日本語\x1b[1;80H日\x1b[4h日", "\xff\xc3\x1b[\xc3\xa4", "\x1b]0;title\x07\x1bP+q544e\x1b\\", "\x1b[?69h\x1b[5;10s\x1b[3@",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := emulate(string(data), len(data)/2)
		if len(s.Rows) != height || s.X < 0 || s.X >= width || s.Y < 0 || s.Y >= height {
			t.Errorf("%d rows, the cursor at %d,%d", len(s.Rows), s.X, s.Y)
		}
	})
}
