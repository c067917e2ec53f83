package grub

import (
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// menuIn is the menu of the one GRUB that has files there.
func menuIn(fsys fs.FS) (Menu, error) {
	if _, err := firstOf(fsys, grub2.files().menus...); err == nil {
		return Place{Form: EnvFile}.Menu(fsys)
	}
	return Place{Form: LegacyFile}.Menu(fsys)
}

func TestReadMenuOfGRUBLegacy(t *testing.T) {
	const text = `# title not this
default saved
timeout=2
fallback 2 4
title Active image
	savedefault 1
root (hd0,1)
kernel /system/active/kernel.img quiet note="a  b" img=backup
initrd /system/active/initrd.img
title=Backup image
kernel	(hd0,1)/sys/backup/kernel.img
title	Maintenance
kernel --type=linux --no-mem-option /firmware/kernel.img x
title Formilux
kernel /boot/kernel img=maint
title Another system
chainloader +1
title Half
kernel
`
	want := []Entry{
		{Key: "0", Title: "Active image", Saves: "1", Slot: "active", Kernel: "/system/active/kernel.img", Words: []string{"quiet", `note="a  b"`, "img=backup"}, Initrds: []string{"/system/active/initrd.img"}, Partition: 2},
		{Key: "1", Title: "Backup image", Slot: "backup", Kernel: "/sys/backup/kernel.img", Words: []string{}, Partition: 2},
		{Key: "2", Title: "Maintenance", Slot: "maintenance", Kernel: "/firmware/kernel.img", Words: []string{"x"}},
		{Key: "3", Title: "Formilux", Slot: "maintenance", Kernel: "/boot/kernel", Words: []string{"img=maint"}},
		{Key: "4", Title: "Another system"},
		{Key: "5", Title: "Half"},
	}
	got, err := menuIn(fstest.MapFS{"boot/grub/menu.lst": {Data: []byte(text)}})
	if err != nil || got.Path != "boot/grub/menu.lst" || !reflect.DeepEqual(plain(got.Entries), want) {
		t.Errorf("Menu = %+v, %v, want %+v", got, err, want)
	}
}

func TestReadMenuOfGRUB2(t *testing.T) {
	const text = `
if [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "$x" ]; then set y=1; fi
function load_video {
  menuentry 'in a function' {
  }
}
set default="${saved_entry}"
menuentry 'It'\''s "one"' --class os $menuentry_id_option 'one' { # a comment
	set saved_entry=1
	save_env saved_entry
	if [ "$y" = 1 ]; then
		insmod gzio
	fi
	linux ($disk,msdos2)/system/active/kernel.img 'note=a b' "c\d"  e\ f
	initrd ($disk,msdos2)/system/active/initrd.img
}
submenu 'More' {
	menuentry 'Inside' --id inside {
		linux /system/backup/kernel.img
	}
}
menuentry "Factory" --id=fac {
	linux16 /boot/vmlinuz img=factory
}
`
	want := []Entry{
		{Key: "0", Title: `It's "one"`, ID: "one", Saves: "1", Slot: "active", Kernel: "/system/active/kernel.img", Words: []string{"note=a b", `c\d`, "e f"}, Initrds: []string{"/system/active/initrd.img"}, Partition: 2},
		{Key: "1", Title: "More", Submenu: true},
		{Key: "1>0", Title: "Inside", ID: "inside", Slot: "backup", Kernel: "/system/backup/kernel.img", Words: []string{}},
		{Key: "2", Title: "Factory", ID: "fac", Slot: "factory", Kernel: "/boot/vmlinuz", Words: []string{"img=factory"}},
	}
	got, err := menuIn(fstest.MapFS{"grub/grub.cfg": {Data: []byte(text)}})
	if err != nil || !reflect.DeepEqual(plain(got.Entries), want) {
		t.Errorf("Menu = %+v, %v, want %+v", got.Entries, err, want)
	}
	for name, key := range map[string]string{"0": "0", "2": "2", `It's "one"`: "0", "fac": "2", "More": "1", "More>Inside": "1>0", "1>0": "1>0", "1>inside": "1>0"} {
		if e, ok := got.Find(name); !ok || e.Key != key {
			t.Errorf("Find(%q) = %+v, %v, want entry %s", name, e, ok, key)
		}
	}
	for _, name := range []string{"", "3", "02", "Inside", "0>0", "1>", "1>1", ">0", "More>>Inside"} {
		if e, ok := got.Find(name); ok {
			t.Errorf("Find(%q) = %+v, want none", name, e)
		}
	}
}

// plain is the entries without what is the package's own.
func plain(entries []Entry) []Entry {
	entries = slices.Clone(entries)
	for i := range entries {
		entries[i].parents, entries[i].device, entries[i].moved, entries[i].ways = nil, "", false, ways{}
	}
	return entries
}

func TestReadMenuRefuses(t *testing.T) {
	tests := map[string]string{
		"an open if":    "if [ \"$x\" ]; then\nmenuentry a {\n}\n",
		"a stray fi":    "fi\n",
		"a stray brace": "echo a {\n} }\n",
		"a pipe":        "ls | more\n",
		"a deep nest":   strings.Repeat("if a; then ", 200) + strings.Repeat("fi;", 200),
		"no end":        "function f { f; f; }; f",
		"open block":    "menuentry a {\n",
		"closed block":  "}\n",
		"an open quote": "menuentry 'a {\n}\n",
	}
	for name, text := range tests {
		if got, err := menuIn(fstest.MapFS{"grub/grub.cfg": {Data: []byte(text)}}); err == nil {
			t.Errorf("%s: Menu = %+v, want an error", name, got)
		}
	}
	if _, err := menuIn(fstest.MapFS{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Menu of nothing = %v, want fs.ErrNotExist", err)
	}
}

func TestSlotOf(t *testing.T) {
	tests := []struct {
		kernel, word, want string
	}{
		{"/system/active/kernel.img", "", "active"},
		{"/sys/factory/kernel.img", "", "factory"},
		{"//system/./backup/kernel.img", "", "backup"},
		{"/system/1.3.125/kernel.img", "img=active", ""}, // a staged version is in no slot
		{"/firmware/kernel.img", "img=active", "maintenance"},
		{"/vmlinuz", "img=active", "active"},
		{"/vmlinuz", "img=other", ""},
		{"/vmlinuz", "", ""},
		{"/mnt/flash/system/active/kernel.img", "", "active"},
		{"/flash/sys/backup/kernel.img", "", "backup"},
		{"/system/active/old/kernel.img", "", ""},
		{"/system/active", "", ""},
		{"kernel.img", "", ""},
		{"", "", ""},
	}
	for _, test := range tests {
		if got := slotOf(test.kernel, []string{test.word}); got != test.want {
			t.Errorf("slotOf(%q, %q) = %q, want %q", test.kernel, test.word, got, test.want)
		}
	}
}

// TestOnPartition is a disk with a flash on each of two partitions.
func TestOnPartition(t *testing.T) {
	tests := []struct {
		name, file, entry string
		slot              string // for the flash on partition 2
	}{
		{"root of it", "menu.lst", "root (hd0,1)\nkernel /system/active/kernel.img", "active"},
		{"root elsewhere", "menu.lst", "root (hd0,0)\nkernel /system/active/kernel.img", ""},
		{"path elsewhere", "menu.lst", "root (hd0,1)\nkernel (hd0,0)/system/active/kernel.img", ""},
		{"path of it", "menu.lst", "rootnoverify (hd0,0)\nkernel (hd0,1)/system/active/kernel.img", "active"},
		{"logical partition", "menu.lst", "root (hd0,4)\nkernel /system/active/kernel.img", ""},
		{"no root", "menu.lst", "kernel /system/active/kernel.img", "active"},
		{"root of the entry before", "menu.lst", "root (hd0,0)\ntitle b\nkernel /system/active/kernel.img", "active"},
		{"searched", "menu.lst", "root (hd0,0)\nfind --set-root /x\nkernel /system/active/kernel.img", "active"},
		{"by UUID", "menu.lst", "root (hd0,0)\nuuid 1234\nkernel /system/active/kernel.img", "active"},
		{"slice of BSD", "menu.lst", "root (hd0,0,a)\nkernel /system/active/kernel.img", "active"},
		{"maintenance", "menu.lst", "root (hd0,0)\nkernel /firmware/kernel.img", "maintenance"},
		{"root of it", "grub.cfg", "set root='hd0,msdos2'\nlinux /system/active/kernel.img", "active"},
		{"root elsewhere", "grub.cfg", "set root=(hd0,gpt3)\nlinux /system/active/kernel.img", ""},
		{"path elsewhere", "grub.cfg", "linux ($disk,msdos1)/system/active/kernel.img", ""},
		{"searched", "grub.cfg", "set root='hd0,msdos1'\nsearch --fs-uuid --set=root 1234\nlinux /system/active/kernel.img", "active"},
		{"searched by the way", "grub.cfg", "set root='hd0,msdos1'\nsearch --set --label x\nlinux /system/active/kernel.img", "active"},
	}
	for _, tt := range tests {
		text := "title a\n" + tt.entry + "\n"
		if tt.file == "grub.cfg" {
			text = "menuentry a {\n" + tt.entry + "\n}\n"
		}
		m, err := readMenu(fstest.MapFS{"grub/" + tt.file: {Data: []byte(text)}}, "grub/"+tt.file)
		if err != nil {
			t.Fatal(err)
		}
		e := m.OnPartition(2).Entries[len(m.Entries)-1]
		if e.Slot != tt.slot || tt.slot == "" && e.Elsewhere != "active" {
			t.Errorf("%s, %s: slot %q, elsewhere %q, want %q", tt.file, tt.name, e.Slot, e.Elsewhere, tt.slot)
		}
	}
}

// TestInitrds: an initrd that cannot be told to be beside the kernel is not known.
func TestInitrds(t *testing.T) {
	tests := []struct{ name, file, entry, want string }{
		{"plain", "menu.lst", "root (hd0,1)\nkernel /k\ninitrd /i", "/i"},
		{"no root", "menu.lst", "kernel /k\ninitrd /i", "/i"},
		{"both with a device", "menu.lst", "root (hd0,0)\nkernel (hd0,1)/k\ninitrd (hd0,1)/i", "/i"},
		{"device of root", "menu.lst", "root (hd0,1)\nkernel /k\ninitrd (hd0,1)/i", "/i"},
		{"one word", "menu.lst", "kernel /k\ninitrd /i more", "/i"},
		{"two lines", "menu.lst", "kernel /k\ninitrd /i\ninitrd /j", "/i /j"},
		{"another partition", "menu.lst", "root (hd0,0)\nkernel (hd0,1)/k\ninitrd /i", ""},
		{"another disk", "menu.lst", "kernel (hd0,1)/k\ninitrd (hd1,1)/i", ""},
		{"another root", "menu.lst", "uuid 1\nkernel /k\nuuid 2\ninitrd /i", ""},
		{"blocks", "menu.lst", "root (hd0,1)\nkernel /k\ninitrd (hd0,1)17+4", ""},
		{"before the kernel", "menu.lst", "initrd /i\nkernel /k", ""},
		{"of a kernel before", "menu.lst", "kernel /k\ninitrd /i\nkernel /l", ""},
		{"behind savedefault", "menu.lst", "kernel /k\nsavedefault\ninitrd /i", ""},
		{"no file", "menu.lst", "kernel /k\ninitrd", ""},

		{"plain", "grub.cfg", "linux /k\ninitrd /i", "/i"},
		{"several", "grub.cfg", "linux /k\ninitrd /ucode /i", "/ucode /i"},
		{"for a kernel of 16 bits", "grub.cfg", "linux16 /k\ninitrd16 /i", "/i"},
		{"with a name", "grub.cfg", "linux /k\ninitrd newc:etc/x:/i /j", "/i /j"},
		{"a device that is not known", "grub.cfg", "linux ($d,msdos2)/k\ninitrd ($d,msdos2)/i", "/i"},
		{"savedefault", "grub.cfg", "linux /k\nset saved_entry=1\nsave_env saved_entry\ninitrd /i", "/i"},
		{"a path that is not known", "grub.cfg", "linux /k\ninitrd /i-$x", ""},
		{"another partition", "grub.cfg", "set root=hd0,msdos1\nlinux (hd0,msdos2)/k\ninitrd /i", ""},
		{"another root", "grub.cfg", "linux /k\nsearch --set=root --label x\ninitrd /i", ""},
		{"another device", "grub.cfg", "linux ($d,msdos2)/k\nset d=hd1\ninitrd ($d,msdos2)/i", ""},
		{"perhaps", "grub.cfg", "linux /k\nif [ -f /i ]; then initrd /i; fi", ""},
		{"perhaps another kernel", "grub.cfg", "linux /k\ninitrd /i\nif [ -f /l ]; then linux /l; fi", ""},
		{"in a function", "grub.cfg", "linux /k\nload", ""},
	}
	for _, tt := range tests {
		text := "title a\n" + tt.entry + "\n"
		if tt.file == "grub.cfg" {
			text = "insmod regexp\nregexp --set=d x y\nregexp --set=x x y\nmenuentry a {\n" + tt.entry + "\n}\n"
		}
		m, err := readMenu(fstest.MapFS{"grub/" + tt.file: {Data: []byte(text)}}, "grub/"+tt.file)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(m.Entries[0].Initrds, " "); got != tt.want {
			t.Errorf("%s, %s: initrds %q, want %q", tt.file, tt.name, got, tt.want)
		}
	}
}

func TestInSlot(t *testing.T) {
	for _, tt := range []struct{ kernel, file, want string }{
		{"/system/active/kernel.img", "/system/active/kernel.img", "kernel.img"},
		{"/system/active/kernel.img", "/system//active/initrd.img", "initrd.img"},
		{"/mnt/sys/active/vmlinuz", "/mnt/sys/active/vmlinuz", "vmlinuz"},
		{"/system/active/kernel.img", "/system/backup/initrd.img", ""},
		{"/system/active/kernel.img", "/mnt/system/active/initrd.img", ""},
		{"/system/active/kernel.img", "/boot/initrd.img", ""},
		{"/boot/active/vmlinuz", "/boot/active/vmlinuz", ""}, // img= alone tells the slot
	} {
		e := Entry{Kernel: tt.kernel, Slot: "active"}
		if got := e.InSlot(tt.file); got != tt.want {
			t.Errorf("InSlot(%q) with kernel %q = %q, want %q", tt.file, tt.kernel, got, tt.want)
		}
	}
}
