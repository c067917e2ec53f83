package stage

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var full = Info{
	Version: "1.0", State: Found, Word: "UUID=ab", Printk: "7\t4\t1\t7", Notice: "said",
	Flash:      Volume{Device: "sda2", Type: "ext4", UUID: "ab", Label: "x", Dir: FlashDir, Access: "ro", Unclean: true},
	Boot:       Volume{Device: "sda1", Type: "ext2", Dir: BootDir, Access: "ro"},
	Candidates: []Volume{{Device: "sda2"}}, Modules: []string{"load module a: no"},
	Mounts: []Mount{{Device: "/dev/sda2", Dir: FlashDir, Type: "ext4", Data: "noload"}},
}

func TestInfo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stage.json")
	if _, err := ReadFile(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadFile of nothing: %v", err)
	}
	for _, want := range []Info{full, {State: None, Problem: "no disk"}} {
		if err := want.WriteFile(file); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadFile(file); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ReadFile = %+v, %v, want %+v", got, err, want)
		}
	}
	if left, _ := filepath.Glob(file + "?*"); left != nil {
		t.Errorf("left behind: %q", left)
	}
	if err := full.WriteFile(filepath.Join(file, "below-a-file")); err == nil {
		t.Error("WriteFile where no file can be: no error")
	}
}

// TestInfoIsWhole reads while another writes: never a part of it.
func TestInfoIsWhole(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stage.json")
	if err := full.WriteFile(file); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for range 200 {
			if err := full.WriteFile(file); err != nil {
				t.Error(err)
			}
		}
	})
	for range 500 {
		if got, err := ReadFile(file); err != nil || !reflect.DeepEqual(got, full) {
			t.Fatalf("ReadFile = %+v, %v", got, err)
		}
	}
	group.Wait()
}

func TestWatch(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stage.json")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := watchFile(ctx, file)
		write := func(i Info) {
			if err := i.WriteFile(file); err != nil {
				t.Fatal(err)
			}
		}
		want := func(state State, within time.Duration) {
			t.Helper()
			start := time.Now()
			if got := <-c; got.State != state || time.Since(start) > within {
				t.Errorf("after %v: %s, want %s within %v", time.Since(start), got.State, state, within)
			}
		}
		time.Sleep(time.Second) // the file may come late
		write(Info{State: Searching})
		want(Searching, watchFast)
		write(Info{State: None})
		want(None, watchFast)
		write(Info{State: None}) // no news
		time.Sleep(3 * time.Second)
		if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		write(full)
		want(Found, watchSlow)
		cancel()
		if i, ok := <-c; ok {
			t.Errorf("after the end: %+v", i)
		}
	})
}

func TestArgument(t *testing.T) {
	const line = "console=ttyS0 flash=sda1 holdfast.shell holdfast.autoboot=5 flash=UUID=a=b quiet"
	for _, c := range []struct {
		name, want string
		ok         bool
	}{
		{"flash", "UUID=a=b", true}, // the last one, as a whole
		{"holdfast.shell", "", true},
		{"holdfast.autoboot", "5", true},
		{"autoboot", "", false},
		{"holdfast", "", false},
		{"", "", false},
	} {
		if got, ok := Argument(line, c.name); got != c.want || ok != c.ok {
			t.Errorf("Argument(%q) = %q, %v, want %q, %v", c.name, got, ok, c.want, c.ok)
		}
	}
}

func TestShellCommand(t *testing.T) {
	for _, c := range []struct {
		there []string
		path  string
		argv  []string
	}{
		{[]string{"/bin/sh", "/bin/busybox"}, "/bin/sh", []string{"-sh"}},
		{[]string{"/bin/busybox"}, "/bin/busybox", []string{"busybox", "sh"}},
		{nil, "", nil},
	} {
		path, argv, err := shellCommand(func(p string) bool { return slices.Contains(c.there, p) })
		if path != c.path || !slices.Equal(argv, c.argv) || (err == nil) != (c.path != "") {
			t.Errorf("with %q: %q, %q, %v, want %q, %q", c.there, path, argv, err, c.path, c.argv)
		}
	}
}

func TestTarget(t *testing.T) {
	got, ok := full.Target()
	if !ok || got.Name != "sda2" || got.Type != "ext4" || got.Access != "ro" || got.Word != "UUID=ab" {
		t.Errorf("Target = %+v, %v", got, ok)
	}
	if _, ok := (Info{State: Several, Flash: full.Flash}).Target(); ok {
		t.Error("a target though no flash was found")
	}
}

// TestSyncIsBounded: a disk that does not answer keeps nobody.
func TestSyncIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := make(chan struct{})
		start := time.Now()
		if err := within(syncFor, func() { <-answers }); err == nil || time.Since(start) != syncFor {
			t.Errorf("a sync without end: %v after %v, want an error after %v", err, time.Since(start), syncFor)
		}
		close(answers)
		if err := within(syncFor, func() {}); err != nil {
			t.Errorf("a sync at once: %v", err)
		}
	})
}

// TestRemount: what cannot be mounted again is told.
func TestRemount(t *testing.T) {
	dir := t.TempDir()
	err := remount([]Mount{{Device: "/dev/no-such-disk", Dir: filepath.Join(dir, "flash"), Type: "ext4"}})
	if want := "not mounted again: mount no-such-disk on " + dir + "/flash: "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("remount of a disk that is gone: %v, want %q", err, want)
	}
	if err := remount(nil); err != nil {
		t.Errorf("remount of nothing: %v", err)
	}
}
