package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is how often a lock that somebody holds is asked for again.
const lockPoll = 100 * time.Millisecond

// Lock takes the lock that whoever writes to a flash holds: flock on its block device, on its image
// file, or on the directory where there is neither. It ends with unlock, and with this process. While
// somebody else has it, waiting is called once, and Lock waits until ctx ends.
func Lock(ctx context.Context, name string, waiting func()) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := lock(ctx, f, waiting); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return func() { f.Close() }, nil
}

func lock(ctx context.Context, f *os.File, waiting func()) error {
	try := func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
	err := try()
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return err
	}
	waiting()
	again := time.NewTicker(lockPoll)
	defer again.Stop()
	for errors.Is(err, unix.EWOULDBLOCK) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
			err = try()
		}
	}
	return err
}
