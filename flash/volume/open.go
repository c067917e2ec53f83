package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Open opens what T of the command line names: a directory, a block device, an image file, or one of
// its partitions as FILE:N. A file whose name ends so goes before a partition.
//
// A disk or an image file with a partition table holds several volumes: the one with a flash on it is
// taken. Several of those, or none, are an *Ambiguous error.
func Open(t string) (*Volume, error) { return thisMachine().open(t, aFlash) }

// OpenGRUB is Open for the volume with GRUB's files: of several it takes the one that has them.
func OpenGRUB(t string) (*Volume, error) { return thisMachine().open(t, grubFiles) }

func (m machine) open(t string, want content) (*Volume, error) {
	v, err := m.openAny(t, want)
	if a := (*Ambiguous)(nil); err != nil && !errors.As(err, &a) {
		return nil, fmt.Errorf("%s: %w", t, cause(err))
	}
	return v, err
}

func (m machine) openAny(t string, want content) (*Volume, error) {
	info, err := os.Stat(t)
	if errors.Is(err, fs.ErrNotExist) {
		if file, n, ok := cutPartition(t); ok {
			return m.openNumbered(file, n)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return m.openDir(t)
	case info.Mode()&fs.ModeDevice != 0 && info.Mode()&fs.ModeCharDevice == 0:
		return m.openNode(t, want)
	case info.Mode().IsRegular():
		return m.openImage(t, want)
	}
	return nil, errors.New("neither a directory nor a disk nor an image file")
}

// cutPartition takes "disk.img:2" apart.
func cutPartition(t string) (file string, n int, ok bool) {
	i := strings.LastIndexByte(t, ':')
	if i <= 0 {
		return "", 0, false
	}
	n, err := strconv.Atoi(t[i+1:])
	return t[:i], n, err == nil && n > 0
}

// openDir opens a directory, of the file system that is mounted there or above it.
func (m machine) openDir(dir string) (*Volume, error) {
	path, err := filepath.Abs(dir)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return nil, err
	}
	v := &Volume{Name: dir, Dir: path, ReadOnly: !writable(path), machine: m, fsys: Directory(path), part: true}
	number, err := deviceNumber(path)
	if err != nil {
		return nil, err
	}
	mounts, err := readMounts(m.mounts)
	if err != nil {
		return v, nil // a system without /proc: the directory can be read all the same
	}
	at, ok := mountOf(mounts, path, number)
	if !ok {
		return v, nil
	}
	v.mounts = mountsOf(mounts, number)
	v.ReadOnly = v.ReadOnly || at.ro || at.superRO
	v.part = at.root != "/" || at.dir != path
	v.root = filepath.Join(at.root, strings.TrimPrefix(path, at.dir))
	v.Type = at.fstype
	if b, err := m.byNumber(number); err == nil {
		_ = v.on(b) // what cannot be read of the device can be of the mount
	}
	return v, nil
}

// choose opens the only one of several volumes that has what is wanted.
func (m machine) choose(target string, names []string, want content, open func(int) (*Volume, error)) (*Volume, error) {
	var list []Seen
	var have []*Volume
	for n, name := range names {
		s := Seen{Name: name}
		v, err := open(n)
		if err == nil {
			s = v.seen()
		} else if !errors.Is(err, errUnknown) {
			s.Err = cause(err)
		}
		list = append(list, s)
		if s.has(want) {
			have = append(have, v)
		} else if v != nil {
			v.Close()
		}
	}
	if len(have) == 1 {
		return have[0], nil
	}
	for _, v := range have {
		v.Close()
	}
	return nil, none(target, list, want)
}

// cause is an error without the path, for a sentence that names the device already.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
