package kexec

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"slices"

	ukexec "github.com/u-root/u-root/pkg/boot/kexec"
	ulinux "github.com/u-root/u-root/pkg/boot/linux"
	"golang.org/x/sys/unix"
)

// Method is a way to load a kernel.
type Method int

// The methods, in the order in which they are tried.
const (
	KexecFileLoad Method = iota + 1 // the running kernel reads the files itself
	KexecLoad                       // the kernel is unpacked and laid out here; for kernels without the other
)

// String is the name of the system call.
func (m Method) String() string {
	switch m {
	case KexecFileLoad:
		return "kexec_file_load"
	case KexecLoad:
		return "kexec_load"
	}
	return "none"
}

// Load loads kernel, a bzImage, with initrd, nil for none, as the one that Jump starts, and says how.
// commandLine is CommandLine.String. The caller has checked all three: Load knows only what the
// running kernel says.
//
// kexec_file_load is tried first. Where it is missing, forbidden, busy or does not know the file, the
// same is done by kexec_load, which needs /sys mounted (kernel/boot_params/data and firmware/memmap;
// proc is not needed) and memory: 260 MB at its peak for Debian's kernel of 14 MB. The error holds the
// reasons of both. Nothing stays loaded after an error, not even a kernel loaded before.
//
// For the time of the call the standard logger is silent: u-root logs to it, and so to the screen.
func Load(kernel, initrd *os.File, commandLine string) (Method, error) {
	defer log.SetOutput(log.Writer())
	log.SetOutput(io.Discard)

	method, err := load(kernel, initrd, commandLine,
		loader{KexecFileLoad, ukexec.FileLoad},
		loader{KexecLoad, loadSegments})
	if err != nil {
		_ = Unload() // where even this is refused nothing was loaded
	}
	return method, err
}

// loader is a method and its system call.
type loader struct {
	method Method
	load   func(kernel, initrd *os.File, commandLine string) error
}

// load tries first, and then second when the reason may be one that it does not have.
func load(kernel, initrd *os.File, commandLine string, first, second loader) (Method, error) {
	err := first.load(kernel, initrd, commandLine)
	if err == nil {
		return first.method, nil
	}
	err = explain(first.method, err)
	if !anotherMayDo(err) {
		return 0, fmt.Errorf("load kernel: %w", err)
	}
	err2 := second.load(kernel, initrd, commandLine)
	if err2 == nil {
		return second.method, nil
	}
	return 0, fmt.Errorf("load kernel: %w; %w", err, explain(second.method, err2))
}

func anotherMayDo(err error) bool {
	return slices.ContainsFunc([]error{unix.ENOSYS, unix.EPERM, unix.EBUSY, unix.ENOEXEC},
		func(target error) bool { return errors.Is(err, target) })
}

// explain says in plain words why a method did not load. u-root's errors from the system calls carry
// the whole command line, or every segment's address.
func explain(m Method, err error) error {
	var refused ukexec.ErrKexec
	if errors.As(err, &refused) {
		err = refused.Errno
	}
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return fmt.Errorf("%s: %w", m, err)
	}
	switch errno {
	case unix.ENOSYS:
		return fmt.Errorf("%s: this kernel is built without it (%w)", m, errno)
	case unix.EPERM:
		return fmt.Errorf("%s: not allowed: not root, or locked by kexec_load_disabled or lockdown (%w)", m, errno)
	case unix.EBUSY:
		return fmt.Errorf("%s: another load is under way (%w)", m, errno)
	case unix.ENOEXEC:
		return fmt.Errorf("%s: not a kernel that this one can start (%w)", m, errno)
	}
	return fmt.Errorf("%s: %w", m, errno)
}

// loadSegments is kexec_load. u-root unpacks the kernel for it and trusts what the header says.
func loadSegments(kernel, initrd *os.File, commandLine string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("damaged kernel: %v", r)
		}
	}()
	return ulinux.KexecLoad(kernel, initrd, commandLine, nil, nil)
}

// Unload forgets the loaded kernel, if any.
func Unload() error {
	err := unix.KexecFileLoad(-1, -1, "", unix.KEXEC_FILE_UNLOAD)
	if err == nil {
		return nil
	}
	// kexec_load of no segments unloads too, whatever loaded the kernel.
	if _, _, errno := unix.Syscall6(unix.SYS_KEXEC_LOAD, 0, 0, 0, 0, 0, 0); errno == 0 {
		return nil
	}
	return fmt.Errorf("unload kernel: %w", err)
}

// Jump starts the loaded kernel at once: nothing is written back, unmounted or stopped. It returns
// only when it could not, as with nothing loaded.
func Jump() error {
	return fmt.Errorf("start the loaded kernel: %w", unix.Reboot(unix.LINUX_REBOOT_CMD_KEXEC))
}
