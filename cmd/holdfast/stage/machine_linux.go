package stage

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"holdfast/kexec"
	"holdfast/ops/boot"

	"golang.org/x/sys/unix"
)

// printk holds the kernel's log levels, of which the first says what goes to the consoles.
const printk = "/proc/sys/kernel/printk"

// Machine is the stage's machine as a boot needs it. It knows nothing of terminals: who has some
// must give them back, and show the plan there, around its Release.
type Machine struct{}

var _ boot.Machine = Machine{}

// Load loads by package kexec.
func (Machine) Load(kernel, initrd *os.File, commandLine string) (kexec.Method, error) {
	return kexec.Load(kernel, initrd, commandLine)
}

// Unload unloads by package kexec.
func (Machine) Unload() error { return kexec.Unload() }

// Jump jumps by package kexec.
func (Machine) Jump() error { return kexec.Jump() }

// Release syncs, unmounts what PID 1 mounted, the last first, and lets the kernel speak again as it
// did before the stage. restore mounts as before and quiets the kernel.
func (Machine) Release(boot.Plan) (restore func() error, err error) {
	info, err := Read()
	if err != nil {
		return func() error { return nil }, fmt.Errorf("what is mounted: %w", err)
	}
	var undone []Mount // the last one first
	restore = func() error { return errors.Join(Quiet(), remount(undone)) }
	_ = Sync() // a disk that does not answer must not keep the machine from another system
	for i := len(info.Mounts) - 1; i >= 0; i-- {
		if err := info.Mounts[i].Unmount(); err != nil {
			return restore, err
		}
		undone = append(undone, info.Mounts[i])
	}
	if info.Printk == "" {
		return restore, nil
	}
	return restore, os.WriteFile(printk, []byte(info.Printk+"\n"), 0)
}

// remount mounts again what was unmounted, in the opposite order, and says what is not there any more.
func remount(undone []Mount) error {
	var errs []error
	for i := len(undone) - 1; i >= 0; i-- {
		if err := undone[i].Mount(); err != nil {
			errs = append(errs, fmt.Errorf("not mounted again: %w", err))
		}
	}
	return errors.Join(errs...)
}

// syncFor is how long Sync waits.
const syncFor = 10 * time.Second

// Sync writes back what is not on the disks yet. It is an error when that takes too long; it goes on
// then, and nobody waits for it.
func Sync() error { return within(syncFor, unix.Sync) }

func within(limit time.Duration, f func()) error {
	done := make(chan struct{})
	go func() { f(); close(done) }()
	select {
	case <-done:
		return nil
	case <-time.After(limit):
		return fmt.Errorf("sync takes longer than %v", limit)
	}
}

// Quiet keeps the kernel's messages off the consoles, all but the last words of a panic.
func Quiet() error { return os.WriteFile(printk, []byte("1\n"), 0) }

// Levels gives the kernel's log levels as they are.
func Levels() (string, error) {
	b, err := os.ReadFile(printk)
	return strings.TrimSpace(string(b)), err
}
