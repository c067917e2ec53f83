package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/flash"
)

// arrangement is one way in which an operation moves images.
type arrangement struct {
	name          string
	images        map[string]string
	staged        string // new image, through Stage
	take          string // or a staged version
	before, after flash.Pair
	op            flash.Op
	moves         [2]int // by exchanging, by renaming
	want          string // after Clear
}

var arrangements = []arrangement{
	{"install", map[string]string{"active": "v2", "backup": "v1", "factory": "v0"}, "v3", "", pair("v2", "v1"), pair("v3", "v2"), flash.Installing, [2]int{2, 3}, "active=v3 backup=v2 factory=v0"},
	{"install, backup empty", map[string]string{"active": "v2"}, "v3", "", pair("v2", ""), pair("v3", "v2"), flash.Installing, [2]int{2, 2}, "active=v3 backup=v2"},
	{"install in place of active", map[string]string{"active": "v2", "backup": "v1"}, "v3", "", pair("v2", "v1"), pair("v3", "v1"), flash.Installing, [2]int{1, 2}, "active=v3 backup=v1"},
	{"install in place of backup", map[string]string{"active": "v2", "backup": "v1"}, "v3", "", pair("v2", "v1"), pair("v2", "v3"), flash.Installing, [2]int{1, 2}, "active=v2 backup=v3"},
	{"install, active empty", map[string]string{"backup": "v1"}, "v3", "", pair("", "v1"), pair("v3", "v1"), flash.Installing, [2]int{1, 1}, "active=v3 backup=v1"},
	{"install, backup empty and stays", map[string]string{"active": "v2"}, "v3", "", pair("v2", ""), pair("v3", ""), flash.Installing, [2]int{1, 2}, "active=v3"},
	{"install on an empty flash", nil, "v3", "", pair("", ""), pair("v3", ""), flash.Installing, [2]int{1, 1}, "active=v3"},
	{"install the same again", map[string]string{"active": "v2", "backup": "v1"}, "v2", "", pair("v2", "v1"), pair("v2", "v2"), flash.Installing, [2]int{2, 3}, "active=v2 backup=v2"},
	{"rotate", map[string]string{"active": "v2", "backup": "v1"}, "", "", pair("v2", "v1"), pair("v1", "v2"), flash.Rotating, [2]int{1, 3}, "active=v1 backup=v2"},
	{"rotate, active empty", map[string]string{"backup": "v1"}, "", "", pair("", "v1"), pair("v1", ""), flash.Rotating, [2]int{1, 1}, "active=v1"},
	{"rotate, backup empty", map[string]string{"active": "v1"}, "", "", pair("v1", ""), pair("", "v1"), flash.Rotating, [2]int{1, 1}, "backup=v1"},
	{"promote", map[string]string{"active": "v2", "backup": "v1", "v3": "v3"}, "", "v3", pair("v2", "v1"), pair("v3", "v2"), flash.Rotating, [2]int{2, 3}, "active=v3 backup=v2"},
	{"promote in place of active", map[string]string{"active": "v2", "backup": "v1", "v3": "v3"}, "", "v3", pair("v2", "v1"), pair("v3", "v1"), flash.Rotating, [2]int{1, 2}, "active=v3 backup=v1"},
}

// ways are how a Tree goes about it.
var ways = []Options{{}, {Rename: true}, {Type: "vfat"}, {Type: "vfat", Rename: true}}

func TestArrange(t *testing.T) {
	for _, tt := range arrangements {
		for _, o := range ways {
			t.Run(tt.name+o.Type+map[bool]string{true: ", renaming"}[o.Rename], func(t *testing.T) {
				dir := memory(t)
				newFlash(t, dir, tt.images)
				tree := open(t, dir, o)
				way := map[bool]int{true: 1}[o.Rename]
				if tt.staged != "" {
					stage(t, tree, build(tt.staged, 3000))
				}
				if tt.take != "" {
					if err := tree.Take(tt.take); err != nil {
						t.Fatal(err)
					}
				}
				moves := 0
				tree.step = func() error { moves++; return nil }
				if err := tree.Arrange(flash.Pending{Op: tt.op, Before: tt.before, After: tt.after}); err != nil {
					t.Fatal(err)
				}
				if tt.take != "" {
					moves--
				}
				if moves != tt.moves[way] {
					t.Errorf("%d moves, want %d", moves, tt.moves[way])
				}
				if r, err := tree.Record(); err != nil || r.Pending == nil || r.Pending.After != tt.after {
					t.Errorf("Record() = %+v, %v", r, err)
				}
				if err := tree.Write(func(r *flash.Record) { r.Pending = nil }); err != nil {
					t.Fatal(err)
				}
				if err := tree.Clear(); err != nil {
					t.Fatal(err)
				}
				if got := holds(t, dir); got != tt.want {
					t.Errorf("holds %s, want %s", got, tt.want)
				}
			})
		}
	}
}

// TestCopies exchanges two copies of an image, of which the active one is damaged, and is cut before every
// move. The whole one is in a slot at every instant, and recovery makes it the active one.
func TestCopies(t *testing.T) {
	for _, o := range ways {
		for cut := 0; cut < 5; cut++ {
			dir := memory(t)
			newFlash(t, dir, map[string]string{"active": "v1", "backup": "v1"})
			if err := os.WriteFile(filepath.Join(dir, "system/active/kernel.img"), []byte("damaged"), 0o644); err != nil {
				t.Fatal(err)
			}
			tree, moves := open(t, dir, o), 0
			// The record likes neither better than the other: it knows nothing of places.
			if err := tree.Write(func(r *flash.Record) {
				r.Entries = []flash.Entry{{ID: id("v1", 3000), State: flash.Confirmed}}
			}); err != nil {
				t.Fatal(err)
			}
			tree.step = func() error {
				if got := holds(t, dir); !strings.Contains(got, "active=v1") && !strings.Contains(got, "backup=v1") {
					t.Errorf("%+v, move %d: holds %s", o, moves, got)
				}
				if moves++; moves > cut && cut > 0 {
					return errCut
				}
				return nil
			}
			err := tree.Arrange(flash.Pending{Op: flash.Rotating, Before: pair("v1", "v1"), After: pair("v1", "v1")}, "active")
			if errors.Is(err, errCut) {
				tree = open(t, dir, o)
				_, err = tree.Recover(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := tree.Clear(); err != nil {
				t.Fatal(err)
			}
			if got := holds(t, dir); got != "active=v1 backup=damaged" {
				t.Errorf("%+v, cut %d: holds %s", o, cut, got)
			}
		}
	}
}
