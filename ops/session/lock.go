package session

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"holdfast/flash/store"
	"holdfast/flash/volume"
	"holdfast/ops"
	"holdfast/ops/grubdefault"
	"holdfast/ops/status"
)

// grace is how long somebody may hold a lock although we do not wait: udev takes it for moments when
// a device appears.
const grace = 500 * time.Millisecond

// lockNames are those that a change of the boot default locks: both kinds of operations exclude each
// other, and those for flashes that share a saved default.
func lockNames(t status.Target) []string { return grubdefault.LockNames(t) }

func lockName(v *volume.Volume) string { return cmp.Or(v.Device, v.Disk, v.Dir) }

// errHeld ends a wait that nobody asked for.
var errHeld = errors.New("another holdfast is at work there")

// lock takes locks until the session ends.
func (s *Session) lock(ctx context.Context, names []string, noWait bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	by := ""
	unlock, err := store.LockAll(ctx, names, func(name string) {
		by = name + ": " + holder(name)
		if noWait {
			time.AfterFunc(grace, func() { cancel(errHeld) })
			return
		}
		s.rep.Log("waiting for " + by)
	})
	switch {
	case err == nil:
		s.undo = append(s.undo, func() error { unlock(); return nil })
		return nil
	case errors.Is(context.Cause(ctx), errHeld):
		return &ops.Error{Kind: ops.Refused, Err: errors.New(by), Hint: "try again when it is done, or without --no-wait"}
	case ctx.Err() != nil:
		return fmt.Errorf("waiting for %s: %w", by, ctx.Err())
	}
	return &ops.Error{Kind: kindOf(err), Err: err}
}

// holder says who holds the lock on a device or file, as far as /proc tells.
func holder(name string) string {
	pid := lockedBy(name)
	if pid == "" {
		return "another holdfast is at work there"
	}
	comm, _ := os.ReadFile("/proc/" + pid + "/comm")
	if program := strings.TrimSpace(string(comm)); program != "" && program != "holdfast" && program != "init" && pid != fmt.Sprint(os.Getpid()) {
		return fmt.Sprintf("%s (pid %s) is at work there", program, pid)
	}
	return fmt.Sprintf("another holdfast is at work there (pid %s)", pid)
}

// lockedBy is the process that holds a lock by flock, "" when that is not known. A line of /proc/locks
// (Documentation/filesystems/locks.rst): number, FLOCK, ADVISORY, WRITE, pid, device and inode, range.
func lockedBy(name string) string {
	key, err := lockKey(name)
	if err != nil {
		return ""
	}
	f, err := os.Open("/proc/locks")
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		w := strings.Fields(lines.Text())
		if len(w) >= 6 && w[1] == "FLOCK" && w[5] == key {
			return w[4]
		}
	}
	return ""
}
