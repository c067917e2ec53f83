package terminal

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// newPty is a terminal with our end of it; the terminal's settings are kept by a descriptor of ours.
func newPty(t *testing.T) (master, slave *os.File, c Console) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close(); slave.Close() })
	return master, slave, Console{Name: "ttyS7", Path: slave.Name(), Serial: true, Term: "vt100"}
}

func settings(t *testing.T, f *os.File) unix.Termios {
	t.Helper()
	got, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS2)
	if err != nil {
		t.Fatal(err)
	}
	return *got
}

func TestTakesAndGivesBack(t *testing.T) {
	master, slave, c := newPty(t)
	before := settings(t, slave)
	tty, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	raw := settings(t, slave)
	if raw.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) != 0 || raw.Iflag&(unix.IXON|unix.ICRNL) != 0 {
		t.Errorf("taken: %+v, want raw mode", raw)
	}
	if raw.Cflag&unix.CSIZE != before.Cflag&unix.CSIZE || raw.Ospeed != before.Ospeed {
		t.Error("the line's own settings have changed")
	}
	master.WriteString("k")
	buf := make([]byte, 10)
	if n, err := tty.Read(buf); string(buf[:n]) != "k" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	go io.Copy(io.Discard, master)
	if err := tty.Close(); err != nil {
		t.Error(err)
	}
	if got := settings(t, slave); got != before {
		t.Errorf("given back: %+v, want %+v", got, before)
	}
}

func TestSize(t *testing.T) {
	_, slave, c := newPty(t)
	for _, test := range []struct {
		w, h         int // of the device
		ow, oh       int // of the override
		alt          bool
		wantW, wantH int
		known        bool
	}{
		{0, 0, 0, 0, false, 80, 24, false},
		{19, 24, 0, 0, false, 80, 24, false},
		{80, 4, 0, 0, false, 80, 24, false},
		{20, 5, 0, 0, false, 20, 5, true},
		{132, 43, 0, 0, false, 132, 43, true},
		{0, 0, 100, 30, false, 100, 30, true},
		{132, 43, 100, 30, false, 100, 30, true},
		{10, 3, 0, 0, true, 10, 3, true}, // a window on a desk may be that small
	} {
		unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(test.w), Row: uint16(test.h)})
		c.Width, c.Height, c.AltScreen = test.ow, test.oh, test.alt
		tty, err := open(c)
		if err != nil {
			t.Fatal(err)
		}
		w, h, known := tty.Size()
		if w != test.wantW || h != test.wantH || known != test.known {
			t.Errorf("device %dx%d, told %dx%d: Size = %d, %d, %v", test.w, test.h, test.ow, test.oh, w, h, known)
		}
		tty.file.Close()
	}
}

func TestBaud(t *testing.T) {
	_, _, c := newPty(t)
	for _, test := range []struct {
		name   string
		serial bool
		told   int
		want   int
	}{
		{"ttyS0", true, 0, 38400}, // what a pty says of itself
		{"ttyS0", true, 9600, 9600},
		{"hvc0", true, 0, 0},
		{"tty0", false, 0, 0},
	} {
		c.Name, c.Serial, c.Baud = test.name, test.serial, test.told
		tty, err := open(c)
		if err != nil {
			t.Fatal(err)
		}
		if got := tty.Baud(); got != test.want {
			t.Errorf("%+v: Baud = %d, want %d", test, got, test.want)
		}
		tty.file.Close()
	}
}

// TestInterrupt: neither a read nor a write to a line that takes nothing outlasts it, and closing
// does not wait for the line.
func TestInterrupt(t *testing.T) {
	_, _, c := newPty(t)
	tty, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() { _, err := tty.Read(make([]byte, 10)); ended <- err }()
	go func() {
		for {
			if _, err := tty.Write(make([]byte, 4096)); err != nil {
				ended <- err
				return
			}
		}
	}()
	time.AfterFunc(20*time.Millisecond, tty.Interrupt)
	for range 2 {
		select {
		case err := <-ended:
			if err == nil {
				t.Error("a read or write ended without an error")
			}
		case <-time.After(10 * time.Second):
			t.Fatal("a read or write goes on")
		}
	}
	begun := time.Now()
	tty.Close()
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("closing took %v", d)
	}
}

func TestPrint(t *testing.T) {
	master, _, c := newPty(t)
	if err := Print(c, "farewell\r\n", time.Second); err != nil {
		// The line is read below only: the text waits in it.
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, _ := master.Read(buf)
	if got := string(buf[:n]); !strings.HasPrefix(got, "farewell") {
		t.Errorf("printed %q", got)
	}
}

func TestRunShell(t *testing.T) {
	master, _, c := newPty(t)
	c.Width, c.Height = 100, 30
	out := make(chan string)
	go func() {
		var all strings.Builder
		buf := make([]byte, 1000)
		for {
			n, err := master.Read(buf)
			all.Write(buf[:n])
			if err != nil || strings.Contains(all.String(), "END") {
				out <- all.String()
				return
			}
		}
	}()
	// "ps" would be the other witness; the shell's own words need no package.
	script := "echo \"<$(tty) $TERM $(stty size)>\"; exec 3</dev/tty && echo controlling; echo END; exit 3"
	if err := RunShell(context.Background(), c, []string{"/bin/sh", "-c", script}); err != nil {
		t.Fatal(err)
	}
	got := <-out
	for _, want := range []string{"<" + c.Path + " vt100 30 100>", "controlling"} {
		if !strings.Contains(got, want) {
			t.Errorf("the shell says %q, want %q", got, want)
		}
	}
}

func TestShellThatIsNot(t *testing.T) {
	_, _, c := newPty(t)
	if err := RunShell(context.Background(), c, []string{"/nonexistent"}); err == nil {
		t.Error("a shell that is not there gives no error")
	}
}

func TestShellEndsWithItsContext(t *testing.T) {
	_, _, c := newPty(t)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := RunShell(ctx, c, []string{"/bin/sh", "-c", "sleep 1000"}); err != nil {
		t.Error(err)
	}
}
