package archive

import (
	"fmt"
	"io"

	"holdfast/initramfs/newc"
)

// cpioReader is the members of a cpio archive of the form newc.
type cpioReader struct {
	*newc.Reader
	headers int
}

// next is newc's, for plain files and folders.
func (c *cpioReader) next() (entry, error) {
	h, err := c.Next()
	if err != nil {
		return entry{}, err
	}
	if c.headers++; c.headers > maxHeaders {
		return entry{}, fmt.Errorf("more than %d headers", maxHeaders)
	}
	e := entry{path: h.Name, size: int64(h.Size), dir: h.Type() == newc.TypeDir}
	switch {
	case e.dir && e.size != 0:
		return entry{}, invalid(h.Name, "is a folder of %d bytes", h.Size)
	case !e.dir && h.Type() != newc.TypeRegular:
		return entry{}, invalid(h.Name, "is %s: an image has only plain files", cpioKinds[h.Type()])
	case !e.dir && h.NLink > 1 && h.Size == 0:
		return entry{}, invalid(h.Name, "is a hard link: an image has only plain files")
	}
	return e, nil
}

var cpioKinds = map[uint32]string{
	newc.TypeSymlink: "a symbolic link", newc.TypeChar: "a character device", newc.TypeBlock: "a block device",
	newc.TypeFifo: "a FIFO", newc.TypeSocket: "a socket",
}

func newCPIO(r io.Reader) entries { return &cpioReader{Reader: newc.NewReader(r)} }
