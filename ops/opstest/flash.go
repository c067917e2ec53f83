// Package opstest makes the flashes that tests of several operations need.
package opstest

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"syscall"
	"testing/fstest"

	"holdfast/kexec/kexectest"
)

// Flash has whole images, with manifests, in these slots. Their versions are the slots' names.
func Flash(slots ...string) fstest.MapFS {
	m := fstest.MapFS{"cfg/config.cur": {}, "system/factory/kernel.ver": {Data: []byte("0\n")}}
	for _, slot := range slots {
		kernel, initrd := kexectest.Kernel("6.1.0-"+slot), []byte("initrd of "+slot)
		for name, data := range map[string][]byte{
			"kernel.img": kernel, "initrd.img": initrd, "kernel.ver": []byte(slot + "\n"),
			"SHA256SUMS": fmt.Appendf(nil, "%x  kernel.img\n%x  initrd.img\n", sha256.Sum256(kernel), sha256.Sum256(initrd)),
		} {
			m["system/"+slot+"/"+name] = &fstest.MapFile{Data: data}
		}
	}
	return m
}

// Failing is a file system with one file, Name, whose sectors cannot be read: EIO.
type Failing struct {
	fs.FS
	Name string
}

// Open opens Name too: it is reading that fails.
func (f Failing) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if err != nil || name != f.Name {
		return file, err
	}
	return badFile{file}, nil
}

type badFile struct{ fs.File }

func (badFile) Read([]byte) (int, error) { return 0, syscall.EIO }
