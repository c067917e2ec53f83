package logs

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// kmsgFile gives a record at each read, the oldest first.
const kmsgFile = "/dev/kmsg"

// maxRecord is more than the kernel gives in one read (CONSOLE_EXT_LOG_MAX, 8192).
const maxRecord = 16 << 10

// pollFor is how long a wait for the next record takes before it looks whether anybody still waits
// for it.
const pollFor = 250 // milliseconds

// Kernel gives the kernel's log from its oldest line on and then every new one, until ctx ends; then
// it closes the channel. Lines that the kernel overwrote before they were read are missing.
func Kernel(ctx context.Context) (<-chan Line, error) {
	fd, err := openKmsg()
	if err != nil {
		return nil, err
	}
	lines := make(chan Line, 64)
	go func() {
		defer close(lines)
		defer unix.Close(fd)
		buf := make([]byte, maxRecord)
		for ctx.Err() == nil {
			line, err := readRecord(fd, buf)
			switch {
			case errors.Is(err, unix.EAGAIN):
				_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, pollFor)
			case errors.Is(err, errNoRecord):
			case err != nil:
				return
			default:
				select {
				case lines <- line:
				case <-ctx.Done():
				}
			}
		}
	}()
	return lines, nil
}

// KernelNow gives what is in the kernel's log now, the oldest first.
func KernelNow() ([]Line, error) {
	fd, err := openKmsg()
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var lines []Line
	buf := make([]byte, maxRecord)
	for {
		line, err := readRecord(fd, buf)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return lines, nil
		case errors.Is(err, errNoRecord):
		case err != nil:
			return lines, err
		default:
			lines = append(lines, line)
		}
	}
}

func openKmsg() (int, error) {
	fd, err := unix.Open(kmsgFile, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", kmsgFile, err)
	}
	return fd, nil
}

// errNoRecord means that this read gave no line, and the next one may.
var errNoRecord = errors.New("no record")

// readRecord reads the next record; EAGAIN when there is none yet. EPIPE says that records were
// overwritten since the last read, and the next read continues after them.
func readRecord(fd int, buf []byte) (Line, error) {
	n, err := unix.Read(fd, buf)
	switch {
	case errors.Is(err, unix.EPIPE), errors.Is(err, unix.EINTR):
		return Line{}, errNoRecord
	case err != nil:
		return Line{}, fmt.Errorf("read %s: %w", kmsgFile, err)
	case n == 0:
		return Line{}, fmt.Errorf("read %s: end of file", kmsgFile)
	}
	line, err := parseRecord(string(buf[:n]))
	if err != nil {
		return Line{}, errNoRecord
	}
	return line, nil
}
