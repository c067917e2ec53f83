package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/flash"
)

var errCut = errors.New("power cut")

// cutAfter has every change of a name behind the first n fail.
func cutAfter(n int) func() error {
	return func() error {
		if n--; n < 0 {
			return errCut
		}
		return nil
	}
}

// TestRecoverCut cuts every arrangement behind each of its changes of names, recovers with another
// Tree, cuts that as well, and recovers again.
func TestRecoverCut(t *testing.T) {
	base := memory(t)
	for _, a := range arrangements {
		for _, o := range ways {
			for first := 0; ; first++ {
				again := false
				for second := 0; ; second++ {
					dir, err := os.MkdirTemp(base, "flash")
					if err != nil {
						t.Fatal(err)
					}
					newFlash(t, dir, a.images)
					finished := attempt(t, dir, o, a, first)
					ended := cutRecovery(t, dir, o, second)
					recoverWhole(t, dir, o, a)
					os.RemoveAll(dir)
					again = again || !finished
					if ended {
						break
					}
				}
				if !again {
					break
				}
			}
		}
	}
}

// memory is a directory where syncing costs nothing.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "holdfast")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func attempt(t *testing.T, dir string, o Options, a arrangement, steps int) (finished bool) {
	t.Helper()
	tree := open(t, dir, o)
	defer tree.Close()
	if a.staged != "" {
		stage(t, tree, build(a.staged, 3000))
	}
	if a.take != "" {
		if err := tree.Take(a.take); err != nil {
			t.Fatal(err)
		}
	}
	tree.step = cutAfter(steps)
	err := tree.Arrange(flash.Pending{Op: a.op, Before: a.before, After: a.after})
	if err != nil && !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	return err == nil
}

func cutRecovery(t *testing.T, dir string, o Options, steps int) (ended bool) {
	t.Helper()
	tree := open(t, dir, o)
	defer tree.Close()
	tree.step = cutAfter(steps)
	_, err := tree.Recover(t.Context())
	if err != nil && !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	return err == nil
}

func recoverWhole(t *testing.T, dir string, o Options, a arrangement) {
	t.Helper()
	tree := open(t, dir, o)
	defer tree.Close()
	if _, err := tree.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	var before []string
	for _, name := range []string{"active", "backup", "factory", a.take} {
		if v := a.images[name]; v != "" {
			before = append(before, name+"="+v)
		}
	}
	got := holds(t, dir)
	undone := got == strings.Join(before, " ") || len(a.images) == 0 && got == a.want
	if !undone && got != a.want {
		t.Errorf("%s, renaming %v: holds %q, want %q or %q", a.name, o.Rename, got, before, a.want)
	}
	if r, err := tree.Record(); err != nil || r.Pending != nil {
		t.Errorf("%s: record %+v, %v", a.name, r, err)
	} else if want := []flash.EventKind{flash.Undone, flash.Finished}; r.Last.Op != a.op || !slices.Contains(want, r.Last.Kind) {
		t.Errorf("%s: last event %+v", a.name, r.Last)
	}
	if again, err := tree.Recover(t.Context()); err != nil || len(again.Lines) != 0 || again.Event.Kind != flash.NoEvent {
		t.Errorf("%s: recovered twice: %+v, %v", a.name, again, err)
	}
}

func TestRecoverLeft(t *testing.T) {
	for _, tt := range []struct {
		name   string
		images map[string]string
		edit   func(t *testing.T, images string)
		want   string
		lines  string
	}{
		{"nothing", map[string]string{"active": "v2", "backup": "v1"}, nil, "active=v2 backup=v1", ""},
		{"half an image", map[string]string{"active": "v2", "incoming": "v3"}, func(t *testing.T, images string) {
			os.Remove(filepath.Join(images, "incoming", "SHA256SUMS"))
		}, "active=v2", "an install of v3 was interrupted before it changed the slots: what it had written is deleted"},
		{"a whole image that nobody needs", map[string]string{"active": "v2", "incoming": "v3"}, nil, "active=v2", "an install of v3 was interrupted before it changed the slots: what it had written is deleted"},
		{"a file for records that was not finished", map[string]string{"active": "v2"}, func(t *testing.T, images string) {
			place(t, filepath.Join(images, "../cfg"), map[string]string{"slots0.new": "", "slots1.new": "x", "holdfast.log.new": "x"})
		}, "active=v2", "deleted: cfg/slots0.new, which was not finished; deleted: cfg/slots1.new, which was not finished; " +
			"deleted: cfg/holdfast.log.new, which was not finished"},
		{"an empty incoming", map[string]string{"active": "v2"}, func(t *testing.T, images string) {
			os.Mkdir(filepath.Join(images, "incoming"), 0o755)
		}, "active=v2", ""},
		{"a link", map[string]string{"active": "v2"}, func(t *testing.T, images string) {
			if err := os.Symlink("active", filepath.Join(images, "trash")); err != nil {
				t.Fatal(err)
			}
		}, "active=v2", "deleted: v2, in trash"},
		{"hold, active empty", map[string]string{"hold": "v2", "backup": "v1"}, nil, "active=v2 backup=v1", "active: v2, from hold"},
		{"hold, backup empty", map[string]string{"hold": "v2", "active": "v1"}, nil, "active=v1 backup=v2", "backup: v2, from hold"},
		{"the only image is in trash", map[string]string{"trash": "v2"}, nil, "active=v2", "active: v2, from trash"},
		{"active damaged, a whole one in incoming", map[string]string{"active": "v2", "incoming": "v2"}, func(t *testing.T, images string) {
			os.WriteFile(filepath.Join(images, "active", "kernel.img"), []byte("damage"), 0o644)
		}, "active=v2", "active: v2, from incoming; deleted: v2, in active"},
	} {
		for _, o := range ways {
			t.Run(tt.name, func(t *testing.T) {
				dir := memory(t)
				newFlash(t, dir, tt.images)
				if tt.edit != nil {
					tt.edit(t, filepath.Join(dir, "system"))
				}
				f, err := flash.Read(os.DirFS(dir))
				if foretold := len(Interrupted(f)) > 0; err != nil || foretold != (tt.lines != "") {
					t.Errorf("Interrupted = %q, %v", Interrupted(f), err)
				}
				got, err := open(t, dir, o).Recover(t.Context())
				if err != nil || strings.Join(got.Lines, "; ") != tt.lines || got.Event.Kind != flash.NoEvent {
					t.Errorf("Recover = %+v, %v, want lines %q", got, err, tt.lines)
				}
				if got := holds(t, dir); got != tt.want {
					t.Errorf("holds %q, want %q", got, tt.want)
				}
				if got := entries(t, filepath.Join(dir, "cfg")); got != "" {
					t.Errorf("cfg holds%s", got)
				}
			})
		}
	}
}

