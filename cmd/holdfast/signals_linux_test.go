package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"holdfast/ops"
)

// until waits for what only a look at the machine can tell.
func until(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// screenText gathers what a terminal gets.
type screenText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screenText) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *screenText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// onTerminal starts a command on a terminal of its own.
func onTerminal(t *testing.T, name string, args ...string) (*exec.Cmd, *os.File, *screenText) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "TERM=xterm")
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	must(t, err)
	t.Cleanup(func() { master.Close() })
	text := &screenText{}
	go func() { _, _ = io.Copy(text, master) }()
	return cmd, master, text
}

func (s *screenText) wait(t *testing.T, text string) {
	t.Helper()
	until(t, fmt.Sprintf("%q on the terminal", text), func() bool { return strings.Contains(s.String(), text) })
}

// TestSignalGivesTerminalBack: whatever ends the console, its terminal is as it was. A shell keeps
// the terminal meanwhile, or its end would reset it.
func TestSignalGivesTerminalBack(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			shell, master, text := onTerminal(t, "/bin/sh", "-c", `"$0" console --demo; echo "ENDED $?"; read line`, made.binary)
			text.wait(t, "1.3.124")
			raw, err := unix.IoctlGetTermios(int(master.Fd()), unix.TCGETS)
			must(t, err)
			if raw.Lflag&unix.ECHO != 0 {
				t.Fatal("the console runs, and the terminal is not raw: this test sees nothing")
			}
			must(t, syscall.Kill(childOf(t, shell.Process.Pid), s))
			text.wait(t, "ENDED 1")
			after, err := unix.IoctlGetTermios(int(master.Fd()), unix.TCGETS)
			must(t, err)
			if after.Lflag&unix.ECHO == 0 || after.Lflag&unix.ICANON == 0 || after.Oflag&unix.OPOST == 0 {
				t.Errorf("the terminal is left with %+v", after)
			}
			_, err = master.WriteString("\n")
			must(t, err)
			must(t, shell.Wait())
		})
	}
}

// childOf is the only child of a process.
func childOf(t *testing.T, pid int) int {
	t.Helper()
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	must(t, err)
	child, err := strconv.Atoi(strings.TrimSpace(string(list)))
	must(t, err)
	return child
}

// TestInterruptAtTheQuestion: the interrupt key is a no.
func TestInterruptAtTheQuestion(t *testing.T) {
	cmd, master, text := onTerminal(t, made.binary, "boot", "active", "--flash", demoFlash(t))
	text.wait(t, "Type yes to")
	_, err := master.WriteString("\x03")
	must(t, err)
	text.wait(t, "holdfast: boot: interrupted")
	if got := exitCode(t, cmd); got != int(ops.NotConfirmed) {
		t.Errorf("exit %d, want %d", got, ops.NotConfirmed)
	}
}

// exitCode is how a command ends, -1 by a signal.
func exitCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	err := cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// begin starts the program without a terminal.
func begin(t *testing.T, args ...string) (*exec.Cmd, *screenText) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, made.binary, args...)
	text := &screenText{}
	cmd.Stdout, cmd.Stderr = text, text
	must(t, cmd.Start())
	return cmd, text
}

// TestNoTerminal: where there is none, the console says so.
func TestNoTerminal(t *testing.T) {
	cmd := exec.Command(made.binary, "console", "--demo")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != int(ops.Usage) || !strings.HasPrefix(string(out), "holdfast: console: there is no terminal here\nhint: ") {
		t.Errorf("exit %d, want %d: %s", code, ops.Usage, out)
	}
}

// TestInterruptReading: what reads an archive ends at the first signal. The archive takes hours.
func TestInterruptReading(t *testing.T) {
	dir := t.TempDir()
	zeros := filepath.Join(dir, "zeros")
	must(t, os.WriteFile(zeros, nil, 0o644))
	must(t, os.Truncate(zeros, 1<<40))
	for _, args := range [][]string{{"list", zeros}, {"check", zeros}, {"extract", zeros, filepath.Join(dir, "out")}} {
		cmd, text := begin(t, append([]string{"initramfs"}, args...)...)
		until(t, "the archive to be open", func() bool { return hasOpen(cmd.Process.Pid, zeros) })
		must(t, cmd.Process.Signal(os.Interrupt))
		if code := exitCode(t, cmd); code != 1 || !strings.Contains(text.String(), "interrupted") {
			t.Errorf("initramfs %s: exit %d: %s", args[0], code, text)
		}
	}
}

func hasOpen(pid int, file string) bool {
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, l := range links {
		if name, _ := os.Readlink(l); name == file {
			return true
		}
	}
	return false
}

// TestSecondInterrupt: what does not look at the first one is ended by the second.
func TestSecondInterrupt(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	must(t, syscall.Mkfifo(fifo, 0o600))
	cmd, text := begin(t, "disk", "create", "--kernel", made.kernel, "--console", fifo, "--default", "maintenance", "-o", filepath.Join(dir, "disk"))
	writer, err := os.OpenFile(fifo, os.O_WRONLY, 0) // waits for the reader
	must(t, err)
	defer writer.Close()
	done := make(chan int, 1)
	go func() { done <- exitCode(t, cmd) }()
	for end := time.After(20 * time.Second); ; {
		_ = cmd.Process.Signal(os.Interrupt) // two that come at once are one
		select {
		case code := <-done:
			if code != -1 {
				t.Errorf("exit %d, want the end by a signal: %s", code, text)
			}
			return
		case <-end:
			t.Fatal("interrupts do not end it")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestInterruptWriting: an interrupt in the middle leaves nothing behind, neither at the output nor
// among the temporary files.
func TestInterruptWriting(t *testing.T) {
	dir, temporary := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temporary)
	out := filepath.Join(dir, "out")
	for _, args := range [][]string{
		{"initramfs", "create", "--kernel-modules", made.modules, "--module", "vfat", "--busybox", busybox, "--compress", "xz", "-o", out},
		{"disk", "create", "--kernel", made.kernel, "--console", made.console, "--default", "maintenance", "-o", out},
	} {
		cmd, text := begin(t, args...)
		until(t, "the unfinished file", func() bool {
			files, _ := filepath.Glob(filepath.Join(dir, ".out.*"))
			return len(files) == 1
		})
		must(t, cmd.Process.Signal(os.Interrupt))
		if code := exitCode(t, cmd); code != 1 || !strings.Contains(text.String(), "interrupted; nothing is left half done") {
			t.Errorf("%s: exit %d: %s", args[0], code, text)
		}
		for _, d := range []string{dir, temporary} {
			if left, _ := os.ReadDir(d); len(left) != 0 {
				t.Errorf("%s %s left %v", args[0], args[1], left)
			}
		}
	}
}
