package confirm

import (
	"strings"
	"testing"
	"testing/fstest"

	"holdfast/kexec/kexectest"
	"holdfast/ops"
	"holdfast/ops/grubdefault"
	"holdfast/ops/status"
)

// menuList has groups of three and of one, so that no arithmetic finds them.
const menuList = `default saved
title Memory test
kernel /memtest
title Active
savedefault 2
kernel /system/active/kernel.img img=active GRUB_ENTRY=1
title Active (retry)
savedefault 3
kernel /system/active/kernel.img img=active GRUB_ENTRY=2
title Active (last try)
savedefault 4
kernel /system/active/kernel.img img=active GRUB_ENTRY=3
title Backup
savedefault 5
kernel /system/backup/kernel.img img=backup GRUB_ENTRY=4
title Maintenance
savedefault 5
kernel /firmware/kernel.img
title Active by hand
kernel /system/active/kernel.img img=active single GRUB_ENTRY=6
`

func flashWith(t *testing.T, menu string) *status.Report {
	t.Helper()
	m := fstest.MapFS{
		"system/active/kernel.img": {Data: kexectest.Kernel("6.1.0-a")},
		"system/backup/kernel.img": {Data: kexectest.Kernel("6.1.0-b")},
		"cfg/config.cur":           {Data: []byte("x")},
		"boot/grub/default":        {Data: []byte("2\n#\n#\n#\n#\n#\n#\n")},
	}
	if menu != "" {
		m["boot/grub/menu.lst"] = &fstest.MapFile{Data: []byte(menu)}
	}
	r, err := status.Read(status.Target{FS: m, GRUB: status.Place{FS: m}})
	if err != nil || r.Boot == nil {
		t.Fatal(err, r)
	}
	return r
}

