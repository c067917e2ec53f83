package tui

import (
	"time"

	"golang.org/x/sys/unix"
)

// uptime is the time since the kernel started, as its own log counts it.
func uptime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
