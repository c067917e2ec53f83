package ext

import (
	"errors"
	"fmt"
	"strings"
)

// Bounds of symbolic links, as the kernel has them (MAXSYMLINKS, PATH_MAX).
const (
	maxLinks  = 40
	maxTarget = 4096
)

// walk is the way to a file. Links are resolved as the kernel does it, with the directories above
// remembered: what .. on the disk says is not needed.
type walk struct {
	fs    *FS
	above []*inode // from the root to the directory that it has come to
	links int
}

// resolve finds the inode of a name, which must be valid as fs.ValidPath has it. A link in the last
// place is followed when follow is set.
func (f *FS) resolve(path string, follow bool) (*inode, error) {
	root, err := f.inode(rootInode)
	if err != nil {
		return nil, err
	}
	if !root.isDir() {
		return nil, errors.New("the root is not a directory")
	}
	w := walk{fs: f, above: []*inode{root}}
	return w.to(path, follow)
}

// to goes along a path from where the walk is.
func (w *walk) to(path string, follow bool) (*inode, error) {
	if strings.HasPrefix(path, "/") {
		w.above = w.above[:1]
	}
	parts := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	at := w.above[len(w.above)-1]
	for i, part := range parts {
		last := i == len(parts)-1
		var err error
		if at, err = w.step(part, follow || !last); err != nil {
			return nil, err
		}
		if at.isDir() && at != w.above[len(w.above)-1] {
			w.above = append(w.above, at)
		}
		if !at.isDir() && !last {
			return nil, errors.New("not a directory")
		}
	}
	return at, nil
}

// step goes to a name in the directory that the walk has come to.
func (w *walk) step(part string, follow bool) (*inode, error) {
	dir := w.above[len(w.above)-1]
	switch part {
	case ".":
		return dir, nil
	case "..":
		w.above = w.above[:max(1, len(w.above)-1)]
		return w.above[len(w.above)-1], nil
	}
	in, err := w.fs.lookup(dir, part)
	if err != nil || in.kind() != typeLink || !follow {
		return in, err
	}
	if w.links++; w.links > maxLinks {
		return nil, errors.New("too many symbolic links: a loop")
	}
	target, err := w.fs.target(in)
	if err != nil {
		return nil, err
	}
	return w.to(target, true)
}

// target is where a link leads.
func (f *FS) target(in *inode) (string, error) {
	switch {
	case in.encoded() != 0:
		return "", fmt.Errorf("symbolic link, inode %d: it is %v", in.number, in.encoded())
	case in.size == 0 || in.size > maxTarget:
		return "", fmt.Errorf("symbolic link, inode %d: a target of %d bytes", in.number, in.size)
	}
	b := make([]byte, in.size)
	if err := f.readInode(in, b, 0); err != nil {
		return "", err
	}
	if strings.ContainsRune(string(b), 0) {
		return "", fmt.Errorf("symbolic link, inode %d: its target has a zero byte", in.number)
	}
	return string(b), nil
}
