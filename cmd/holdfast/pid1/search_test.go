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
	"holdfast/flash/disk"
	"holdfast/flash/volume"
)

func TestDecide(t *testing.T) {
	seen := func(name string, partition int) volume.Seen {
		return volume.Seen{Name: name, Partition: partition, FileSystem: disk.FileSystem{Type: "ext2"}, Flash: true}
	}
	one, two := seen("sda2", 2), seen("sdb1", 1)
	data := volume.Seen{Name: "sdc1", FileSystem: disk.FileSystem{Type: "ext2"}}
	for _, c := range []struct {
		list       []volume.Seen
		word       string
		want       string // state and flash, or problem
		candidates int
		settles    bool // the search waits a little for others
	}{
		{nil, "", "none: there is no disk: it is not connected, or its driver is missing", 0, true},
		{[]volume.Seen{one, data}, "", "found: sda2", 1, true},
		{[]volume.Seen{one, two}, "", "several: there is a flash on each of sda2 (ext2), sdb1 (ext2): say which by flash=sda2 on the kernel command line", 2, true},
		{[]volume.Seen{one, two}, "sdb1", "found: sdb1", 2, false},
		{[]volume.Seen{one, two}, "hda2", "found: sda2", 2, true},
		{[]volume.Seen{one, two}, "hda3", "none: flash=hda3: no such partition; there is sda2, sdb1", 2, false},
		{[]volume.Seen{data}, "sdc1", "none: flash=sdc1: sdc1 holds neither system/ nor sys/ with cfg/ beside it", 0, false},
	} {
		v := decide(c.list, c.word)
		if got := fmt.Sprintf("%s: %s", v.state, v.choice.Flash.Name+v.problem); got != c.want || len(v.candidates) != c.candidates || v.settles(c.word) != c.settles {
			t.Errorf("flash=%s: %q with %d candidates, settles %v, want %q, %d, %v", c.word, got, len(v.candidates), v.settles(c.word), c.want, c.candidates, c.settles)
		}
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
