package status

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"holdfast/flash"
	"holdfast/kexec/kexectest"
	"holdfast/ops"
)

// retryMenu is a menu as disk create writes it.
const retryMenu = `default saved
timeout 2
fallback 2 4
title Active image
savedefault 1
root (hd0,1)
kernel /system/active/kernel.img img=active GRUB_ENTRY=0
title Active image (retry)
savedefault 2
root (hd0,1)
kernel /system/active/kernel.img img=active GRUB_ENTRY=1
title Backup image
savedefault 3
root (hd0,1)
kernel /system/backup/kernel.img img=backup GRUB_ENTRY=2
title Backup image (retry)
savedefault 4
root (hd0,1)
kernel /system/backup/kernel.img img=backup GRUB_ENTRY=3
title Maintenance console
savedefault 4
root (hd0,0)
kernel /firmware/kernel.img
`

// legacyDefault is GRUB Legacy's file with an entry saved.
func legacyDefault(entry string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(entry + strings.Repeat("\n#", 10) + "\n")}
}

// bootable is a flash with GRUB's files on itself.
func bootable(entry string) fstest.MapFS {
	m := kernels()
	m["boot/grub/menu.lst"] = &fstest.MapFile{Data: []byte(retryMenu)}
	m["boot/grub/default"] = legacyDefault(entry)
	m["firmware/kernel.img"] = &fstest.MapFile{Data: kexectest.Kernel("6.1.0-m")}
	return m
}

func TestBoot(t *testing.T) {
	tests := []struct {
		name    string
		saved   string
		edit    func(fstest.MapFS)
		slot    string // that boots next
		next    string
		problem string // the last one, "" for none
	}{
		{"active", "0", nil, "active", "active active backup backup maintenance", ""},
		{"retry", "1", nil, "active", "active backup backup maintenance", ""},
		{"backup", "2", nil, "backup", "backup backup maintenance", ""},
		{"maintenance", "4", nil, "maintenance", "maintenance", ""},
		{"backup is empty", "0", func(m fstest.MapFS) { drop(m, "system/backup/") }, "active", "active active maintenance", ""},
		{"active is no kernel", "0", func(m fstest.MapFS) { m["system/active/kernel.img"].Data = []byte("text") },
			"active", "backup backup maintenance", `entry 0, "Active image": its kernel cannot be loaded`},
		{"the maintenance kernel is not there", "2", func(m fstest.MapFS) { delete(m, "firmware/kernel.img") },
			"backup", "backup backup", ""},
		{"the maintenance kernel is empty", "2", func(m fstest.MapFS) { m["firmware/kernel.img"].Data = nil },
			"backup", "backup backup", ""},
		{"the menu names another kernel", "0", func(m fstest.MapFS) {
			m["boot/grub/menu.lst"].Data = []byte(strings.ReplaceAll(retryMenu, "backup/kernel.img", "backup/vmlinuz"))
		}, "active", "active active maintenance", ""},
		{"active has lost its initrd", "0", func(m fstest.MapFS) {
			m["boot/grub/menu.lst"].Data = []byte(strings.Replace(retryMenu, "GRUB_ENTRY=0\n", "GRUB_ENTRY=0\ninitrd /system/active/gone.img\n", 1))
		}, "active", "backup backup maintenance", `entry 0, "Active image": its initrd cannot be loaded`},
		{"maintenance has lost its initrd", "2", func(m fstest.MapFS) {
			m["boot/grub/menu.lst"].Data = []byte(retryMenu + "initrd /firmware/initrd.img\n")
		}, "backup", "backup backup", ""},
		{"maintenance has its initrd", "2", func(m fstest.MapFS) {
			m["boot/grub/menu.lst"].Data = []byte(retryMenu + "initrd /firmware/initrd.img\n")
			m["firmware/initrd.img"] = &fstest.MapFile{Data: []byte("x")}
		}, "backup", "backup backup maintenance", ""},
		{"GRUB's own writing", "1\x00\n\n\n\n", nil, "active", "active backup backup maintenance", ""},
		{"no such entry", "9", nil, "backup", "backup backup maintenance", `boot/grub/menu.lst has no entry "9"`},
		{"menu does not heed it", "2", func(m fstest.MapFS) {
			m["boot/grub/menu.lst"].Data = []byte(strings.Replace(retryMenu, "default saved", "default 0", 1))
		}, "active", "active", "boot/grub/menu.lst does not heed what is saved"},
		{"no menu", "0", func(m fstest.MapFS) { delete(m, "boot/grub/menu.lst") }, "", "", "file does not exist"},
		{"grubenv", "0", func(m fstest.MapFS) {
			drop(m, "boot/grub/")
			env := "# GRUB Environment Block\nsaved_entry=old\nnext_entry=0\n"
			m["boot/grub/grubenv"] = &fstest.MapFile{Data: []byte(env + strings.Repeat("#", 1024-len(env)))}
			m["boot/grub/grub.cfg"] = &fstest.MapFile{Data: []byte(grub2Menu)}
		}, "active", "active backup", ""},
	}
	for _, tt := range tests {
		m := bootable(tt.saved)
		if tt.edit != nil {
			tt.edit(m)
		}
		r, err := Read(Target{FS: m, GRUB: Place{FS: m}})
		if err != nil {
			t.Fatal(err)
		}
		if r.Boot == nil {
			t.Errorf("%s: no Boot: %q", tt.name, r.Problems)
			continue
		}
		var problem string
		if n := len(r.Problems); n > 0 {
			problem = r.Problems[n-1]
		}
		if next := strings.Join(r.BootDocument().NextBoot, " "); r.Default() != tt.slot || next != tt.next {
			t.Errorf("%s: boots %q, then %q; want %q, %q", tt.name, r.Default(), next, tt.slot, tt.next)
		}
		if (problem == "") != (tt.problem == "") || !strings.Contains(problem, tt.problem) {
			t.Errorf("%s: problems %q, want %q", tt.name, r.Problems, tt.problem)
		}
	}
}

