package access

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// page is what the kernel caches of a file as one.
const page = 4096

// attach makes a loop device of a part of a file, exactly: nothing beside it can be written through
// it. It goes with its last user. (Partitions of a loop device over all of the file would have no
// nodes on many machines.)
func attach(file string, start, size int64) (*os.File, error) {
	backing, err := os.OpenFile(file, os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer backing.Close()
	config := unix.LoopConfig{Fd: uint32(backing.Fd()), Info: unix.LoopInfo64{
		Offset: uint64(start), Sizelimit: uint64(size), Flags: unix.LO_FLAGS_AUTOCLEAR,
	}}
	// Past the page cache nothing is in memory twice. But a page that is in two partitions must not be
	// written by both ways.
	if start%page == 0 && size%page == 0 {
		config.Info.Flags |= unix.LO_FLAGS_DIRECT_IO
	}
	copy(config.Info.File_name[:len(config.Info.File_name)-1], file)
	for {
		loop, err := freeLoop()
		if err != nil {
			return nil, err
		}
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &config)
		if err == nil {
			if err = unix.IoctlSetPointerInt(int(loop.Fd()), unix.BLKROSET, 0); err == nil { // a mark of the file before it may be left
				return loop, nil
			}
		}
		loop.Close()
		if !errors.Is(err, unix.EBUSY) { // else somebody else was faster
			return nil, fmt.Errorf("attach %s to %s: %w", file, loop.Name(), err)
		}
	}
}

// freeLoop opens a loop device that is attached to nothing.
func freeLoop() (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("loop device: %w", err)
	}
	defer control.Close()
	n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return nil, fmt.Errorf("find a free loop device: %w", err)
	}
	return os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDWR|unix.O_CLOEXEC, 0)
}
