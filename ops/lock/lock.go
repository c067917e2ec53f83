// Package lock waits for the locks on a flash, and says for whom: every operation that writes to a flash,
// or to what holds its saved boot default, takes them first.
package lock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"holdfast/flash/store"
	"holdfast/ops"
)

// grace is how long somebody may hold a lock although we do not wait: udev takes it for moments when
// a device appears.
const grace = 500 * time.Millisecond

// errHeld ends a wait that nobody asked for.
var errHeld = errors.New("held")

// Take takes the locks of devices, image files or directories. They end when the files are closed, by
// every process that has them. For whom it waits is told to rep; with noWait it does not wait, and the
// error is of kind Refused.
func Take(ctx context.Context, names []string, noWait bool, rep ops.Reporter) ([]*os.File, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	by := ""
	files, err := store.LockFiles(ctx, names, func(name string) {
		by = name + ": " + holder(name)
		if noWait {
			time.AfterFunc(grace, func() { cancel(errHeld) })
			return
		}
		rep.Log("waiting for " + by)
	})
	switch {
	case err == nil:
		return files, nil
	case errors.Is(context.Cause(ctx), errHeld):
		return nil, &ops.Error{Kind: ops.Refused, Err: errors.New(by), Hint: "try again when it is done, or without --no-wait"}
	case ctx.Err() != nil:
		return nil, fmt.Errorf("waiting for %s: %w", by, ctx.Err())
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EBUSY):
		return nil, &ops.Error{Kind: ops.NotWritable, Err: err, Hint: "run this as root"}
	}
	return nil, &ops.Error{Kind: ops.Internal, Err: err}
}

// holder says who holds the lock on a device or file, as far as /proc tells.
func holder(name string) string {
	pid := lockedBy(name)
	if pid == "" {
		return "another holdfast is at work there"
	}
	comm, _ := os.ReadFile("/proc/" + pid + "/comm")
	own, _ := os.ReadFile("/proc/self/comm")
	if program := strings.TrimSpace(string(comm)); program != "" && program != "holdfast" && program != strings.TrimSpace(string(own)) {
		return fmt.Sprintf("%s (pid %s) is at work there", program, pid)
	}
	return fmt.Sprintf("another holdfast is at work there (pid %s)", pid)
}

// lockedBy is the process that took a lock by flock, "" when that is not known. A line of /proc/locks
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
