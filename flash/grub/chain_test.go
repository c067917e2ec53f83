package grub

import (
	"strings"
	"testing"
	"testing/fstest"
)

const saveLine2 = "\tset saved_entry=%\n\tsave_env saved_entry\n"

// ours are menus with the entries of our disks: what each saves, by %.
func ours(t *testing.T, saves, head string) (legacyMenu, grub2Menu Menu) {
	t.Helper()
	var list, config strings.Builder
	list.WriteString("default saved\n" + head + "\n")
	config.WriteString("load_env\nif [ -n \"$next_entry\" ]; then\n\tset default=\"$next_entry\"\n\tset next_entry=\n\tsave_env next_entry\nelse\n" +
		"\tset default=\"$saved_entry\"\nfi\n")
	if fallback, ok := strings.CutPrefix(head, "fallback "); ok {
		config.WriteString("set fallback=\"" + fallback + "\"\n")
	}
	kernels := []string{"/system/active", "/system/active", "/system/backup", "/system/backup", "/firmware"}
	for i, save := range strings.Fields(saves) {
		title := "Entry " + string(rune('a'+i))
		list.WriteString("title " + title + "\nsavedefault " + save + "\nkernel " + kernels[i] + "/kernel.img\n")
		config.WriteString("menuentry '" + title + "' {\n" + strings.ReplaceAll(saveLine2, "%", save) + "\tlinux ($disk,msdos2)" + kernels[i] + "/kernel.img\n}\n")
	}
	if !strings.Contains(saves, "fallback") {
		valid(t, config.String())
	}
	grub2Menu, err := menuIn(fstest.MapFS{"grub/grub.cfg": {Data: []byte(config.String())}})
	if err != nil {
		t.Fatal(err)
	}
	return parseMenuList(list.String()), grub2Menu
}

// without says that the images of some slots cannot be loaded.
func without(slots string) func(Entry) bool {
	return func(e Entry) bool { return !strings.Contains(slots, e.Slot) }
}

func TestChain(t *testing.T) {
	for _, test := range []struct {
		name, saves, head, saved, missing, want string
	}{
		{"ours", "1 2 3 4 4", "fallback 2 4", "0", "", "0 1 2 3 4"},
		{"from the backup on", "1 2 3 4 4", "fallback 2 4", "2", "", "2 3 4"},
		{"maintenance", "1 2 3 4 4", "fallback 2 4", "4", "", "4"},
		{"no active", "1 2 3 4 4", "fallback 2 4", "0", "active", "2 3 4"},
		{"no backup", "1 2 3 4 4", "fallback 2 4", "0", "backup", "0 1 4"},
		{"no backup, from it on", "1 2 3 4 4", "fallback 2 4", "2", "backup", "4"},
		{"no images", "1 2 3 4 4", "fallback 2 4", "0", "active backup", "4"},
		{"nothing", "1 2 3 4 4", "fallback 2 4", "0", "active backup maintenance", ""},
		{"no fallback", "1 2 3 4 4", "", "0", "active", ""},
		{"itself", "0 1 2 3 4", "fallback 2 4", "1", "", "1"},
		// GRUB goes on with 1, and that saves 2: the backup is tried, then the active image, for ever.
		{"fallback to a retry", "1 2 3 4 4", "fallback 1 4", "2", "backup", "1"},
		{"a ring", "1 2 3 4 0", "fallback 2 4", "3", "", "3 4 0 1 2"},
		{"out of range", "1 2 3 4 9", "", "9", "", "0 1 2 3 4"},
	} {
		list, config := ours(t, test.saves, test.head)
		for _, m := range []Menu{list, config} {
			var s Saved = Env{Lines: []EnvLine{{"saved_entry", test.saved}}}
			if got := keys(m.Chain(s, without(test.missing))); got != test.want {
				t.Errorf("%s, %s: Chain = %q, want %q", test.name, m.loader, got, test.want)
			}
		}
	}
}

