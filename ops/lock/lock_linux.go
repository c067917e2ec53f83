package lock

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// lockKey is how /proc/locks names a file (lock_get_status in fs/locks.c).
func lockKey(name string) (string, error) {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return "", err
	}
	return fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino), nil
}
