package status

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"holdfast/flash"
	"holdfast/kexec/kexectest"
	"holdfast/ops"
)

func kernels() fstest.MapFS {
	return fstest.MapFS{
		"system/active/kernel.img": {Data: kexectest.Kernel("6.1.0-a")},
		"system/active/kernel.ver": {Data: []byte("2\n")},
		"system/backup/kernel.img": {Data: kexectest.Kernel("6.1.0-b")},
		"system/backup/kernel.ver": {Data: []byte("1\n")},
		"system/3/kernel.img":      {Data: []byte("text")},
		"system/3/kernel.ver":      {Data: []byte("3\n")},
		"cfg/config.cur":           {Data: []byte("x")},
	}
}

func read(t *testing.T, m fstest.MapFS) *Report {
	t.Helper()
	r, err := Read(Target{FS: m, GRUB: Place{FS: m}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRead(t *testing.T) {
	r := read(t, kernels())
	var got []string
	for _, i := range r.Images {
		got = append(got, i.Name+" "+i.Header.Version+" "+i.Broken)
	}
	if got[0] != "active 6.1.0-a " || got[1] != "backup 6.1.0-b " || got[2] != "factory  empty" || !strings.HasPrefix(got[3], "3  kernel.img: ") {
		t.Errorf("images %q", got)
	}
	if !r.Images[3].Staged || r.Images[0].Staged {
		t.Error("which image is staged is mixed up")
	}
}

// TestInitrdTooLarge has a kernel that takes only a small initrd: initrd_addr_max of its header.
func TestInitrdTooLarge(t *testing.T) {
	m := kernels()
	binary.LittleEndian.PutUint32(m["system/active/kernel.img"].Data[0x22c:], 9)
	m["system/active/initrd.img"] = &fstest.MapFile{Data: []byte("ten bytes.")}
	if i, want := read(t, m).Images[0], "initrd.img: 10 bytes, this kernel takes at most 9"; i.Broken != want {
		t.Errorf("broken %q, want %q", i.Broken, want)
	}
	m["system/active/initrd.img"].Data = []byte("nine byte")
	if i := read(t, m).Images[0]; i.Broken != "" {
		t.Errorf("an initrd that fits: %q", i.Broken)
	}
}

func TestReadNoFlash(t *testing.T) {
	if _, err := Read(Target{FS: fstest.MapFS{}}); ops.ExitCode(err) != int(ops.NoFlash) {
		t.Errorf("Read = %v, exit code %d, want %d", err, ops.ExitCode(err), ops.NoFlash)
	}
}

func TestPreferred(t *testing.T) {
	empty := func(names ...string) func(fstest.MapFS) {
		return func(m fstest.MapFS) {
			for _, name := range names {
				m["system/"+name+"/kernel.img"].Data = nil
			}
		}
	}
	const none = "no image is the boot default"
	tests := []struct {
		name, saved string
		edit        func(fstest.MapFS)
		want, why   string
	}{
		{"default", "2", nil, flash.Backup, "the boot default"},
		{"no default", "0", func(m fstest.MapFS) { drop(m, "boot/") }, flash.Active, none},
		{"maintenance is no image", "4", nil, flash.Active, none},
		{"default is empty", "5", nil, flash.Active, "the boot default, factory, cannot boot"},
		{"default is broken", "3", empty("backup"), flash.Active, "the boot default, backup, cannot boot"},
		{"active is broken", "4", empty("active"), flash.Backup, "active cannot boot"},
		{"none", "0", empty("active", "backup"), "", ""},
	}
	for _, tt := range tests {
		m := bootable(tt.saved)
		menu := m["boot/grub/menu.lst"]
		menu.Data = append(menu.Data, "title Factory\nkernel /system/factory/kernel.img\n"...)
		if tt.edit != nil {
			tt.edit(m)
		}
		got, why, ok := read(t, m).Preferred()
		if got.Name != tt.want || ok != (tt.want != "") || why != tt.why {
			t.Errorf("%s: Preferred() = %q, %q, %v; want %q, %q", tt.name, got.Name, why, ok, tt.want, tt.why)
		}
	}
}

// TestVerifyKeepsTheOldReport: other consoles may be drawing from it.
func TestVerifyKeepsTheOldReport(t *testing.T) {
	m := kernels()
	m["system/active/SHA256SUMS"] = &fstest.MapFile{Data: []byte(strings.Repeat("00", 32) + "  kernel.img\n")}
	old := read(t, m)
	img, err := old.Images[0].Verify(context.Background(), m, ops.Discard)
	if err != nil {
		t.Fatal(err)
	}
	r := old.Verified(img)
	if i := r.Images[0]; i.Integrity != flash.Damaged || i.Broken != "kernel.img: hash differs" || !slices.Contains(i.Problems, i.Broken) {
		t.Errorf("verified image = %+v", i)
	}
	if i := old.Images[0]; i.Integrity != flash.Unknown || i.Broken != "" || len(i.Problems) != 0 {
		t.Errorf("the old report changed: %+v", i)
	}
}