// TestMaintenanceOnFlash has GRUB's files on a partition of their own, and the maintenance kernel on
// the flash or on neither.
func TestMaintenanceOnFlash(t *testing.T) {
	for _, tt := range []struct{ gone, next string }{
		{"", "backup backup maintenance"},
		{"firmware/kernel.img", "backup backup"},
	} {
		flash, boot := bootable("2"), fstest.MapFS{}
		for name, file := range flash {
			if own, ok := strings.CutPrefix(name, "boot/"); ok {
				boot[own] = file
			}
		}
		drop(flash, "boot/")
		delete(flash, tt.gone)
		r, err := Read(Target{FS: flash, GRUB: Place{FS: boot}})
		if err != nil {
			t.Fatal(err)
		}
		if next := strings.Join(r.BootDocument().NextBoot, " "); next != tt.next {
			t.Errorf("without %q: next %q, want %q", tt.gone, next, tt.next)
		}
	}
}

// grub2Menu is a menu as disk create writes it, cut short.
const grub2Menu = `load_env
if [ -n "$next_entry" ]; then
	set default="$next_entry"
	set next_entry=
	save_env next_entry
else
	set default="$saved_entry"
fi
menuentry 'New' --id new {
	linux /system/active/kernel.img img=active
}
menuentry 'Old' --id old {
	linux /system/backup/kernel.img img=backup
}
`

func drop(m fstest.MapFS, prefix string) {
	for name := range m {
		if strings.HasPrefix(name, prefix) {
			delete(m, name)
		}
	}
}

