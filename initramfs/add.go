package initramfs

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Add is a file or a directory with everything in it, to be put into an archive.
type Add struct {
	Source string // on this machine; a symbolic link is followed here, but kept inside a directory
	Dest   string // exact path in the archive, absolute
}

// ParseAdd reads SRC or SRC:DST. The last colon divides; without one DST is the absolute path of SRC.
// DST may leave out its leading slash; it is always the new name itself, never a directory to put
// SRC into, except that "SRC:/" spreads a directory's content over the root.
func ParseAdd(arg string) (Add, error) {
	source, dest := arg, ""
	if i := strings.LastIndexByte(arg, ':'); i >= 0 {
		source, dest = arg[:i], arg[i+1:]
		if dest == "" {
			return Add{}, fmt.Errorf("%q: nothing stands after the colon", arg)
		}
	}
	if source == "" {
		return Add{}, fmt.Errorf("%q: no file is named", arg)
	}
	if dest == "" {
		abs, err := filepath.Abs(source)
		if err != nil {
			return Add{}, fmt.Errorf("%q: %w", arg, err)
		}
		dest = abs
	}
	if strings.HasSuffix(dest, "/") && strings.Trim(dest, "/") != "" {
		return Add{}, fmt.Errorf("%q: the destination must be the new name itself, without a slash at its end", arg)
	}
	if _, err := archivePath(dest); err != nil {
		return Add{}, fmt.Errorf("%q: %w", arg, err)
	}
	return Add{Source: source, Dest: path.Clean("/" + dest)}, nil
}

// archivePath gives a path as it is named in an archive, without a leading slash; "" is the root.
func archivePath(p string) (string, error) {
	if slices.Contains(strings.Split(p, "/"), "..") {
		return "", fmt.Errorf("%s: a path in the archive cannot have \"..\"", p)
	}
	if strings.ContainsRune(p, 0) {
		return "", errors.New("a path in the archive cannot have a zero byte")
	}
	return path.Clean("/" + p)[1:], nil
}
