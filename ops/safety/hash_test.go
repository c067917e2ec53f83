package safety

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"holdfast/flash"
	"holdfast/kexec/kexectest"
	"holdfast/ops"
	"holdfast/ops/status"
)

// failing is a disk whose sectors below a file cannot be read, for the next so many times.
type failing struct {
	fs.FS
	name  string
	times int
}

func (f *failing) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if err != nil || name != f.name {
		return file, err
	}
	return &badFile{file, f}, nil
}

type badFile struct {
	fs.File
	disk *failing
}

func (b *badFile) Read(p []byte) (int, error) {
	if b.disk.times == 0 {
		return b.File.Read(p)
	}
	b.disk.times--
	return 0, &fs.PathError{Op: "read", Path: b.disk.name, Err: syscall.EIO}
}

// TestUnreadable: a disk that fails for a moment costs no image its slot, and one that goes on failing
// lets nobody choose between the images.
func TestUnreadable(t *testing.T) {
	initrd := []byte("initrd")
	m := fstest.MapFS{"cfg/config.cur": {}}
	for _, slot := range []string{"active", "backup"} {
		kernel := kexectest.Kernel("6.1.0-" + slot)
		m["system/"+slot+"/kernel.img"] = &fstest.MapFile{Data: kernel}
		m["system/"+slot+"/initrd.img"] = &fstest.MapFile{Data: initrd}
		m["system/"+slot+"/kernel.ver"] = &fstest.MapFile{Data: []byte("1\n")}
		m["system/"+slot+"/SHA256SUMS"] = &fstest.MapFile{Data: fmt.Appendf(nil, "%x  kernel.img\n%x  initrd.img\n", sha256.Sum256(kernel), sha256.Sum256(initrd))}
	}
	for _, tt := range []struct {
		name   string
		times  int
		change bool
		want   flash.Integrity
		code   ops.Kind
	}{
		{"whole", 0, false, flash.Intact, 0},
		{"for a moment", 1, false, flash.Intact, 0},
		{"for good", -1, false, flash.Damaged, ops.NoFlash},
		{"other bytes", 0, true, flash.Damaged, 0},
	} {
		disk := &failing{m, "system/active/initrd.img", tt.times}
		m[disk.name].Data = initrd
		if tt.change {
			m[disk.name].Data = []byte("inxtrd")
		}
		r, err := status.Read(status.Target{FS: disk})
		if err == nil {
			r, err = Hashed(t.Context(), r, ops.Discard, flash.Active, flash.Backup, flash.Factory)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Images[0].Integrity; got != tt.want || r.Images[1].Integrity != flash.Intact {
			t.Errorf("%s: active is %v, want %v; backup is %v", tt.name, got, tt.want, r.Images[1].Integrity)
		}
		err = CheckReadable(r, flash.Active, flash.Backup)
		if (err == nil) != (tt.code == 0) || err != nil && (ops.ExitCode(err) != int(tt.code) || !errors.Is(err, syscall.EIO) || !strings.Contains(err.(*ops.Error).Hint, "--slot active")) {
			t.Errorf("%s: CheckReadable = %v", tt.name, err)
		}
	}
}

// TestKnown: what was hashed holds for the same image in the same slot.
func TestKnown(t *testing.T) {
	was := row{active: content{flash.Intact, flash.Untold}, backup: content{flash.Damaged, flash.Untold}}.report()
	now := row{active: content{flash.Intact, flash.Untold}, backup: content{flash.Intact, flash.Untold}}.report()
	for k := range now.Images {
		now.Images[k].Integrity, now.Images[k].Broken = flash.Unknown, ""
	}
	now.Images[2].ID = flash.ID{9} // another factory
	got := Known(now, was)
	for k, want := range []flash.Integrity{flash.Intact, flash.Damaged, flash.Unknown} {
		if i := got.Images[k]; i.Integrity != want {
			t.Errorf("%s is %v, want %v", i.Name, i.Integrity, want)
		}
	}
	if now.Images[0].Integrity != flash.Unknown {
		t.Error("the report that was given has changed")
	}
	now.Images[1].ID = now.Images[0].ID // by now they may have changed places
	was.Images[1].ID = was.Images[0].ID
	for _, i := range Known(now, was).Images[:2] {
		if i.Integrity != flash.Unknown {
			t.Errorf("%s is %v, and has a twin", i.Name, i.Integrity)
		}
	}
}
