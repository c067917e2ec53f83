package access

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/flash/volume"
)

// ErrStays says that a file system could not be made read-only again.
var ErrStays = errors.New("stays mounted for writing")

// patience is how long Close waits for what is busy: a program that is ending has files open still.
const patience = time.Second

// poll is how often what is busy is tried again.
const poll = 20 * time.Millisecond

// ReadOnly reports whether nothing can be written below dir, as far as its mount goes.
func ReadOnly(dir string) (bool, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return false, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return st.Flags&unix.ST_RDONLY != 0, nil
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

// WithoutJournal reports whether the file system of type fstype that is mounted on dir was mounted
// without its journal: it would be written to without one.
func WithoutJournal(dir, fstype string) (bool, error) {
	m, err := volume.MountOn(dir)
	if err != nil || m == nil {
		return false, err
	}
	return withoutJournal(fstype, m.Options), nil
}

// withoutJournal is for these options of the file system. An ext2 has no journal to leave out.
func withoutJournal(fstype string, options []string) bool {
	return fstype != "ext2" && (slices.Contains(options, "noload") || slices.Contains(options, "norecovery"))
}

// Remounted mounts the file system on dir for writing, calls write, and makes it read-only again in
// any case. Nobody does so when this process dies meanwhile: it is for moments.
func Remounted(dir string, write func() error) error {
	flags, err := mountFlags(dir)
	if err != nil {
		return err
	}
	if err := remount(dir, flags); err != nil {
		return err
	}
	err = write()
	return errors.Join((step{Kind: readonly, Dir: dir, Flags: flags}).undo(patience), err)
}

func remount(dir string, flags uintptr) error {
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|flags, ""); err != nil {
		return fmt.Errorf("mount %s for writing: %w", dir, err)
	}
	return nil
}

func mount(device, dir, fstype string, flags uintptr, data string) error {
	if err := unix.Mount(device, dir, fstype, flags, data); err != nil {
		return fmt.Errorf("mount %s on %s as %s: %w", device, dir, fstype, err)
	}
	return nil
}

// Still mounts a device read-only so that the disk does not change. Read-only is not enough for that:
// ext4 deletes what its orphan list names even then (fs/ext4/orphan.c), and replays its journal. So
// the device itself refuses writes until the mount is done; afterwards it is as it was, for those
// who may write to it later.
func Still(device, dir, fstype string, flags uintptr, data string) error {
	was, err := isReadOnly(device)
	if err != nil {
		return err
	}
	if !was {
		if err := setReadOnly(device, true); err != nil {
			return err
		}
		defer func() { _ = setReadOnly(device, false) }()
	}
	return mount(device, dir, fstype, flags|unix.MS_RDONLY, data)
}

func isReadOnly(device string) (bool, error) {
	f, err := os.Open(device)
	if err != nil {
		return false, err
	}
	defer f.Close()
	ro, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKROGET)
	if err != nil {
		return false, fmt.Errorf("ask whether %s is write-protected: %w", device, err)
	}
	return ro != 0, nil
}

// setReadOnly makes a block device refuse writes, or take them.
func setReadOnly(device string, ro bool) error {
	f, err := os.Open(device)
	if err != nil {
		return err
	}
	defer f.Close()
	value := 0
	if ro {
		value = 1
	}
	if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.BLKROSET, value); err != nil {
		return fmt.Errorf("set the write protection of %s: %w", device, err)
	}
	return nil
}

// unmount unmounts dir, and waits a while for whoever has something open there. A place where nothing
// is mounted is no error.
func unmount(dir string, wait time.Duration) error {
	err := retry(wait, func() error { return unix.Unmount(dir, unix.UMOUNT_NOFOLLOW) })
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return fmt.Errorf("unmount %s%s: %w", dir, by(err, dir), err)
	}
	return nil
}

// retry tries again what is busy.
func retry(wait time.Duration, try func() error) error {
	end := time.Now().Add(wait)
	err := try()
	for errors.Is(err, unix.EBUSY) && time.Now().Before(end) {
		time.Sleep(poll)
		err = try()
	}
	return err
}

// by names who keeps dir busy, for an error that says so.
func by(err error, dir string) string {
	if !errors.Is(err, unix.EBUSY) {
		return ""
	}
	return ": in use by " + strings.Join(Users(dir), ", ")
}

// Users names the processes that work in dir or have a file of it open: "sh 123". It is never empty.
func Users(dir string) []string {
	var list []string
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range procs {
		links, _ := filepath.Glob(proc + "/fd/*")
		for _, link := range append(links, proc+"/cwd", proc+"/root", proc+"/exe") {
			to, err := os.Readlink(link)
			if err != nil || to != dir && !strings.HasPrefix(to, dir+"/") {
				continue
			}
			name, _ := os.ReadFile(proc + "/comm")
			list = append(list, strings.TrimSpace(string(name))+" "+filepath.Base(proc))
			break
		}
	}
	if list == nil {
		return []string{"the kernel"}
	}
	return list
}
