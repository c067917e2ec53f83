package arrange

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/flash"
	"holdfast/kexec/kexectest"
	"holdfast/ops"
	"holdfast/ops/session"
	"holdfast/ops/status"
)

// reporter keeps what it is told.
type reporter struct{ lines []string }

func (*reporter) Progress(ops.Progress) {}
func (r *reporter) Log(line string)     { r.lines = append(r.lines, line) }

const menu = `default saved
title Backup image
	root (hd0,0)
	kernel /system/backup/kernel.img img=backup
`

// TestNoDefault: whoever reads that the boot default is not set must read what boots then.
func TestNoDefault(t *testing.T) {
	const active = "title Active image\n\troot (hd0,0)\n\tkernel /system/active/kernel.img img=active\n"
	const next = `GRUB boots entry 0, "Backup image": backup, v1 (unknown)`
	for _, tt := range []struct {
		name, menu, active string
		fails              bool
		want               string
	}{
		{"no entry for it", menu, string(kexectest.Kernel("6.1.0")), false, next},
		{"it fails at the last moment", menu + active, "no kernel", true, next},
		{"no menu", "", string(kexectest.Kernel("6.1.0")), false, "what GRUB boots next is not known"},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"boot/grub/default": "0\n" + strings.Repeat("#\n", 10), "boot/grub/menu.lst": tt.menu, "cfg/system.arg": "",
			"system/active/kernel.img": tt.active, "system/active/kernel.ver": "v2\n",
			"system/backup/kernel.img": string(kexectest.Kernel("6.1.0")), "system/backup/kernel.ver": "v1\n",
		} {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		r, err := status.Read(status.Target{FS: os.DirFS(dir), GRUB: status.Place{FS: os.DirFS(dir)}})
		if err != nil {
			t.Fatal(err)
		}
		rep := &reporter{}
		err = Change{Op: flash.Installing}.setDefault(t.Context(), &session.Session{Report: r, Dir: dir}, rep)
		told := strings.Join(rep.lines, "; ")
		if (err != nil) != tt.fails {
			t.Errorf("%s: setDefault = %v", tt.name, err)
		}
		if err != nil {
			told = err.Error()
		}
		if !strings.Contains(told, "the boot default is not set") || !strings.HasSuffix(told, "; "+tt.want) {
			t.Errorf("%s: says %q, want %q at its end", tt.name, told, tt.want)
		}
		log, err := os.ReadFile(filepath.Join(dir, "cfg/holdfast.log"))
		if err != nil || !strings.HasSuffix(string(log), tt.want+"\n") {
			t.Errorf("%s: the log says %q, %v", tt.name, log, err)
		}
	}
}
