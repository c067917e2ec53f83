package terminal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// HeldError says that somebody else's session has the console: a shell that outlived the console it
// was started from. Two readers on one line would each get half of what is typed.
type HeldError struct{ Pid int }

func (e *HeldError) Error() string { return fmt.Sprintf("in use by process %d", e.Pid) }

// checkHeld gives a *HeldError when a session other than ours has the terminal fd for its own.
func checkHeld(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	number := foreground(st.Rdev)
	own, _ := unix.Getsid(0)
	if pid := holder(number, own, candidates()); pid != 0 {
		return &HeldError{Pid: pid}
	}
	return nil
}

// holder is a process of another session than own with that terminal, 0 when there is none.
func holder(device uint64, own int, pids []string) int {
	for _, p := range pids {
		text, err := os.ReadFile(filepath.Join("/proc", p, "stat"))
		if err != nil {
			continue // it has ended
		}
		if pid, session, tty := parseStat(text); pid != 0 && session != own && tty == ttyNumber(device) {
			return pid
		}
	}
	return 0
}

// candidates are the processes that may have a console: the children of PID 1, to which a shell is
// left when its console process ends. To look at every process would make the first frame late.
func candidates() []string {
	var pids []string
	files, _ := filepath.Glob("/proc/1/task/*/children")
	for _, name := range files {
		text, _ := os.ReadFile(name)
		pids = append(pids, strings.Fields(string(text))...)
	}
	if files == nil { // a kernel without CONFIG_PROC_CHILDREN
		all, _ := filepath.Glob("/proc/[0-9]*")
		for _, name := range all {
			pids = append(pids, filepath.Base(name))
		}
	}
	return pids
}

// foreground is the device behind tty0, which stands for the virtual terminal in front; others are
// themselves.
func foreground(device uint64) uint64 {
	if device != unix.Mkdev(4, 0) {
		return device
	}
	name, _ := os.ReadFile("/sys/class/tty/tty0/active")
	n, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(string(name)), "tty"))
	if err != nil {
		return device
	}
	return unix.Mkdev(4, uint32(n))
}

// ttyNumber is a device as /proc/PID/stat has it (new_encode_dev in include/linux/kdev_t.h).
func ttyNumber(device uint64) int {
	major, minor := int(unix.Major(device)), int(unix.Minor(device))
	return minor&0xff | major<<8 | (minor&^0xff)<<12
}

// parseStat reads /proc/PID/stat (proc(5)): the process, its session, and the number of its
// controlling terminal. A zombie has no use for a terminal any more: it gives 0.
func parseStat(text []byte) (pid, session, tty int) {
	name := bytes.LastIndexByte(text, ')') // the name of the program may hold anything
	if name < 0 {
		return 0, 0, 0
	}
	fields := strings.Fields(string(text[name+1:])) // state, parent, group, session, terminal, ...
	if len(fields) < 5 || fields[0] == "Z" || fields[0] == "X" {
		return 0, 0, 0
	}
	pid, _ = strconv.Atoi(strings.TrimSpace(strings.SplitN(string(text), " ", 2)[0]))
	session, _ = strconv.Atoi(fields[3])
	tty, _ = strconv.Atoi(fields[4])
	return pid, session, tty
}