// TestChainByFallback is Formilux's menu: measured with GRUB 0.97, the last entry is an error.
func TestChainByFallback(t *testing.T) {
	for _, test := range []struct{ head, saves, saved, want string }{
		{"fallback 1 2 3 4", "fallback fallback fallback fallback 4", "0", "0 1 2 3 4"},
		{"fallback 0 1 2 3 4", "fallback fallback fallback fallback 4", "0", "0 1 2 3 4"},
		{"fallback 1 2 3 4", "fallback fallback fallback fallback fallback", "3", "3 1 2"},
		{"", "fallback fallback fallback fallback fallback", "0", ""},
	} {
		m, _ := ours(t, test.saves, test.head)
		d, err := DecodeDefaultFile([]byte(test.saved + "\n#\n#\n#\n#\n#\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := keys(m.Chain(d, anything)); got != test.want {
			t.Errorf("%s, saves %s: Chain from %s = %q, want %q", test.head, test.saves, test.saved, got, test.want)
		}
	}
}

// TestLateSave has savedefault behind the kernel, where GRUB does not come when that cannot be loaded.
func TestLateSave(t *testing.T) {
	m := parseMenuList("default saved\nfallback 1\ntitle a\nkernel /system/active/k\nsavedefault 2\n" +
		"title b\nkernel /system/backup/k\ntitle c\nkernel /firmware/k\n")
	s := Env{Lines: []EnvLine{{"saved_entry", "0"}}}
	if got := keys(m.Chain(s, without("active"))); got != "1" {
		t.Errorf("Chain = %q, want the default to stay: 1", got)
	}
	if got := keys(m.Chain(s, anything)); got != "0 2" {
		t.Errorf("Chain = %q, want 0 2", got)
	}
}

func TestBareSavedefault(t *testing.T) {
	m := parseMenuList("default saved\ntitle a\nkernel /k\ntitle b\nsavedefault\nkernel /k\n")
	if m.Entries[0].Saves != "" || m.Entries[1].Saves != "1" {
		t.Errorf("entries = %+v, want the second to save itself", m.Entries)
	}
}

// TestOnceInSubmenu has a variable that is not exported, which GRUB 2 does not know in a submenu: what
// is not to be saved when it is for once is saved there all the same.
func TestOnceInSubmenu(t *testing.T) {
	const config = "load_env\nif [ \"$next_entry\" ]; then set default=\"$next_entry\"; set boot_once=true; else set default=\"$saved_entry\"; fi\n" +
		"function savedefault { if [ -z \"$boot_once\" ]; then saved_entry=\"$chosen\"; save_env saved_entry; fi; }\n" +
		"menuentry a { savedefault; linux /a; }\nsubmenu s { menuentry b { savedefault; linux /b; }; }\n"
	for script, want := range map[string]string{config: "1>0", "export boot_once\n" + config: "1>0 0"} {
		s := Env{Lines: []EnvLine{{"saved_entry", "0"}, {"next_entry", "1>0"}}}
		if got := keys(configMenu(t, script).Chain(s, anything)); got != want {
			t.Errorf("Chain = %q, want %q of\n%s", got, want, script)
		}
	}
}

// TestStays has a last command in GRUB 2's entry that succeeds: then GRUB does not fall back.
func TestStays(t *testing.T) {
	const config = "set fallback=1\nmenuentry a {\nlinux /system/active/k\necho done\n}\nmenuentry b {\nlinux /system/backup/k\n}\n"
	valid(t, config)
	m, err := menuIn(fstest.MapFS{"grub/grub.cfg": {Data: []byte(config)}})
	if err != nil {
		t.Fatal(err)
	}
	if got := keys(m.Chain(Env{}, without("active"))); got != "" {
		t.Errorf("Chain = %q, want GRUB to wait at its menu", got)
	}
}

func TestChainOfRetryState(t *testing.T) {
	m, _ := ours(t, "1 2 3 4 4", "fallback 2 4")
	s, err := DecodeStage2(stage2Sample(241))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Chain(s, anything); got != nil {
		t.Errorf("Chain = %+v, want none: what a retry state means is not known", got)
	}
	if e, ok := m.Boots(s); ok {
		t.Errorf("Boots = %+v, want it unknown", e)
	}
}

func TestPrevSavedEntry(t *testing.T) {
	_, m := ours(t, "1 2 3 4 4", "fallback 2 4")
	s := Env{Lines: []EnvLine{{"saved_entry", "2"}, {"prev_saved_entry", "0"}}}
	if got := keys(m.Chain(s, anything)); got != "2" {
		t.Errorf("Chain = %q, want no more than the next boot", got)
	}
}

func TestGroups(t *testing.T) {
	list, config := ours(t, "1 2 3 4 4", "fallback 2 4")
	for _, m := range []Menu{list, config} {
		for slot, want := range map[string]string{"active": "0", "backup": "2", "maintenance": "4"} {
			if e, ok := m.First(slot); !ok || e.Key != want {
				t.Errorf("First(%s) = %+v, %v, want %s", slot, e, ok, want)
			}
		}
		for _, slot := range []string{"factory", ""} {
			if e, ok := m.First(slot); ok {
				t.Errorf("First(%q) = %+v, want none", slot, e)
			}
		}
		for i, want := range []string{"0 1", "0 1", "2 3", "2 3", "4"} {
			if got := keys(m.Group(m.Entries[i])); got != want {
				t.Errorf("Group(%d) = %q, want %q", i, got, want)
			}
		}
		if name := m.Name(m.Entries[2], "0"); name != "2" {
			t.Errorf("Name = %q, want 2", name)
		}
	}
	if name := config.Name(config.Entries[2], "Entry a"); name != "Entry c" {
		t.Errorf("Name with a title saved = %q, want Entry c", name)
	}
	if name := list.Name(list.Entries[2], "Entry a"); name != "2" {
		t.Errorf("Name in GRUB Legacy = %q, want 2", name)
	}
	other := Entry{Key: "7"}
	if got := config.Group(other); len(got) != 1 {
		t.Errorf("Group of a foreign entry = %+v, want it alone", got)
	}
}