func TestInterrupted(t *testing.T) {
	dir := memory(t)
	newFlash(t, dir, map[string]string{"active": "v2", "backup": "v1"})
	read := func() []string {
		f, err := flash.Read(os.DirFS(dir))
		if err != nil {
			t.Fatal(err)
		}
		return Interrupted(f)
	}
	if lines := read(); lines != nil {
		t.Errorf("nothing was interrupted: %q", lines)
	}
	tree := open(t, dir, Options{})
	stage(t, tree, build("v3", 3000))
	tree.step = cutAfter(1)
	if err := tree.Arrange(flash.Pending{Op: flash.Installing, Before: pair("v2", "v1"), After: pair("v3", "v2")}); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	foretold := read()
	done, err := open(t, dir, Options{}).Recover(t.Context())
	if err != nil || len(foretold) == 0 || !slices.Equal(foretold, done.Lines) {
		t.Errorf("foretold %q, done %q, %v", foretold, done.Lines, err)
	}
	t.Log(strings.Join(foretold, "\n"))
}

// TestRecoverUnreadable has the active image fail to be read, while something is left: nobody knows then
// what may be deleted.
func TestRecoverUnreadable(t *testing.T) {
	d := newDisk(t, "ext2", "8M")
	newFlash(t, d.dir, map[string]string{"active": "v2", "incoming": "v3"})
	o := Options{Type: "ext2"}
	run(t, "umount", d.dir)
	run(t, "debugfs", "-w", "-R", "set_inode_field system/active/kernel.img block[0] 99999999", d.loop)
	d.mount()
	tree := open(t, d.dir, o)
	before := entries(t, d.dir)
	done, err := tree.Recover(t.Context())
	if err != nil || done.Event.Kind != flash.NoEvent || len(done.Lines) != 1 || !strings.Contains(done.Lines[0], "read system/active") {
		t.Errorf("Recover = %+v, %v", done, err)
	}
	if got := entries(t, d.dir); got != before {
		t.Errorf("left %s\nwant %s", got, before)
	}
	tree.Close()
}

// TestRecoverDamaged has an incoming of which a part never reached the disk, as a cut leaves it on ext2.
func TestRecoverDamaged(t *testing.T) {
	for _, damage := range []string{
		"clri system/incoming/kernel.img",        // a name without an inode
		"zap_block -f system/incoming -p 0xff 0", // a directory without its block: what was there before is
	} {
		d := newDisk(t, "ext2", "8M")
		newFlash(t, d.dir, map[string]string{"active": "v2", "incoming": "v3"})
		run(t, "umount", d.dir)
		run(t, "debugfs", "-w", "-R", damage, d.loop)
		d.mount()
		tree := open(t, d.dir, Options{Type: "ext2"})
		done, err := tree.Recover(t.Context())
		if err != nil || !strings.Contains(strings.Join(done.Lines, "; "), "needs a check") {
			t.Errorf("%s: Recover = %+v, %v", damage, done, err)
		}
		if _, err := tree.Stage(); !Damaged(err) {
			t.Errorf("%s: Stage = %v", damage, err)
		}
		tree.Close()
	}
}

// TestRecoverHalfDeleted cuts a deletion: what is left of an image is not taken for one without a manifest.
func TestRecoverHalfDeleted(t *testing.T) {
	dir := memory(t)
	newFlash(t, dir, map[string]string{"active": "v2", "hold": "v1"})
	tree := open(t, dir, Options{})
	tree.step = cutAfter(1)
	if err := tree.delete(flash.Hold); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	if _, err := open(t, dir, Options{}).Recover(t.Context()); err != nil {
		t.Error(err)
	}
	if got := holds(t, dir); got != "active=v2" {
		t.Errorf("holds %s", got)
	}
}

// TestRecoverTwoNames: a rename that was cut left two names of one file, and the one file beside another stays.
func TestRecoverTwoNames(t *testing.T) {
	dir := memory(t)
	newFlash(t, dir, map[string]string{"active": "v2"})
	cfg := filepath.Join(dir, "cfg")
	place(t, cfg, map[string]string{"slots0.new": "blank", "slots0": "blank", "slots1.new": "blank", "slots1": "other", "holdfast.log": "log"})
	if _, err := open(t, dir, Options{}).Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"slots0.new": false, "slots0": false, "slots1.new": false, "slots1": true, "holdfast.log": true} {
		if _, err := os.Stat(filepath.Join(cfg, name)); (err == nil) != want {
			t.Errorf("%s: %v, want that it is there: %v", name, err, want)
		}
	}
}
