// Command init is the /init of the archives that the boot test makes. It says on the console what it
// found, one fact a line after "PROOF ", and powers the machine off.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"holdfast/initramfs"
)

func main() {
	for _, name := range []string{"console", "null", "tty0", "ttyS0", "tty", "tty1", "ttyS1", "kmsg"} {
		var st unix.Stat_t
		err := unix.Stat("/dev/"+name, &st)
		proof("node %s %o %d:%d %v", name, st.Mode, unix.Major(st.Rdev), unix.Minor(st.Rdev), err)
	}
	info, err := os.Stat("/tmp")
	proof("tmp %v %v", info.Mode(), err)
	files, _ := os.ReadDir("/layers")
	for _, f := range files {
		text, err := os.ReadFile("/layers/" + f.Name())
		proof("layer %s %s %v", f.Name(), text, err)
	}
	run("/bin/ls", "/etc/holdfast")
	run("/bin/sh", "-c", "echo from busybox")
	run("/opt/tools/links", "second name")
	loadModules()
	proof("end")
	unix.Sync()
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

func proof(format string, args ...any) { fmt.Printf("PROOF "+format+"\n", args...) }

func run(name string, args ...string) {
	out, err := exec.Command(name, args...).CombinedOutput()
	proof("run %s: %s, %v", name, strings.TrimSpace(string(out)), err)
}

func loadModules() {
	list, err := os.Open(initramfs.ModuleListPath)
	if err != nil {
		proof("no module list: %v", err)
		return
	}
	names, err := initramfs.ReadModuleList(list)
	if err != nil {
		proof("module list: %v", err)
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err == nil {
			err = unix.FinitModule(int(f.Fd()), "", 0)
			f.Close()
		}
		proof("module %s %v", name, err)
	}
	unix.Mount("proc", "/proc", "proc", 0, "")
	loaded, err := os.ReadFile("/proc/filesystems")
	proof("vfat known: %v %v", strings.Contains(string(loaded), "\tvfat\n"), err)
}
