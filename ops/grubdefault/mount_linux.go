package grubdefault

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"holdfast/ops"
)

// readOnly reports whether nothing can be written below dir, as far as its mount goes.
func readOnly(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) != nil || st.Flags&unix.ST_RDONLY != 0
}

// writable mounts the file system on dir for writing, calls write, and makes it read-only again in
// any case.
func writable(dir string, write func() error) error {
	flags, err := mountFlags(dir)
	if err != nil {
		return err
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|flags, ""); err != nil {
		return fmt.Errorf("mount %s for writing: %w", dir, err)
	}
	err = write()
	if again := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY|flags, ""); again != nil {
		err = errors.Join(fail(ops.Internal, dir, fmt.Errorf("stays mounted for writing: %w", again), "mount -o remount,ro "+dir), err)
	}
	return err
}

// mountFlags are the flags of a mount that a remount would take away if they were not given again.
// But for that of relatime, statfs(2) has the numbers of mount(2).
func mountFlags(dir string) (uintptr, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("mount flags of %s: %w", dir, err)
	}
	flags := uintptr(st.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_SYNCHRONOUS | unix.MS_NOATIME | unix.MS_NODIRATIME)
	if st.Flags&unix.ST_RELATIME != 0 {
		flags |= unix.MS_RELATIME
	}
	return flags, nil
}

// checkRemount refuses a file system that was mounted without its journal: it would be written to
// without one. An ext2 has none to leave out.
func checkRemount(dir, fstype string) error {
	if fstype == "ext2" {
		return nil
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	defer f.Close()
	options := ""
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// Documentation/filesystems/proc.rst, 3.5: the mount point is the fifth, the options of the
		// file system are the last.
		if words := strings.Fields(lines.Text()); len(words) > 6 && words[4] == mangle(dir) {
			options = words[len(words)-1]
		}
	}
	for word := range strings.SplitSeq(options, ",") {
		if word == "noload" || word == "norecovery" {
			return fail(ops.NotWritable, dir, errors.New("mounted without its journal, and the kernel lets nobody write to its device"),
				"unmount it, and name its device or mount it again for writing")
		}
	}
	if options == "" {
		return fail(ops.NotWritable, dir, errors.New("how it is mounted is not known"), "unmount it, and name its device")
	}
	return nil
}

// mangle writes a path as mountinfo has it.
func mangle(path string) string {
	return strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`).Replace(path)
}
