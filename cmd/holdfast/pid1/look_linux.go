package pid1

import (
	"errors"
	"os"
	"path/filepath"

	"holdfast/cmd/holdfast/stage"

	"golang.org/x/sys/unix"
)

// driver is a file system's driver with the options that keep it from writing.
type driver struct{ name, options string }

// drivers lists those that may read a file system, the best first. ext4 reads all three; noload
// keeps it from replaying a journal, which it would do even for a read-only mount. The old drivers
// are there for kernels that have no ext4.
func drivers(fstype string) []driver {
	switch fstype {
	case "ext2":
		return []driver{{"ext4", "noload"}, {"ext2", ""}}
	case "ext3":
		return []driver{{"ext4", "noload"}, {"ext3", "noload"}}
	case "ext4":
		return []driver{{"ext4", "noload"}}
	}
	return []driver{{fstype, ""}}
}

// lookBy gives the look of a search: it mounts the volume on dir, looks, and unmounts.
func lookBy(dir string) func(*volume) {
	return func(v *volume) {
		v.err = mountAny(v, dir)
		if v.err != nil {
			return
		}
		v.flash = isDir(dir, "cfg") && (isDir(dir, "system") || isDir(dir, "sys"))
		v.grub = isDir(dir, "boot/grub") || isDir(dir, "grub")
		if err := unix.Unmount(dir, 0); err != nil {
			v.err = errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH))
		}
	}
}

// mountAny mounts the volume on dir by the first driver that can, and notes how.
func mountAny(v *volume, dir string) error {
	var errs []error
	for _, d := range drivers(v.Type) {
		m := stage.Mount{Device: v.mount.Device, Dir: dir, Type: d.name, Data: d.options}
		err := m.Mount()
		if err == nil {
			v.mount = m
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func isDir(root, name string) bool {
	info, err := os.Stat(filepath.Join(root, name))
	return err == nil && info.IsDir()
}
