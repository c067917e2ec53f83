package output

import "golang.org/x/sys/unix"

// writable asks the kernel whether files can be made in dir: its permissions and its mount.
func writable(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }
