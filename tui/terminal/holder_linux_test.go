package terminal

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

func TestParseStat(t *testing.T) {
	tests := []struct {
		text              string
		pid, session, tty int
	}{
		{"84 (sh) S 83 84 84 1088 90 0", 84, 84, 1088},
		{"84 (a ) R 1 2) S 83 84 84 1025 90 0", 84, 84, 1025},
		{"84 (sh) Z 83 84 84 1088 90 0", 0, 0, 0},
		{"84 (sh) S 83", 0, 0, 0},
		{"", 0, 0, 0},
	}
	for _, tt := range tests {
		if pid, session, tty := parseStat([]byte(tt.text)); pid != tt.pid || session != tt.session || tty != tt.tty {
			t.Errorf("parseStat(%q) = %d, %d, %d", tt.text, pid, session, tty)
		}
	}
	if got := ttyNumber(unix.Mkdev(136, 260)); got != 136<<8|4|1<<20 {
		t.Errorf("ttyNumber(136:260) = %#x", got)
	}
}

// TestOpenLeavesAShellAlone: a console that another session has is not taken, and is when that ends.
func TestOpenLeavesAShellAlone(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	console := Console{Name: "pts", Path: slave.Name(), Serial: true, Term: "vt100"}

	shell := exec.Command("cat")
	shell.Stdin, shell.Stdout = slave, slave
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	var held *HeldError
	if tty, err := Open(console); !errors.As(err, &held) || held.Pid != shell.Process.Pid {
		t.Errorf("Open = %v, %v; want HeldError for process %d", tty, err, shell.Process.Pid)
	}
	if err := shell.Process.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	shell.Wait()
	tty, err := Open(console)
	if err != nil {
		t.Fatalf("Open after the shell's end: %v", err)
	}
	if err := tty.Close(); err != nil {
		t.Error(err)
	}
}
