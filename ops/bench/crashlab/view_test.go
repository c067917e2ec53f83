package crashlab

import (
	"maps"
	"testing"
)

// flashFiles are the files of a flash with images in its slots.
func flashFiles(slots map[string]string) map[string][]byte {
	files := map[string][]byte{"boot/grub/menu.lst": []byte(Menu), "boot/grub/default": []byte("0\n#########\n"), "firmware/kernel.img": {1}}
	for slot, version := range slots {
		for name, data := range NewImage(version) {
			files["system/"+slot+"/"+name] = data
		}
	}
	return files
}

func TestView(t *testing.T) {
	known := newCatalogue("v1", "v2")
	law := Law{Keep: []string{"v2"}}
	both := flashFiles(map[string]string{"active": "v2", "backup": "v1"})
	with := func(change func(files map[string][]byte)) map[string][]byte {
		files := maps.Clone(both)
		change(files)
		return files
	}
	for _, test := range []struct {
		name  string
		files map[string][]byte
		pair  Slots
		boots string
		wrong int // rules that are broken
	}{
		{"as it should be", both, Slots{"v2", "v1"}, "v2", 0},
		{"v2 as the backup", flashFiles(map[string]string{"active": "v1", "backup": "v2"}), Slots{"v1", "v2"}, "v1", 0},
		{"active is gone: its fallback boots", flashFiles(map[string]string{"backup": "v2"}), Slots{"", "v2"}, "v2", 0},
		{"active is gone, and was to be kept", flashFiles(map[string]string{"backup": "v1"}), Slots{"", "v1"}, "v1", 1},
		{"nothing is left", flashFiles(nil), Slots{}, "maintenance", 2},
		{"nothing at all", map[string][]byte{}, Slots{}, Broken, 2},
		{"a byte of the kernel", with(func(f map[string][]byte) { f["system/active/kernel.img"] = []byte("x") }), Slots{Broken, "v1"}, Broken, 3},
		{"an empty kernel: GRUB goes on", with(func(f map[string][]byte) { f["system/active/kernel.img"] = nil }), Slots{Broken, "v1"}, "v1", 2},
		{"no initrd: GRUB goes on", with(func(f map[string][]byte) { delete(f, "system/active/initrd.img") }), Slots{Broken, "v1"}, "v1", 2},
		{"a file too much", with(func(f map[string][]byte) { f["system/backup/core"] = []byte("x") }), Slots{"v2", Broken}, "v2", 1},
		{"a mixture", with(func(f map[string][]byte) { f["system/backup/initrd.img"] = f["system/active/initrd.img"] }), Slots{"v2", Broken}, "v2", 1},
		{"default: backup", with(func(f map[string][]byte) { f["boot/grub/default"] = []byte("2\n#########\n") }), Slots{"v2", "v1"}, "v1", 0},
		{"an empty default", with(func(f map[string][]byte) { f["boot/grub/default"] = nil }), Slots{"v2", "v1"}, Broken, 1},
		{"no menu", with(func(f map[string][]byte) { delete(f, "boot/grub/menu.lst") }), Slots{"v2", "v1"}, Broken, 1},
	} {
		v := known.view(test.files)
		if v.pair() != test.pair || v.Boots != test.boots {
			t.Errorf("%s: %v, want %v that boots %s", test.name, v, test.pair, test.boots)
		}
		if wrong := law.instant(v); len(wrong) != test.wrong {
			t.Errorf("%s: broken rules %q, want %d", test.name, wrong, test.wrong)
		}
	}
}

func TestAfter(t *testing.T) {
	law := Law{Keep: []string{"v2"}, Legal: []Slots{{"v2", "v1"}}, Done: Slots{"v3", "v2"}}
	known := newCatalogue("v1", "v2", "v3")
	for _, test := range []struct {
		slots Slots
		done  bool
		ok    bool
	}{
		{Slots{"v2", "v1"}, false, true},
		{Slots{"v3", "v2"}, false, true},
		{Slots{"v2", "v3"}, false, false},
		{Slots{"v2", "v1"}, true, false},
		{Slots{"v3", "v2"}, true, true},
		{Slots{"v3", "v1"}, false, false},
	} {
		v := known.view(flashFiles(map[string]string{"active": test.slots.Active, "backup": test.slots.Backup}))
		if wrong := law.after(v, test.done); (len(wrong) == 0) != test.ok {
			t.Errorf("%v, returned %t: %q, want that to be right: %t", test.slots, test.done, wrong, test.ok)
		}
	}
}