// TestBootNotKnown: what is wrong with GRUB's files is said, and hides no image.
func TestBootNotKnown(t *testing.T) {
	tests := []struct {
		name string
		edit func(fstest.MapFS)
		grub func(fs.FS) Place
		says string
	}{
		{"not looked for", nil, func(fs.FS) Place { return Place{} }, ""},
		{"not found", nil, func(fs.FS) Place { return Place{Problem: "disk.img: two of them"} }, "disk.img: two of them"},
		{"no default", func(m fstest.MapFS) { drop(m, "boot/") }, nil, "does not exist"},
		{"a default of 9 bytes", func(m fstest.MapFS) { m["boot/grub/default"].Data = []byte("0\n#\n#\n#\n#"[:9]) }, nil, "9 bytes"},
		{"no number", func(m fstest.MapFS) { m["boot/grub/default"] = legacyDefault("x") }, nil, "boot/grub/default"},
		{"a folder", func(m fstest.MapFS) {
			delete(m, "boot/grub/default")
			m["boot/grub/default/x"] = &fstest.MapFile{}
		}, nil, "boot/grub/default"},
	}
	for _, tt := range tests {
		m := bootable("0")
		if tt.edit != nil {
			tt.edit(m)
		}
		place := Place{FS: m}
		if tt.grub != nil {
			place = tt.grub(m)
		}
		r, err := Read(Target{FS: m, GRUB: place})
		if err != nil {
			t.Fatal(err)
		}
		says := strings.Join(r.Problems, "\n")
		if r.Boot != nil || len(r.Images) != 4 || (says == "") != (tt.says == "") || !strings.Contains(says, tt.says) {
			t.Errorf("%s: Boot %v, %d images, problems %q; want %q", tt.name, r.Boot, len(r.Images), says, tt.says)
		}
		if i, _, ok := r.Preferred(); !ok || i.Name != flash.Active || r.Default() != "" {
			t.Errorf("%s: %q would boot, default %q", tt.name, i.Name, r.Default())
		}
	}
}

func TestVerifyAll(t *testing.T) {
	m := bootable("0")
	m["system/active/SHA256SUMS"] = &fstest.MapFile{Data: []byte(strings.Repeat("00", 32) + "  kernel.img\n")}
	old := read(t, m)
	r, err := old.VerifyAll(t.Context(), ops.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range r.Images {
		got = append(got, i.Name+" "+i.Integrity.String())
	}
	for _, c := range r.Configs {
		got = append(got, c.Name+" "+c.Integrity.String())
	}
	want := []string{"active damaged", "backup unchecked", "factory checking", "3 unchecked", "cur damaged", "bak checking", "fac checking"}
	if !slices.Equal(got, want) {
		t.Errorf("verified: %q, want %q", got, want)
	}
	for _, p := range []string{"active: kernel.img: hash differs", "cfg/config.cur: neither a tar nor a cpio archive"} {
		if !slices.Contains(r.AllProblems(), p) {
			t.Errorf("problems %q lack %q", r.AllProblems(), p)
		}
	}
	if old.Configs[0].Integrity != flash.Unknown || old.Images[0].Integrity != flash.Unknown {
		t.Error("the old report changed")
	}
}

// TestSaidGRUB: GRUB counts its own tries, in the boot default. Whoever finds another image booted is told.
func TestSaidGRUB(t *testing.T) {
	tests := map[string]string{
		"0": "active 2 is on trial, 3 tries left",
		"1": "active 2 is on trial, 3 tries left; it has not confirmed, and GRUB boots its next entry, 1",
		"2": "active 2 is on trial, 3 tries left; it has not confirmed, and GRUB boots backup",
		"3": "active 2 is on trial, 3 tries left",
		"9": "active 2 is on trial, 3 tries left",
	}
	for saved, want := range tests {
		m := kernels()
		menu := "default saved\n"
		for _, slot := range []string{"active", "active", "backup"} {
			menu += "title " + slot + "\nkernel /system/" + slot + "/kernel.img img=" + slot + "\n"
		}
		m["boot/grub/menu.lst"] = &fstest.MapFile{Data: []byte(menu + "title Maintenance\nkernel /firmware/kernel.img\n")}
		m["boot/grub/default"] = &fstest.MapFile{Data: []byte(saved + "\n##########")}
		r := read(t, m)
		img := r.Images[0]
		img.Entry = flash.Entry{ID: img.ID, State: flash.Trial, Tries: 3}
		if got := r.Verified(img).Said(flash.Event{Kind: flash.Installed, ID: img.ID}); got != want {
			t.Errorf("with entry %s saved: %q, want %q", saved, got, want)
		}
	}
}
