package lock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"holdfast/ops"
)

// waiter is a Reporter that ends somebody's work when it is told that we wait for it.
type waiter struct {
	said []string
	end  func()
}

func (*waiter) Progress(ops.Progress) {}

func (w *waiter) Log(line string) {
	w.said = append(w.said, line)
	w.end()
}

// TestTake has another program hold the lock: it is named, waited for, or not waited for.
func TestTake(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("flock"); err != nil {
		t.Fatal("flock is missing: apt-get install util-linux")
	}
	cmd := exec.Command("flock", "-x", "-o", name, "sh", "-c", "echo locked; cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	by := fmt.Sprintf("%s: flock (pid %d) is at work there", name, cmd.Process.Pid)

	if files, err := Take(t.Context(), []string{name}, true, ops.Discard); files != nil || ops.ExitCode(err) != int(ops.Refused) || err.Error() != by {
		t.Errorf("Take without waiting = %v, want %q", err, by)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := Take(ctx, []string{name}, false, &waiter{end: cancel}); !errors.Is(err, context.Canceled) {
		t.Errorf("Take, cancelled while it waits = %v", err)
	}
	w := &waiter{end: func() { in.Close() }}
	files, err := Take(t.Context(), []string{name}, false, w)
	if err != nil || len(files) != 1 || len(w.said) != 1 || w.said[0] != "waiting for "+by {
		t.Errorf("Take = %v, %v, said %q", files, err, w.said)
	}
	for _, f := range files {
		f.Close()
	}
	if _, err := Take(t.Context(), []string{name + ".none"}, false, ops.Discard); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Take of nothing = %v", err)
	}
}
