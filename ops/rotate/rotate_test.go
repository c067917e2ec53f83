package rotate

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"holdfast/kexec/kexectest"
	"holdfast/ops"
	"holdfast/ops/status"
)

// failing is a flash with a file whose sectors cannot be read.
type failing struct {
	fstest.MapFS
	name string
}

func (f failing) Open(name string) (fs.File, error) {
	file, err := f.MapFS.Open(name)
	if err != nil || name != f.name {
		return file, err
	}
	return badFile{file}, nil
}

type badFile struct{ fs.File }

func (badFile) Read([]byte) (int, error) { return 0, syscall.EIO }

// flashOf is a flash with whole images in these slots.
func flashOf(slots ...string) fstest.MapFS {
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

// TestUnreadable: what cannot be read is not called damaged. The image that steps aside may be unreadable: that is
// what one rolls back from.
func TestUnreadable(t *testing.T) {
	for _, tt := range []struct {
		name, slots, bad string
		code             int
	}{
		{"all is well", "active backup", "", 0},
		{"active cannot be read", "active backup", "system/active/initrd.img", 0},
		{"backup cannot be read", "active backup", "system/backup/initrd.img", 3},
		{"its kernel", "active backup", "system/backup/kernel.img", 3},
		{"no backup", "active", "", 6},
	} {
		r, err := status.Read(status.Target{FS: failing{flashOf(strings.Fields(tt.slots)...), tt.bad}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = Request{Report: r}.Plan(t.Context())
		if ops.ExitCode(err) != tt.code || tt.code == 3 && !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: Plan = %v, exit code %d, want %d", tt.name, err, ops.ExitCode(err), tt.code)
		}
	}
}
