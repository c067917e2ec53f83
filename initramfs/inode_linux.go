package initramfs

import (
	"io/fs"
	"syscall"
)

// fileID tells the files of this machine apart. The zero value is no file.
type fileID struct{ device, inode uint64 }

// identify gives the identity of a file that has several names, and the zero value for others.
func identify(info fs.FileInfo) fileID {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Nlink < 2 || !info.Mode().IsRegular() {
		return fileID{}
	}
	return fileID{uint64(st.Dev), st.Ino}
}
