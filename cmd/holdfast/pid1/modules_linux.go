package pid1

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"holdfast/initramfs"

	"golang.org/x/sys/unix"
)

// loadModules loads what the list names, one after the other: each may need those before it. The
// absence of the list means that there is nothing to load.
func loadModules(list string, load func(path string) error) []error {
	f, err := os.Open(list)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return []error{err}
	}
	defer f.Close()
	paths, err := initramfs.ReadModuleList(f)
	var errs []error
	if err != nil {
		errs = append(errs, err)
	}
	for _, p := range paths {
		if err := load(p); err != nil {
			errs = append(errs, fmt.Errorf("load module %s: %w", strings.TrimSuffix(path.Base(p), ".ko"), err))
		}
	}
	return errs
}

// loadModule gives one module to the kernel. One that is there already is no error.
func loadModule(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return cause(err)
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

// cause strips the path that the message names already.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
