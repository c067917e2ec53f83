package pid1

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// parseModules reads the list of modules: an absolute path a line, in load order; '#' starts a
// comment. A line that is none is an error that does not hide the rest.
func parseModules(r io.Reader) (paths []string, errs []error) {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case !path.IsAbs(line):
			errs = append(errs, fmt.Errorf("module list, line %d: %q is no absolute path", n, line))
		default:
			paths = append(paths, line)
		}
	}
	if err := lines.Err(); err != nil {
		errs = append(errs, fmt.Errorf("module list: %w", err))
	}
	return paths, errs
}

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
	paths, errs := parseModules(f)
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
