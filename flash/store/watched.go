package store

import (
	"io/fs"
	"strings"
)

// watched remembers that something below the directories it cares for could not be read, because of
// the disk or of a damaged file system.
type watched struct {
	root   fs.FS
	care   []string
	failed error // the first one
}

func (w *watched) note(name string, err error) {
	if w.failed != nil || !Damaged(err) {
		return
	}
	for _, dir := range w.care {
		if name == dir || strings.HasPrefix(name, dir+"/") {
			w.failed = &fs.PathError{Op: "read", Path: name, Err: cause(err)}
		}
	}
}

func (w *watched) Open(name string) (fs.File, error) {
	f, err := w.root.Open(name)
	w.note(name, err)
	if err != nil {
		return nil, err
	}
	return watchedFile{f, w, name}, nil
}

func (w *watched) Stat(name string) (fs.FileInfo, error) {
	info, err := fs.Stat(w.root, name)
	w.note(name, err)
	return info, err
}

func (w *watched) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(w.root, name)
	w.note(name, err)
	return entries, err
}

type watchedFile struct {
	fs.File
	disk *watched
	name string
}

func (f watchedFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	f.disk.note(f.name, err)
	return n, err
}
