package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/ops"
)

// TestTarget names the flash, and the place of GRUB's files, in every way that needs no root.
func TestTarget(t *testing.T) {
	disk := lookDisk(t, "grub-legacy")
	image, err := os.ReadFile(disk)
	must(t, err)
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, b, 0o644))
		return path
	}
	d := document(t, "status", "--flash", disk)
	if d.Flash.Target != disk+":2" || *d.Flash.Access != "rw" || *d.Flash.FSType != "ext2" || d.BootDefault == nil {
		t.Errorf("status of a disk: %s, boot default %s", whole(t, d.Flash), whole(t, d.BootDefault))
	}
	if named := document(t, "status", "--flash", disk+":2"); whole(t, named) != whole(t, d) {
		t.Errorf("status of its partition: %s, want %s", whole(t, named), whole(t, d))
	}
	if d := document(t, "status", "--flash", demoFlash(t), "--grub", disk); d.BootDefault == nil || *d.BootDefault.Device != disk || *d.BootDefault.Partition != 1 {
		t.Errorf("status with --grub: boot default %s", whole(t, d.BootDefault))
	}

	twice := bytes.Clone(image)
	copy(twice[446:], image[462:478]) // the flash as the first partition too
	super := bytes.Clone(image)
	start := int(super[470]) | int(super[471])<<8 | int(super[472])<<16
	clear(super[start*512+1024 : start*512+2048])
	for _, c := range []struct {
		name string
		line string // the running kernel's
		args []string
		code ops.Kind
		says []string
	}{
		{"two of them", "", []string{"--flash", file("twice", twice)}, ops.NoFlash, []string{"there is a flash on each of " + dir + "/twice:1 (ext2, label ", dir + "/twice:2 (ext2, label ", "hint: say which by --flash"}},
		{"truncated", "", []string{"--flash", file("short", image[:len(image)-512])}, ops.Invalid, []string{"partition 2 is outside of the disk", "hint: copy it again"}},
		{"truncated file system", "", []string{"--flash", file("part", image[start*512:len(image)/2])}, ops.Invalid, []string{"it is cut off: it has ", "hint: copy it again"}},
		{"no superblock", "", []string{"--flash", file("super", super) + ":2"}, ops.Invalid, []string{"super:2: no file system that is known here"}},
		{"no flash on it", "", []string{"--flash", disk + ":1"}, ops.NoFlash, []string{"no flash here"}},
		{"no GRUB there", "", []string{"--flash", disk, "--grub", file("zeros", make([]byte, 1<<20))}, ops.Invalid, []string{"zeros: no file system", "by --grub"}},
		{"named by the kernel", "quiet flash=LABEL=no-such-label", nil, ops.NoFlash, []string{"flash=LABEL=no-such-label: no such partition; there is "}},
		{"nowhere", "quiet", nil, ops.NoFlash, []string{"the disks of this machine: ", "by --flash"}},
	} {
		var out bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &out, commandLine: func() string { return c.line }}
		code := a.run(context.Background(), append([]string{"status"}, c.args...))
		for _, want := range c.says {
			if code != int(c.code) || !strings.Contains(out.String(), want) {
				t.Errorf("%s: exit %d, want %d and %q:\n%s", c.name, code, c.code, want, out.String())
			}
		}
	}
}
