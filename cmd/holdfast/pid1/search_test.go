package pid1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/cmd/holdfast/stage"
)

// addDevice adds a block device to a made-up /sys/class/block and /dev: a partition when on is
// another device. Its content is an image file's, or zeros.
func addDevice(t *testing.T, root, name, on, image string) {
	t.Helper()
	dir := filepath.Join("devices/pci0/block", on)
	if name != on {
		dir = filepath.Join(dir, name)
		writeFile(t, root, filepath.Join(dir, "partition"), []byte("1\n"))
	}
	writeFile(t, root, filepath.Join(dir, "size"), []byte("16384\n"))
	class := filepath.Join(root, "class/block")
	if err := os.MkdirAll(class, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("../..", dir), filepath.Join(class, name)); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 4096)
	if image != "" {
		var err error
		if data, err = os.ReadFile(image); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, root, filepath.Join("dev", name), data)
}

func TestSearch(t *testing.T) {
	root := t.TempDir()
	fs := func(fstype string, args ...string) string {
		file := filepath.Join(t.TempDir(), fstype)
		args = append([]string{"-q", "-t", fstype, "-L", fstype}, append(args, file, "4M")...)
		run(t, nil, "", need(t, "mke2fs", "e2fsprogs"), args...)
		return file
	}
	unclean := fs("ext4")
	run(t, nil, "", need(t, "debugfs", "e2fsprogs"), "-w", "-R", "feature needs_recovery", unclean)
	addDevice(t, root, "sda", "sda", "")
	addDevice(t, root, "sda1", "sda", fs("ext2", "-U", flashUUID))
	addDevice(t, root, "sda2", "sda", unclean)
	addDevice(t, root, "sda3", "sda", "") // nothing on it
	addDevice(t, root, "vda", "vda", fs("ext3"))
	for _, name := range []string{"loop0", "ram0", "zram0", "sr0", "fd0"} {
		addDevice(t, root, name, name, unclean)
	}
	addDevice(t, root, "sdb", "sdb", unclean) // a card reader without a card
	writeFile(t, root, "devices/pci0/block/sdb/size", []byte("0\n"))
	addDevice(t, root, "sdc", "sdc", unclean) // whose node does not exist yet
	node := filepath.Join(root, "dev/sdc")
	if err := os.Rename(node, node+".later"); err != nil {
		t.Fatal(err)
	}

	var looked []string
	s := &search{
		sys: filepath.Join(root, "class/block"), dev: filepath.Join(root, "dev"),
		look: func(v *volume) { looked = append(looked, filepath.Base(v.mount.Device)+" "+v.Type) },
	}
	pass := func(wantChanged bool, want ...string) {
		t.Helper()
		changed, err := s.pass()
		if err != nil || changed != wantChanged {
			t.Fatalf("pass() = %v, %v, want %v", changed, err, wantChanged)
		}
		var got []string
		for _, v := range s.volumes() {
			text := fmt.Sprintf("%s on %s %s", v.Device, v.disk, v.Label)
			if v.Unclean {
				text += " unclean"
			}
			got = append(got, strings.TrimSpace(text))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("volumes %q, want %q", got, want)
		}
	}
	first := []string{"sda1 on sda ext2", "sda2 on sda ext4 unclean", "sda3 on sda", "vda on vda ext3"}
	pass(true, first...)
	if got := s.volumes()[0].UUID; got != flashUUID {
		t.Errorf("UUID of sda1 = %s, want %s", got, flashUUID)
	}
	pass(false, first...)
	os.Rename(node+".later", node)
	pass(true, first[0], first[1], first[2], "sdc on sdc ext4 unclean", first[3])
	os.Remove(filepath.Join(root, "class/block/vda"))
	pass(true, first[0], first[1], first[2], "sdc on sdc ext4 unclean")
	slices.Sort(looked)
	if want := []string{"sda1 ext2", "sda2 ext4", "sdc ext4", "vda ext3"}; !slices.Equal(looked, want) {
		t.Errorf("looked at %q, want %q: each once", looked, want)
	}
}

