package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is how often a lock that somebody holds is asked for again.
const lockPoll = 100 * time.Millisecond

// Lock takes the lock that whoever writes to a flash holds: flock on its block device, on its image
// file, or on the directory where there is neither. It ends with unlock, and with this process. While
// somebody else has it, waiting is called once, and Lock waits until ctx ends.
func Lock(ctx context.Context, name string, waiting func()) (unlock func(), err error) {
	f, err := lockFile(ctx, name, waiting)
	if err != nil {
		return nil, err
	}
	return func() { f.Close() }, nil
}

func lockFile(ctx context.Context, name string, waiting func()) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := lock(ctx, f, waiting); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return f, nil
}

// LockAll takes the locks of several names. Whoever takes several takes them in the same order, by their
// inodes, so that no two wait for each other; names of the same file are locked once.
func LockAll(ctx context.Context, names []string, waiting func(name string)) (unlock func(), err error) {
	held, err := LockFiles(ctx, names, waiting)
	if err != nil {
		return nil, err
	}
	return func() { closeAll(held) }, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// LockFiles is LockAll for who shares the locks with another process: each lasts until the last copy of
// its file is closed.
func LockFiles(ctx context.Context, names []string, waiting func(name string)) ([]*os.File, error) {
	type file struct {
		name     string
		dev, ino uint64
	}
	var files []file
	for _, name := range names {
		var st unix.Stat_t
		if err := unix.Stat(name, &st); err != nil {
			return nil, &os.PathError{Op: "lock", Path: name, Err: err}
		}
		files = append(files, file{name, uint64(st.Dev), st.Ino})
	}
	slices.SortStableFunc(files, func(a, b file) int { return cmp.Or(cmp.Compare(a.dev, b.dev), cmp.Compare(a.ino, b.ino)) })
	files = slices.CompactFunc(files, func(a, b file) bool { return a.dev == b.dev && a.ino == b.ino })
	var held []*os.File
	for _, f := range files {
		one, err := lockFile(ctx, f.name, func() { waiting(f.name) })
		if err != nil {
			closeAll(held)
			return nil, err
		}
		held = append(held, one)
	}
	return held, nil
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
