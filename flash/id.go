package flash

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"path"
)

// Of an image without a manifest, the ID is made of the beginnings of its first files: enough to tell
// two builds apart, and little enough for the first screen.
const (
	headSize  = 64 << 10
	headFiles = 8
)

// contentID is the ID of an image without a manifest: the SHA-256 of a line "name size" for each of its
// files, in the order of their names, and of what the first files begin with. Of a file that cannot
// be read it is the name that counts.
func contentID(fsys fs.FS, dir string, entries []fs.DirEntry) (id ID) {
	h := sha256.New()
	for i, e := range entries { // sorted, as fs.ReadDir gives them
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			fmt.Fprintf(h, "%s\n", e.Name())
			continue
		}
		fmt.Fprintf(h, "%s %d\n", e.Name(), info.Size())
		if i < headFiles {
			head, _ := readHead(fsys, path.Join(dir, e.Name()), headSize)
			h.Write(head)
		}
	}
	h.Sum(id[:0])
	return id
}