func TestDecide(t *testing.T) {
	vol := func(name, disk, label string, flash, grub bool) volume {
		return volume{Volume: stage.Volume{Device: name, Type: "ext2", Label: label, UUID: "AB-" + name},
			disk: disk, flash: flash, grub: grub}
	}
	grub := vol("sda1", "sda", "boot", false, true)
	flash := vol("sda2", "sda", "flash", true, false)
	data := vol("sda3", "sda", "data", false, false)
	both := vol("sdb1", "sdb", "stick", true, true)
	twin := vol("sdc1", "sdc", "flash", true, false)
	swap := volume{Volume: stage.Volume{Device: "sda4"}, disk: "sda"}
	ill := volume{Volume: stage.Volume{Device: "sda5", Type: "ext4"}, disk: "sda", err: errors.New("input/output error")}
	for _, c := range []struct {
		name    string
		volumes []volume
		word    string
		want    string // state, flash, boot, or the problem
	}{
		{"nothing", nil, "", "none: there is no disk: it is not connected, or its driver is not in this archive"},
		{"one", []volume{grub, flash, data}, "", "found sda2 sda1"},
		{"GRUB on the flash", []volume{grub, both}, "", "found sdb1 sdb1"},
		{"GRUB on the same disk", []volume{vol("vda1", "vda", "", false, true), grub, flash}, "", "found sda2 sda1"},
		{"GRUB on another disk", []volume{vol("vda1", "vda", "", false, true), flash}, "", "found sda2 vda1"},
		{"GRUB twice on the same disk", []volume{vol("sda9", "sda", "", false, true), grub, flash}, "", "found sda2 "},
		{"GRUB twice elsewhere", []volume{vol("vda1", "vda", "", false, true), vol("vdb1", "vdb", "", false, true), flash}, "", "found sda2 "},
		{"no GRUB", []volume{flash}, "", "found sda2 "},
		{"two", []volume{flash, both}, "",
			`several: there is a flash on each of sda2 (ext2, label "flash"), sdb1 (ext2, label "stick"): say which by flash=sda2 on the kernel command line`},
		{"two, and nobody named them well", []volume{vol("sda1", "sda", "", true, false), vol("sdb1", "sdb", "\x1b[2J\u00e9", true, false)}, "",
			`several: there is a flash on each of sda1 (ext2), sdb1 (ext2, label "\x1b[2J\u00e9"): say which by flash=sda1 on the kernel command line`},
		{"two, and told which", []volume{grub, flash, both}, "sdb1", "found sdb1 sdb1"},
		{"by path", []volume{grub, flash, both}, "/dev/sda2", "found sda2 sda1"},
		{"by UUID", []volume{flash, both}, "UUID=ab-SDA2", "found sda2 sdb1"},
		{"by label", []volume{flash, both}, "LABEL=stick", "found sdb1 sdb1"},
		{"by a label that two have", []volume{flash, twin}, "LABEL=flash", `several: flash=LABEL=flash: that is each of sda2 (ext2, label "flash"), sdc1 (ext2, label "flash")`},
		{"by an empty label", []volume{swap, flash}, "LABEL=", "none: flash=LABEL=: no such partition; there is sda4, sda2"},
		{"not there", []volume{grub, flash}, "hda2", "none: flash=hda2: no such partition; there is sda1, sda2"},
		{"not there, nor anything", nil, "sda2", "none: flash=sda2: no such partition; there is no disk at all"},
		{"none", []volume{data, swap, ill}, "", "none: sda3 holds neither system/ nor sys/ with cfg/ beside it; " +
			"sda4 has no file system that is known here; sda5 cannot be read: input/output error"},
		{"told, but no flash", []volume{data, flash}, "sda3", "none: flash=sda3: sda3 holds neither system/ nor sys/ with cfg/ beside it"},
	} {
		v := decide(c.volumes, c.word)
		got := fmt.Sprintf("%s %s %s", v.state, v.flash.Device, v.boot.Device)
		if v.problem != "" {
			got = fmt.Sprintf("%s: %s", v.state, v.problem)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if v := decide([]volume{flash, both}, "sda2"); len(v.candidates) != 2 {
		t.Errorf("candidates %v, want both that could be meant", v.candidates)
	}
}

func TestLoadModules(t *testing.T) {
	list := filepath.Join(t.TempDir(), "modules")
	var loaded []string
	load := func(path string) error {
		loaded = append(loaded, path)
		if strings.Contains(path, "bad") {
			return errors.New("exec format error")
		}
		return nil
	}
	if errs := loadModules(list, load); errs != nil || loaded != nil {
		t.Errorf("without a list: %v, loaded %q", errs, loaded)
	}
	os.WriteFile(list, []byte("/b.ko\n/bad.ko\n/a.ko\n"), 0o600)
	errs := loadModules(list, load)
	if got, want := fmt.Sprint(errs), "[load module bad: exec format error]"; got != want {
		t.Errorf("errors %s, want %s", got, want)
	}
	if want := []string{"/b.ko", "/bad.ko", "/a.ko"}; !slices.Equal(loaded, want) {
		t.Errorf("loaded %q, want %q", loaded, want)
	}
}

func TestTerminals(t *testing.T) {
	root := t.TempDir()
	writeFile(t, root, "active", []byte("netcon0 tty0 ttyS0\n"))
	writeFile(t, root, "dev/tty0", nil)
	writeFile(t, root, "dev/ttyS0", nil)
	for _, c := range []struct {
		active string
		want   []string
	}{
		{"active", []string{"tty0", "ttyS0"}},
		{"missing", []string{"console"}},
	} {
		if got := terminals(filepath.Join(root, c.active), filepath.Join(root, "dev")); !slices.Equal(got, c.want) {
			t.Errorf("terminals(%s) = %q, want %q", c.active, got, c.want)
		}
	}
}

// TestBoard follows what the others read.
func TestBoard(t *testing.T) {
	file := filepath.Join(t.TempDir(), "run/stage.json")
	var log bytes.Buffer
	b := newBoard(file, kernelLog{&log}, stage.Info{State: stage.Searching})
	b.publish(verdict{state: stage.None, problem: "no disk"})
	b.publish(verdict{state: stage.None, problem: "no disk"})
	got, err := stage.ReadFile(file)
	if err != nil || got.State != stage.None || got.Problem != "no disk" {
		t.Errorf("read back %+v, %v", got, err)
	}
	if got, want := log.String(), "<5>holdfast: no disk\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}

// TestNotice: what PID 1 has to say stands in one line, and nothing pushes anything else out.
func TestNotice(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stage.json")
	b := newBoard(file, kernelLog{io.Discard}, stage.Info{State: stage.Searching})
	for _, c := range []struct {
		do   func()
		want string
	}{
		{func() {}, ""},
		{func() { b.change(func(i *stage.Info) { i.Modules = []string{"load module a: no"} }) },
			"1 kernel module did not load: see the log"},
		{func() { b.change(func(i *stage.Info) { i.Modules = append(i.Modules, "load module b: no") }) },
			"2 kernel modules did not load: see the log"},
		{func() { b.notice("the console ended: exit status 2") },
			"the console ended: exit status 2; 2 kernel modules did not load: see the log"},
		{func() { b.change(func(i *stage.Info) { i.State, i.Flash = stage.Found, stage.Volume{Unclean: true} }) },
			"the console ended: exit status 2; the flash was not unmounted cleanly; 2 kernel modules did not load: see the log"},
		{func() { b.notice("the console ended: exit status 3") },
			"the console ended: exit status 3; the flash was not unmounted cleanly; 2 kernel modules did not load: see the log"},
	} {
		c.do()
		if got, err := stage.ReadFile(file); err != nil || got.Notice != c.want {
			t.Errorf("notice %q, %v, want %q", got.Notice, err, c.want)
		}
	}
}

// TestAutoboot: only the first console of a stage boots by itself, and none after something went wrong.
func TestAutoboot(t *testing.T) {
	p := &process{autoboot: true}
	for n, want := range [][]string{{"holdfast", "console", "--stage", "--autoboot"}, {"holdfast", "console", "--stage"}} {
		if got := p.consoleArguments(); !slices.Equal(got, want) {
			t.Errorf("console %d: %q, want %q", n, got, want)
		}
	}
	file := filepath.Join(t.TempDir(), "stage.json")
	p = &process{autoboot: true, children: newChildren(), board: newBoard(file, kernelLog{io.Discard}, stage.Info{}), log: kernelLog{io.Discard}}
	p.life(true, func(job) (handle, error) { panic("no") }, func() {})
	if got := p.consoleArguments(); slices.Contains(got, "--autoboot") {
		t.Errorf("after the plain menus: %q", got)
	}
}

func TestLogs(t *testing.T) {
	dir := t.TempDir()
	log, old := filepath.Join(dir, "log"), filepath.Join(dir, "log.1")
	for _, text := range []string{"", "first", "", "second"} { // what a run of the console leaves
		if err := rotate(log, old); err != nil {
			t.Fatal(err)
		}
		os.WriteFile(log, []byte(text), 0o600)
	}
	if got, _ := os.ReadFile(old); string(got) != "first" {
		t.Errorf("the last crash's log is %q, want the last that has something in it", got)
	}
	trim(log, 6)
	if got, _ := os.ReadFile(log); string(got) != "second" {
		t.Errorf("a log within its limit became %q", got)
	}
	trim(log, 5)
	if got, _ := os.ReadFile(log); len(got) != 0 {
		t.Errorf("a log beyond its limit is %q", got)
	}
}

// TestRecover: a panic in the background is noted, and the work goes on.
func TestRecover(t *testing.T) {
	logged := make(chan string, 100)
	p := &process{log: kernelLog{writer(func(b []byte) { logged <- string(b) })}}
	runs, done := 0, make(chan struct{})
	p.forever("the work", func() {
		if runs++; runs == 1 {
			panic("out of order")
		}
		close(done)
	})
	<-done
	if got := <-logged; got != "<5>holdfast: the work: internal error: out of order\n" {
		t.Errorf("logged %q", got)
	}
}

// TestLife: a panic of the supervisor ends a life, not PID 1, and the operator is told.
func TestLife(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stage.json")
	log := kernelLog{io.Discard}
	p := &process{log: log, children: newChildren(), board: newBoard(file, log, stage.Info{})}
	for _, plain := range []bool{false, true} {
		p.life(plain, func(j job) (handle, error) { panic("cannot start the " + j.String()[:5]) }, func() {})
	}
	info, err := stage.ReadFile(file)
	if want := "internal error in PID 1: cannot start the plain"; err != nil || info.Notice != want {
		t.Errorf("notice %q, %v, want %q", info.Notice, err, want)
	}
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) {
	w(b)
	return len(b), nil
}
