package pid1

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"holdfast/tui/terminal"
)

// reaping makes children that reap themselves, and this process the parent of orphans, as PID 1 is.
func reaping(t *testing.T) *children {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	c := newChildren()
	child := make(chan os.Signal, 1)
	signal.Notify(child, syscall.SIGCHLD)
	go func() {
		for range child {
			c.reap()
		}
	}()
	t.Cleanup(func() {
		signal.Stop(child)
		close(child)
		unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	})
	return c
}

func TestChildren(t *testing.T) {
	c := reaping(t)
	for _, test := range []struct{ script, want string }{
		{"exit 0", "exit status 0"},
		{"exit 70", "exit status 70"},
		{"kill -SEGV $$", "killed by: segmentation fault"},
	} {
		_, done, err := c.start("/bin/sh", []string{"sh", "-c", test.script}, &syscall.ProcAttr{})
		if err != nil {
			t.Fatal(err)
		}
		if got := (<-done).String(); got != test.want {
			t.Errorf("sh -c %q: %q, want %q", test.script, got, test.want)
		}
	}
	if _, _, err := c.start("/no/such/program", nil, &syscall.ProcAttr{}); err == nil {
		t.Error("start of a program that is not there: no error")
	}
	if !c.idle() {
		t.Error("all ended, but idle() = false")
	}
}

// TestOrphans leaves a process without its parent, and takes its end.
func TestOrphans(t *testing.T) {
	c := reaping(t)
	gate, open, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	said, say, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_, done, err := c.start("/bin/sh", []string{"sh", "-c", "(sh -c 'echo $$; read line' <&3 &); exit 3"},
		&syscall.ProcAttr{Files: []uintptr{0, say.Fd(), 2, gate.Fd()}})
	if err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.code() != 3 {
		t.Errorf("the parent: %v, want exit status 3", got)
	}
	var orphan int
	if _, err := fmt.Fscan(said, &orphan); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(orphan, 0); err != nil {
		t.Fatalf("the orphan is gone before its time: %v", err)
	}
	open.Close()
	for end := time.Now().Add(10 * time.Second); syscall.Kill(orphan, 0) == nil; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("the orphan remains")
		}
	}
}

// TestStopAll would end the machine it runs on if stopAll did not look who it is.
func TestStopAll(t *testing.T) {
	c := reaping(t)
	pid, done, err := c.start("/bin/sleep", []string{"sleep", "60"}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true}})
	if err != nil {
		t.Fatal(err)
	}
	c.stopAll(time.Millisecond)
	if c.idle() {
		t.Error("stopAll ended a process though this is not PID 1")
	}
	c.signal(pid, syscall.SIGTERM)
	if got := (<-done).String(); got != "killed by: terminated" {
		t.Errorf("sleep: %q", got)
	}
	c.signal(pid, syscall.SIGKILL) // too late, and nobody else's process
}

// TestStartOn starts a program on a terminal that was left raw: it has it as its own, by lines.
func TestStartOn(t *testing.T) {
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	raw, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	raw.Iflag, raw.Oflag, raw.Lflag = unix.IGNCR, 0, 0
	if err := unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, raw); err != nil {
		t.Fatal(err)
	}
	p := &process{children: reaping(t), log: kernelLog{io.Discard}}
	h, err := p.startOn(strings.TrimPrefix(tty.Name(), "/dev/"), "/bin/sh",
		[]string{"sh", "-c", "read line </dev/tty; echo got $line; stty -a | grep -o '[-]*icrnl\\|[-]*icanon\\|[-]*onlcr'"},
		os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	tty.Close()
	master.Write([]byte("wrong\x7f\x7f\x7f\x7f\x7fright\r"))
	var out strings.Builder
	io.Copy(&out, master) // until the terminal is closed
	if got := <-h.done; got.code() != 0 {
		t.Errorf("sh: %v", got)
	}
	for _, want := range []string{"got right\r\n", "\nicrnl\r\n", "\nonlcr\r\n", "\nicanon\r\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the terminal got %q, without %q", out.String(), want)
		}
	}
}

// TestMenuHere is the last resort: the menu without a process of its own.
func TestMenuHere(t *testing.T) {
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	name := strings.TrimPrefix(tty.Name(), "/dev/")
	p := &process{log: kernelLog{io.Discard}, version: "test"}
	for _, c := range []struct {
		name string
		end  func(h handle)
		want int
	}{
		{"chosen", func(handle) { master.Write([]byte("3\ryes\r")) }, 70},
		{"stopped", func(h handle) { h.stop() }, 0},
	} {
		h, err := p.menuHere(name)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, master, "Number, or Enter for the menu: ")
		c.end(h)
		if got := (<-h.done).code(); got != c.want {
			t.Errorf("%s: the menu ended with %d, want %d", c.name, got, c.want)
		}
	}
	tty.Close()
}

// TestWipe: what PID 1 starts first on a terminal that the console had finds it empty, and only that.
func TestWipe(t *testing.T) {
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	name := strings.TrimPrefix(tty.Name(), "/dev/")
	p := &process{children: reaping(t), log: kernelLog{io.Discard}}
	run := func(text string) {
		h, err := p.startOn(name, "/bin/echo", []string{"echo", text}, nil)
		if err != nil {
			t.Fatal(err)
		}
		<-h.done
	}
	run("a shell")
	p.wiped = map[string]bool{} // as the console's start leaves it
	run("menu")
	run("menu again")
	tty.Close()
	out, _ := io.ReadAll(master)
	if want := "a shell\r\n" + terminal.Reset + terminal.Clear + "menu\r\nmenu again\r\n"; string(out) != want {
		t.Errorf("the terminal got %q, want %q", out, want)
	}
}

func expect(t *testing.T, r io.Reader, text string) {
	t.Helper()
	var all strings.Builder
	buf := make([]byte, 1024)
	for !strings.Contains(all.String(), text) {
		n, err := r.Read(buf)
		all.Write(buf[:n])
		if err != nil {
			t.Fatalf("%v after %q, waiting for %q", err, all.String(), text)
		}
	}
}
