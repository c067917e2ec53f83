package archive

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Found is a file that may be an archive, by its name: nothing of it was read.
type Found struct {
	Source
	Where   string // the volume: "sdb1"
	Path    string // of the file, from the root of the volume
	ModTime time.Time
}

// Volume is a file system to look for archives in.
type Volume struct {
	Name string // for people: "sdb1"
	FS   fs.FS
}

// endings are the ends of names that archives have.
var endings = []string{".tgz", ".tar.gz", ".tar.zst", ".tzst", ".tar.xz", ".txz", ".tar", ".cpio.gz", ".cpio.zst", ".cpio.xz"}

// Bounds on a search: a stick may be full of other things.
const (
	maxDepth   = 2    // folders below the root
	maxEntries = 5000 // of all folders of a volume
	maxFound   = 100  // on a volume
)

// Find lists what may be archives on the volumes, in their root and in folders two deep, the newest of
// each volume first. What cannot be read is passed over.
func Find(volumes ...Volume) []Found {
	var all []Found
	for _, v := range volumes {
		s := search{volume: v, left: maxEntries}
		s.folder(".", 0)
		slices.SortStableFunc(s.found, func(a, b Found) int { return b.ModTime.Compare(a.ModTime) })
		all = append(all, s.found...)
	}
	return all
}

// search is a search of one volume.
type search struct {
	volume Volume
	found  []Found
	left   int // entries that may still be looked at
}

func (s *search) folder(dir string, depth int) {
	list, err := fs.ReadDir(s.volume.FS, dir)
	if err != nil && len(list) == 0 {
		return
	}
	var below []string
	for _, e := range list {
		if s.left--; s.left < 0 || len(s.found) == maxFound {
			return
		}
		switch name := path.Join(dir, e.Name()); {
		case e.IsDir() && depth < maxDepth && !skipped(e.Name()):
			below = append(below, name)
		case e.Type().IsRegular() && isArchiveName(e.Name()):
			s.file(name, e)
		}
	}
	for _, name := range below {
		s.folder(name, depth+1)
	}
}

func (s *search) file(name string, e fs.DirEntry) {
	info, err := e.Info()
	if err != nil || info.Size() == 0 {
		return
	}
	src := fromFS(s.volume.Name, s.volume.FS, name, info.Size())
	s.found = append(s.found, Found{Source: src, Where: s.volume.Name, Path: name, ModTime: info.ModTime()})
}

// skipped are folders that hold much and none of our archives.
func skipped(name string) bool {
	return strings.HasPrefix(name, ".") || name == "lost+found" || name == "System Volume Information"
}

func isArchiveName(name string) bool {
	lower := strings.ToLower(name)
	return !strings.HasPrefix(name, ".") && slices.ContainsFunc(endings, func(end string) bool { return strings.HasSuffix(lower, end) })
}
