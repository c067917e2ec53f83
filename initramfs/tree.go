package initramfs

import (
	"path"
	"strings"

	"holdfast/initramfs/newc"
)

// tree is what the layers read so far make of the root file system.
type tree map[string]File

// maxFollow is how many symbolic links a path may lead through, as in the kernel.
const maxFollow = 40

// find gives the file that a path leads to through all symbolic links; false where there is none.
func (t tree) find(name string) (File, bool) {
	rest := strings.Split(name, "/")
	at, follow := "", 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = strings.TrimPrefix(path.Dir("/"+at), "/")
			continue
		}
		next := path.Join(at, part)
		f, ok := t[next]
		if !ok {
			return File{}, false
		}
		if f.Type() != newc.TypeSymlink {
			at = next
			continue
		}
		if follow++; follow > maxFollow {
			return File{}, false
		}
		if strings.HasPrefix(f.Target, "/") {
			at = ""
		}
		rest = append(strings.Split(f.Target, "/"), rest...)
	}
	if at == "" {
		return File{Header: newc.Header{Mode: newc.TypeDir | 0o755}, Path: "."}, true
	}
	f, ok := t[at]
	return f, ok
}
