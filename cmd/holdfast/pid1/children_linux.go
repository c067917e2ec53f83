package pid1

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// outcome is how a process ended, or why it did not start.
type outcome struct {
	wait syscall.WaitStatus
	err  error // it never ran
}

// code is the exit status, -1 when there is none.
func (s outcome) code() int {
	if s.err != nil {
		return -1
	}
	return s.wait.ExitStatus()
}

func (s outcome) String() string {
	switch {
	case s.err != nil:
		return s.err.Error()
	case s.wait.Signaled():
		return "killed by: " + s.wait.Signal().String()
	}
	return fmt.Sprintf("exit status %d", s.wait.ExitStatus())
}

// exited is the status of one who ended by himself.
func exited(code int) outcome { return outcome{wait: syscall.WaitStatus(code << 8)} }

// children is the only place that waits: wait4(-1) takes every child's outcome, also those that a
// Wait elsewhere would be waiting for, so there must be no Wait elsewhere.
type children struct {
	mu      sync.Mutex
	waiting map[int]chan outcome
}

func newChildren() *children { return &children{waiting: map[int]chan outcome{}} }

// start starts a program; done gives its status once.
func (c *children) start(path string, argv []string, attr *syscall.ProcAttr) (pid int, done <-chan outcome, err error) {
	// A child may end before its number is noted here; reap has to wait until it is.
	c.mu.Lock()
	defer c.mu.Unlock()
	pid, err = syscall.ForkExec(path, argv, attr)
	if err != nil {
		return 0, nil, fmt.Errorf("start %s: %w", path, err)
	}
	ended := make(chan outcome, 1)
	c.waiting[pid] = ended
	return pid, ended, nil
}

// reap takes the status of every child that has ended, orphans included.
func (c *children) reap() {
	for {
		c.mu.Lock()
		var w syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &w, syscall.WNOHANG, nil)
		if ended, ok := c.waiting[pid]; ok && pid > 0 {
			delete(c.waiting, pid)
			ended <- outcome{wait: w}
		}
		c.mu.Unlock()
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
	}
}

// idle reports whether all started children have ended.
func (c *children) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting) == 0
}

// stopAll ends every process but this one: asked first, told after the grace. Only PID 1 may do
// that: on a host everything would be everything.
func (c *children) stopAll(grace time.Duration) {
	if syscall.Getpid() != 1 {
		return
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := syscall.Kill(-1, sig); err != nil {
			return // there is nobody
		}
		for end := time.Now().Add(grace); !c.idle() && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
			c.reap()
		}
	}
}

// signal sends a signal to the process group of a child of ours, if it still runs. (The number of
// one that was waited for may be somebody else's by now.)
func (c *children) signal(pid int, sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.waiting[pid]; ok {
		_ = syscall.Kill(-pid, sig)
	}
}
