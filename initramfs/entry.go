package initramfs

import (
	"fmt"
	"io"
	"os"
	"strings"

	"holdfast/initramfs/newc"
)

// Origin says what an entry is in an archive for.
type Origin int

// The origins.
const (
	FromLayout  Origin = iota // directories and device nodes that every archive has
	FromInit                  // /init
	FromBusybox               // busybox and the links to it
	FromModules               // kernel modules and their list
	FromLibrary               // a shared library or dynamic linker that a program needs
	FromAdd                   // asked for by name
)

var originNames = [...]string{"layout", "init", "busybox", "module", "library", "added"}

func (o Origin) String() string { return originNames[o] }

// Entry is one file of an archive to be made.
type Entry struct {
	Path   string // in the archive, without a leading slash
	Mode   uint32 // type and permission bits, as in stat(2)
	Size   int64  // bytes of content as they go into the archive
	Target string // of a symbolic link
	Major  uint32 // of a device node
	Minor  uint32
	Origin Origin
	Source string // file on this machine that the content is read from; "" where there is none

	open func() (io.ReadCloser, error) // the content; nil where there is none
	file fileID                        // which file Source is, for hard links; zero where it has one name
}

func (e Entry) header() newc.Header {
	h := newc.Header{Name: e.Path, Mode: e.Mode, Size: uint32(e.Size), NLink: 1, RdevMajor: e.Major, RdevMinor: e.Minor}
	if h.Type() == newc.TypeDir {
		h.NLink = 2
	}
	return h
}

func dirEntry(path string, perm uint32, origin Origin) Entry {
	return Entry{Path: path, Mode: newc.TypeDir | perm, Origin: origin}
}

func linkEntry(path, target string, origin Origin) Entry {
	return Entry{
		Path: path, Mode: newc.TypeSymlink | 0o777, Size: int64(len(target)), Target: target, Origin: origin,
		open: textOpener(target),
	}
}

func textEntry(path, text string, origin Origin) Entry {
	return Entry{
		Path: path, Mode: newc.TypeRegular | 0o644, Size: int64(len(text)), Origin: origin,
		open: textOpener(text),
	}
}

func textOpener(text string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
}

// fileEntry is the regular file source at path in the archive.
func fileEntry(source, path string, perm uint32, origin Origin) (Entry, error) {
	info, err := os.Stat(source)
	if err != nil {
		return Entry{}, err
	}
	if !info.Mode().IsRegular() {
		return Entry{}, fmt.Errorf("%s: not a regular file", source)
	}
	e := Entry{
		Path: path, Mode: newc.TypeRegular | perm, Size: info.Size(), Origin: origin, Source: source,
		open: func() (io.ReadCloser, error) { return os.Open(source) },
	}
	return e, e.checkSize()
}

// checkSize refuses what the format's 32-bit size cannot say.
func (e Entry) checkSize() error {
	if e.Size > 1<<32-1 {
		return fmt.Errorf("%s: %d bytes: an initramfs cannot hold files of 4 GiB", e.Source, e.Size)
	}
	return nil
}
