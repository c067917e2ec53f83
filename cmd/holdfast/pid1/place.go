package pid1

import (
	"errors"

	"holdfast/cmd/holdfast/stage"
	"holdfast/flash/access"
	"holdfast/flash/volume"
)

// driver is a file system's driver with the options that keep it from writing, or that it needs to be written to later.
type driver struct{ name, options string }

// drivers lists those that may read a file system, the best first. ext4 reads all three. noload keeps
// it from replaying a journal that waits for that, which it would do even for a read-only mount. It is
// there only then: what was mounted without its journal cannot simply be made writable. The old drivers
// are there for kernels that have no ext4.
func drivers(s volume.Seen) []driver {
	journal := ""
	if s.Unclean != "" {
		journal = "noload"
	}
	switch s.Type {
	case "ext2":
		return []driver{{"ext4", ""}, {"ext2", ""}}
	case "ext3":
		return []driver{{"ext4", journal}, {"ext3", journal}, {"ext4", "noload"}}
	case "ext4":
		return []driver{{"ext4", journal}, {"ext4", "noload"}}
	}
	return []driver{{s.Type, access.Options(s.Type)}}
}

// place mounts a volume where it stays, by the first driver that can.
func place(s volume.Seen, dir string) (stage.Mount, error) {
	var errs []error
	for _, d := range drivers(s) {
		m := stage.Mount{Device: s.Device, Dir: dir, Type: d.name, Data: d.options}
		err := m.Mount()
		if err == nil {
			return m, nil
		}
		errs = append(errs, err)
	}
	return stage.Mount{}, errors.Join(errs...)
}
