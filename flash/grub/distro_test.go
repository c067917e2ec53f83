package grub

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// mkconfig makes a grub.cfg with the scripts of grub-common, for two kernels in a folder of its own.
func mkconfig(t *testing.T, settings ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"vmlinuz-6.1.0-18-amd64", "initrd.img-6.1.0-18-amd64", "vmlinuz-6.1.0-17-amd64", "initrd.img-6.1.0-17-amd64"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, says := range map[string]string{"probe": "ext2", "mkrelpath": "/boot"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho "+says+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	env := append(os.Environ(), "pkgdatadir=/usr/share/grub", "TEXTDOMAIN=grub", "LC_ALL=C", "GRUB_DISTRIBUTOR=Some",
		"grub_probe="+dir+"/probe", "grub_mkrelpath="+dir+"/mkrelpath", "GRUB_DEVICE=/dev/sda1", "GRUB_DEVICE_UUID=abcd",
		"GRUB_DEVICE_BOOT=/dev/sda1", "GRUB_DEVICE_BOOT_UUID=abcd", "GRUB_FS=ext2")
	var config bytes.Buffer
	for _, name := range []string{"00_header", "10_linux", "40_custom", "41_custom"} {
		script := installed(t, "/etc/grub.d/"+name, "grub-common")
		script = bytes.ReplaceAll(script, []byte(" /boot/"), []byte(" "+dir+"/"))
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, script, 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", file)
		cmd.Env, cmd.Stdout = append(env, settings...), &config
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return config.String()
}

// valid has GRUB's own parser check a script.
func valid(t *testing.T, config string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "grub.cfg")
	if err := os.WriteFile(name, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := tool(t, "grub-common", "", "grub-script-check", name); out != "" {
		t.Fatalf("grub-script-check: %s\n%s", out, config)
	}
}

// keys of entries, as one line.
func keys(entries []Entry) string {
	var list []string
	for _, e := range entries {
		list = append(list, e.Key)
	}
	return strings.Join(list, " ")
}

func anything(Entry) bool { return true }

// TestDebianMenu reads what grub-mkconfig makes: a default that is saved by a function, once or for
// good, a submenu, and conditions all over that do not matter.
func TestDebianMenu(t *testing.T) {
	config := mkconfig(t, "GRUB_DEFAULT=saved", "GRUB_SAVEDEFAULT=true")
	valid(t, config)
	env, _ := Env{}.Encode()
	files := fstest.MapFS{"boot/grub/grub.cfg": {Data: []byte(config)}, "boot/grub/grubenv": {Data: env}}
	m, err := menuIn(files)
	if err != nil || !m.Saved || !m.once || m.doubt || m.Default != "0" || len(m.Unknown) > 0 {
		t.Fatalf("Menu = %+v, %v, want one that is understood", m, err)
	}
	if got := keys(m.Entries); got != "0 1 1>0 1>1 1>2 1>3" {
		t.Fatalf("keys = %s\n%s", got, config)
	}
	first, inner, recovery := m.Entries[0], m.Entries[2], m.Entries[3]
	if first.Kernel != "/boot/vmlinuz-6.1.0-18-amd64" || !slices.Contains(first.Words, "root=/dev/sda1") || first.Saves != first.ID {
		t.Errorf("first entry = %+v", first)
	}
	if want := m.Entries[1].ID + ">" + inner.ID; inner.Saves != want || inner.Kernel == "" || inner.ID == "" {
		t.Errorf("entry in the submenu = %+v, want to save %s", inner, want)
	}
	if recovery.Saves != "" {
		t.Errorf("the recovery entry saves %q, want nothing", recovery.Saves)
	}
	for _, test := range []struct{ saved, once, chain string }{
		{"", "", "0"},
		{"1>2", "", "1>2"},
		{"1", "", "1>0"},
		{inner.Saves, "", "1>0"},
		{m.Entries[1].Title + ">" + m.Entries[4].Title, "", "1>2"},
		{"gone", "", "0"},
		{"0", "1>1", "1>1 0"},
		{"1>2", "0", "0 1>2"}, // the first does not save itself when it is for once
		{"9", "", "0"},
		{"2.6", "", ""}, // GRUBs differ: entry 2 or none
	} {
		s := Env{Lines: []EnvLine{{"saved_entry", test.saved}, {"next_entry", test.once}}}
		if got := keys(m.Chain(s, anything)); got != test.chain {
			t.Errorf("saved %q, once %q: Chain = %q, want %q", test.saved, test.once, got, test.chain)
		}
	}
	if name := m.Name(m.Entries[4], "0"); name != "1>2" {
		t.Errorf("Name by number = %q", name)
	}
	if name := m.Name(m.Entries[4], first.ID); name != m.Entries[1].ID+">"+m.Entries[4].ID {
		t.Errorf("Name by id = %q", name)
	}

	delete(files, "boot/grub/grubenv")
	if m, err := menuIn(files); err != nil || m.Saved || m.Default != "0" {
		t.Errorf("without a grubenv: Menu = %+v, %v, want nothing saved", m, err)
	}
	files["boot/grub/custom.cfg"] = &fstest.MapFile{Data: []byte("set default=1\n")}
	m, err = menuIn(files)
	if _, ok := m.Boots(Env{}); err != nil || ok || len(m.Unknown) != 1 || !strings.Contains(m.Unknown[0], "custom.cfg") {
		t.Errorf("with a custom.cfg: Menu = %+v, %v, want it unknown what boots", m, err)
	}
}

func TestDebianFixedDefault(t *testing.T) {
	config := mkconfig(t, "GRUB_DEFAULT=1>2")
	valid(t, config)
	m, err := menuIn(fstest.MapFS{"grub/grub.cfg": {Data: []byte(config)}})
	if err != nil || m.Saved || m.Default != "1>2" {
		t.Fatalf("Menu = %+v, %v, want default 1>2", m, err)
	}
	s := Env{Lines: []EnvLine{{"saved_entry", "0"}}}
	if e, ok := m.Boots(s); !ok || e.Key != "1>2" {
		t.Errorf("Boots = %+v, %v, want 1>2", e, ok)
	}
}
