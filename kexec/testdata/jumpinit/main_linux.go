// Command jumpinit is the /init of both kernels of TestJump. The first one, told how by
// test.load= on its command line, loads /kernel with /initrd and jumps; the second one prints its
// command line, with what the kernel made of it, and powers off. Every line it prints begins with "init: ".
package main

import (
	"fmt"
	"os"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"holdfast/kexec"
)

func main() {
	err := run()
	fmt.Println("init: end:", err)
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func run() error {
	for _, m := range []struct{ fs, dir string }{{"proc", "/proc"}, {"sysfs", "/sys"}} {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.fs, m.dir, m.fs, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	switch text := string(line); {
	case strings.Contains(text, "test.second"):
		fmt.Printf("init: second kernel: %s\n", strings.TrimSpace(text))
		fmt.Printf("init: arguments %q, marker %q, odd %q\n", os.Args[1:], os.Getenv("marker"), os.Getenv("odd"))
		return nil
	case strings.Contains(text, "test.load=kexec_load"):
		return jumpBySegments()
	}
	return jumpByFile()
}

// jumpByFile also shows that a load that fails leaves nothing to jump to, not even what was loaded.
func jumpByFile() error {
	if err := os.WriteFile("/text", []byte("hello\n"), 0o644); err != nil {
		return err
	}
	load("/kernel")
	load("/text")
	fmt.Println("init: jump:", kexec.Jump())
	load("/kernel")
	return kexec.Jump()
}

func jumpBySegments() error {
	if err := forbid(unix.SYS_KEXEC_FILE_LOAD, unix.EPERM); err != nil {
		return err
	}
	load("/kernel")
	return kexec.Jump()
}

func load(path string) {
	kernel, err := os.Open(path)
	if err != nil {
		fmt.Println("init:", err)
		return
	}
	initrd, err := os.Open("/initrd")
	if err != nil {
		fmt.Println("init:", err)
		return
	}
	start := time.Now()
	fmt.Println("init: load", path)
	method, err := kexec.Load(kernel, initrd, `console=ttyS0 quiet loglevel=0 panic=-1 test.second marker="one two" "odd=a b" bare -- "for init" img=x`)
	fmt.Printf("init: loaded by %s: %v\n", method, err)
	fmt.Printf("init: took %.1f s, %s\n", time.Since(start).Seconds(), peakMemory())
	report()
}

func report() {
	loaded, err := os.ReadFile("/sys/kernel/kexec_loaded")
	fmt.Printf("init: kexec_loaded %s %v\n", strings.TrimSpace(string(loaded)), err)
}

// peakMemory is the VmHWM line of this process.
func peakMemory() string {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM") {
			return strings.Join(strings.Fields(line), " ")
		}
	}
	return "VmHWM unknown"
}

// forbid makes a system call fail with errno in this whole process, as a locked down kernel would.
func forbid(call uint32, errno unix.Errno) error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, err := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if err != 0 {
		return fmt.Errorf("seccomp: %w", err)
	}
	return nil
}
