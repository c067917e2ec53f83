package pid1

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"holdfast/cmd/holdfast/stage"

	"golang.org/x/sys/unix"
)

// keepCtrlAltDel makes Ctrl-Alt-Del a signal to PID 1 instead of a reset without sync.
func keepCtrlAltDel() []error {
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF); err != nil {
		return []error{fmt.Errorf("take over Ctrl-Alt-Del: %w", err)}
	}
	return nil
}

// standBack gives the calling goroutine a thread of its own, with less of the processor.
func standBack(steps int, log kernelLog) {
	runtime.LockOSThread() // for good: the thread ends with the goroutine
	if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), steps); err != nil {
		log.printf("stand back: %v", err)
	}
}

// openKernelLog opens the kernel's log for our messages, and makes it standard output and error
// too: a runtime's last words must not go across a screen.
func openKernelLog() kernelLog {
	// The kernel lets a program write ten lines in five seconds unless told otherwise.
	_ = os.WriteFile("/proc/sys/kernel/printk_devkmsg", []byte("on\n"), 0)
	if null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil {
		_ = unix.Dup3(null, 0, 0)
		unix.Close(null)
	}
	f, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	if err != nil {
		return kernelLog{io.Discard}
	}
	for _, fd := range []int{1, 2} {
		_ = unix.Dup3(int(f.Fd()), fd, 0)
	}
	return kernelLog{f}
}

// quietKernel keeps the kernel's messages off the consoles, and gives its log levels as they were.
func quietKernel() string {
	levels, err := stage.Levels()
	if err != nil || stage.Quiet() != nil {
		return ""
	}
	return levels
}

// endGrace is how long a process that is asked to end at the end of the stage may take.
const endGrace = time.Second

// end ends the stage: processes, data, mounts, machine. It returns when the kernel does not do it.
func (p *process) end(e ending) error {
	p.children.stopAll(endGrace)
	if err := stage.Sync(); err != nil {
		p.log.printf("%v: going on without", err)
	}
	mounts := p.board.get().Mounts
	for i := len(mounts) - 1; i >= 0; i-- {
		if err := mounts[i].Unmount(); err != nil {
			p.log.printf("%v", err)
		}
	}
	commands := map[ending]int{
		reboot:   unix.LINUX_REBOOT_CMD_RESTART,
		powerOff: unix.LINUX_REBOOT_CMD_POWER_OFF,
		halt:     unix.LINUX_REBOOT_CMD_HALT,
	}
	if err := unix.Reboot(commands[e]); err != nil {
		return err
	}
	return errors.New("the kernel did not do it")
}
