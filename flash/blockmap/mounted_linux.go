package blockmap

import (
	"errors"
	"os"
)

// File asks the kernel where an open file of a mounted file system lies: by FIEMAP
// (Documentation/filesystems/fiemap.rst), where the file system has none by FIBMAP, which needs
// root. What is in memory only is written out first.
func File(f *os.File) (Map, error) {
	return Map{}, errors.ErrUnsupported
}