func TestChange(t *testing.T) {
	entry := func(e string) grubdefault.Request { return grubdefault.Request{Entry: e} }
	retries := func(n int) grubdefault.Request { return grubdefault.Request{Retries: n} }
	none := grubdefault.Request{}
	tests := []struct {
		name    string
		line    string
		slot    string
		retries int
		noMenu  bool
		want    grubdefault.Request
		kind    ops.Kind
		says    string
	}{
		{"the first try", "quiet img=active GRUB_ENTRY=1", "", 0, false, entry("1"), 0, ""},
		{"the second try", "quiet img=active GRUB_ENTRY=2", "", 0, false, entry("1"), 0, ""},
		{"the last try", "img=active GRUB_ENTRY=3 quiet", "", 0, false, entry("1"), 0, ""},
		{"a group of one", "img=backup GRUB_ENTRY=4", "", 0, false, entry("4"), 0, ""},
		{"another group of the slot", "img=active GRUB_ENTRY=6", "", 0, false, entry("6"), 0, ""},
		{"by kexec", "img=active", "", 0, false, entry("1"), 0, ""},
		{"by kexec, backup", "img=backup", "", 0, false, entry("4"), 0, ""},
		{"the entry alone", "GRUB_ENTRY=3", "", 0, false, entry("1"), 0, ""},
		{"by title", `img=active "GRUB_ENTRY=Active (retry)"`, "", 0, false, entry("1"), 0, ""},
		{"the last word counts", "img=backup img=active GRUB_ENTRY=4 GRUB_ENTRY=2", "", 0, false, entry("1"), 0, ""},
		{"other words that look alike", "ximg=backup IMG=backup img=active noGRUB_ENTRY=4", "", 0, false, entry("1"), 0, ""},
		{"an entry that the menu lost", "img=active GRUB_ENTRY=17", "", 0, false, entry("1"), 0, ""},
		{"an entry that names no slot", "img=active GRUB_ENTRY=0", "", 0, false, entry("1"), 0, ""},
		{"told", "", "active", 0, false, entry("1"), 0, ""},
		{"told, and the entry is of that slot", "GRUB_ENTRY=6", "active", 0, false, entry("6"), 0, ""},
		{"told against the command line", "img=active GRUB_ENTRY=2", "backup", 0, false, entry("4"), 0, ""},
		{"told in the maintenance system", "img=maint", "backup", 0, false, entry("4"), 0, ""},
		{"a menu is better than arithmetic", "img=active GRUB_ENTRY=3", "", 2, false, entry("1"), 0, ""},

		{"they contradict each other", "img=active GRUB_ENTRY=4", "", 0, false, none, ops.Refused, "img=active, but GRUB_ENTRY=4 boots backup"},
		{"an image, booted by maintenance", "img=active GRUB_ENTRY=5", "", 0, false, none, ops.Refused, "boots maintenance"},
		{"maintenance", "img=maintenance", "", 0, false, none, ops.Refused, "nothing to confirm"},
		{"maintenance of Formilux", "img=maint GRUB_ENTRY=4", "", 0, false, none, ops.Refused, "nothing to confirm"},
		{"maintenance by its entry", "GRUB_ENTRY=5", "", 0, false, none, ops.Refused, "nothing to confirm"},
		{"a staged version", "img=1.3.125", "", 0, false, none, ops.Refused, "img=1.3.125 is no slot"},
		{"neither word", "quiet", "", 0, false, none, ops.Refused, "neither img= nor GRUB_ENTRY="},
		{"no command line", "", "", 0, false, none, ops.Refused, "neither img= nor GRUB_ENTRY="},
		{"no such entry", "GRUB_ENTRY=17", "", 0, false, none, ops.Refused, "no entry of boot/grub/menu.lst"},
		{"an entry without a slot", "GRUB_ENTRY=0", "", 0, false, none, ops.Refused, `"Memory test", boots no slot`},
		{"a slot without an entry", "img=factory", "", 0, false, none, ops.Refused, "no entry of boot/grub/menu.lst boots factory"},
		{"no such slot", "img=active", "pending", 0, false, none, ops.Usage, `no slot "pending"`},
		{"maintenance told", "", "maintenance", 0, false, none, ops.Usage, `no slot "maintenance"`},
		{"negative groups", "img=active", "", -2, false, none, ops.Usage, "groups of -2"},

		{"arithmetic, first", "img=active GRUB_ENTRY=0", "", 2, true, entry("0"), 0, ""},
		{"arithmetic, retry", "img=active GRUB_ENTRY=1", "", 2, true, entry("0"), 0, ""},
		{"arithmetic, backup", "GRUB_ENTRY=3", "", 2, true, entry("2"), 0, ""},
		{"arithmetic, groups of three", "GRUB_ENTRY=8", "", 3, true, entry("6"), 0, ""},
		{"arithmetic, groups of one", "GRUB_ENTRY=8", "", 1, true, entry("8"), 0, ""},
		{"arithmetic from what is saved", "img=active", "", 2, true, retries(2), 0, ""},
		{"arithmetic, no word at all", "", "", 2, true, retries(2), 0, ""},
		{"no menu", "img=active GRUB_ENTRY=1", "", 0, true, none, ops.Refused, "belong together: read the boot menu of GRUB Legacy: menu.lst or grub.conf in boot/grub or grub: file does not exist"},
		{"no menu, told", "", "active", 0, true, none, ops.Refused, "no menu"},
		{"no menu, a title", "GRUB_ENTRY=Active", "", 2, true, none, ops.Refused, "GRUB_ENTRY=Active is no number"},
		{"no menu, maintenance", "img=maint GRUB_ENTRY=4", "", 2, true, none, ops.Refused, "nothing to confirm"},
	}
	for _, tt := range tests {
		menu := menuList
		if tt.noMenu {
			menu = ""
		}
		got, err := Request{Report: flashWith(t, menu), CommandLine: tt.line, Slot: tt.slot, Retries: tt.retries}.change()
		if got != tt.want || (err == nil) != (tt.kind == 0) {
			t.Errorf("%s: change() = %+v, %v; want %+v, %q", tt.name, got, err, tt.want, tt.says)
		}
		if err != nil && (ops.ExitCode(err) != int(tt.kind) || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: %q, exit code %d; want %q, %d", tt.name, err, ops.ExitCode(err), tt.says, tt.kind)
		}
	}
}

// TestNoDefault has a menu, and no saved default or one that cannot be read.
func TestNoDefault(t *testing.T) {
	for text, want := range map[string]string{"": "find the saved boot default: default in boot/grub or grub: file does not exist", "2\n": "2 bytes, GRUB Legacy wants at least 10"} {
		m := fstest.MapFS{"system/active/kernel.img": {Data: kexectest.Kernel("6.1.0-a")}, "cfg/config.cur": {}, "boot/grub/menu.lst": {Data: []byte(menuList)}}
		if text != "" {
			m["boot/grub/default"] = &fstest.MapFile{Data: []byte(text)}
		}
		r, err := status.Read(status.Target{FS: m, GRUB: status.Place{FS: m}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = Request{Report: r, CommandLine: "img=active GRUB_ENTRY=1"}.Plan()
		if err == nil || !strings.Contains(err.Error(), want) || ops.ExitCode(err) != int(ops.Invalid) {
			t.Errorf("a default of %q: %v, exit %d, want %q, exit %d", text, err, ops.ExitCode(err), want, ops.Invalid)
		}
	}
}
