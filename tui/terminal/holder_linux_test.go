package terminal

import (
	"os"
	"os/exec"
	"strconv"
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

// TestHolder: a terminal that another session has is told from one that nobody has.
func TestHolder(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	var st unix.Stat_t
	if err := unix.Stat(slave.Name(), &st); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("cat")
	shell.Stdin, shell.Stdout = slave, slave
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	pid := shell.Process.Pid
	own, _ := unix.Getsid(0)
	pids := []string{"1", strconv.Itoa(os.Getpid()), strconv.Itoa(pid)}
	if got := holder(st.Rdev, own, pids); got != pid {
		t.Errorf("holder = %d, want %d", got, pid)
	}
	if got := holder(st.Rdev, pid, pids); got != 0 {
		t.Errorf("holder for its own session = %d, want none", got)
	}
	if err := shell.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = shell.Wait()
	if got := holder(st.Rdev, own, pids); got != 0 {
		t.Errorf("holder after its end = %d, want none", got)
	}
}
