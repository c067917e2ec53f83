package initramfs

import (
	"bytes"
	"os"

	"holdfast/initramfs/newc"
)

// layout is what every complete archive has. The kernel opens /dev/console before it runs /init: without
// that node the first process has no standard input and output. The other nodes serve until devtmpfs is
// mounted, and where the kernel has none. Numbers from Documentation/admin-guide/devices.txt.
var layout = []Entry{
	dirEntry("bin", 0o755, FromLayout),
	dirEntry("boot", 0o755, FromLayout),
	dirEntry("dev", 0o755, FromLayout),
	dirEntry("etc", 0o755, FromLayout),
	dirEntry("flash", 0o755, FromLayout),
	dirEntry("lib", 0o755, FromLayout),
	dirEntry("mnt", 0o755, FromLayout),
	dirEntry("proc", 0o555, FromLayout),
	dirEntry("root", 0o700, FromLayout),
	dirEntry("run", 0o755, FromLayout),
	dirEntry("sys", 0o555, FromLayout),
	dirEntry("tmp", 0o1777, FromLayout),
	charEntry("dev/console", 0o600, 5, 1),
	charEntry("dev/kmsg", 0o644, 1, 11),
	charEntry("dev/null", 0o666, 1, 3),
	charEntry("dev/tty", 0o666, 5, 0),
	charEntry("dev/tty0", 0o600, 4, 0),
	charEntry("dev/tty1", 0o600, 4, 1),
	charEntry("dev/ttyS0", 0o600, 4, 64),
	charEntry("dev/ttyS1", 0o600, 4, 65),
}

func charEntry(path string, perm, major, minor uint32) Entry {
	return Entry{Path: path, Mode: newc.TypeChar | perm, Major: major, Minor: minor, Origin: FromLayout}
}

// layoutPerm is the permissions of a directory that is made only because something is in it: those
// of the layout, since the kernel applies them to a directory that is there already.
func layoutPerm(path string) uint32 {
	for _, e := range layout {
		if e.Path == path {
			return e.Mode &^ newc.TypeMask
		}
	}
	return 0o755
}

// applets are the names that busybox is linked to where it has them: what one types in a rescue shell.
var applets = []string{
	"ash", "awk", "basename", "blkid", "cat", "chmod", "chown", "chroot", "clear", "cmp", "cp", "cpio", "cut",
	"date", "dd", "df", "diff", "dirname", "dmesg", "du", "echo", "env", "false", "fdisk", "find", "free",
	"grep", "gunzip", "gzip", "halt", "head", "hexdump", "hostname", "id", "ifconfig", "insmod", "ip",
	"kill", "killall", "less", "ln", "losetup", "ls", "lsmod", "md5sum", "mkdir", "mknod", "modprobe", "more",
	"mount", "mv", "nc", "netstat", "ping", "poweroff", "printf", "ps", "pwd", "readlink", "reboot",
	"reset", "rm", "rmdir", "rmmod", "route", "sed", "sh", "sha256sum", "sleep", "sort", "stat", "strings", "stty",
	"sync", "sysctl", "tail", "tar", "tee", "test", "tftp", "top", "touch", "tr", "true", "tty", "udhcpc",
	"umount", "uname", "uniq", "uptime", "vi", "wc", "wget", "which", "xargs", "xxd", "zcat",
}

// busyboxApplets are the applets that the busybox at source has, found without running it: its table
// of names is a row of strings, each between two zeros (include/applet_tables.h of busybox).
func busyboxApplets(source string) ([]string, error) {
	program, err := os.ReadFile(source)
	if err != nil {
		return nil, err
	}
	var has []string
	for _, name := range applets {
		if bytes.Contains(program, []byte("\x00"+name+"\x00")) {
			has = append(has, name)
		}
	}
	return has, nil
}
