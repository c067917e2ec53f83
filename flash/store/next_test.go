package store

import (
	"maps"
	"testing"

	"holdfast/flash"
)

var shelfDirs = []string{flash.Active, flash.Backup, flash.Hold, flash.Incoming, flash.Trash}

// TestNext goes every way from every shelf to every goal, in both ways.
func TestNext(t *testing.T) {
	ways := 0
	for bits := range 1 << len(shelfDirs) {
		start := shelf{}
		images := []string{""}
		for i, dir := range shelfDirs {
			if bits>>i&1 == 1 {
				start[dir] = dir
				images = append(images, dir)
			}
		}
		for _, active := range images {
			for _, backup := range images {
				if active == backup && active != "" {
					continue
				}
				for _, keep := range images {
					for _, exchange := range []bool{true, false} {
						checkWay(t, start, goal{active, backup}, exchange, keep)
						ways++
					}
				}
			}
		}
	}
	t.Logf("%d ways", ways)
}

func checkWay(t *testing.T, start shelf, g goal, exchange bool, keep string) {
	t.Helper()
	s := maps.Clone(start)
	slotted := func(s shelf, image string) bool { return s[flash.Active] == image || s[flash.Backup] == image }
	swaps := start[flash.Active] == g.backup && start[flash.Backup] == g.active && g.active != "" && g.backup != ""
	for n := 0; ; n++ {
		m, ok := g.next(s, exchange, keep)
		if !ok {
			break
		}
		if n == 8 {
			t.Fatalf("%v to %+v: no end, at %v", start, g, s)
		}
		if s[m.from] == "" || m.exchange && (!exchange || s[m.to] == "") || !m.exchange && m.to != "" && s[m.to] != "" {
			t.Fatalf("%v to %+v: impossible: %s of %v", start, g, m, s)
		}
		if m.to == "" && g.has(s[m.from]) {
			t.Fatalf("%v to %+v: %s of %v deletes what is needed", start, g, m, s)
		}
		m.apply(s)
		for _, image := range []string{g.active, g.backup} {
			if image == "" || !slotted(start, image) || slotted(s, image) || swaps && !exchange && image != keep {
				continue
			}
			t.Fatalf("%v to %+v: after %s, %s has no slot: %v", start, g, m, image, s)
		}
	}
	if s[flash.Active] != g.active || s[flash.Backup] != g.backup {
		t.Fatalf("%v to %+v ends at %v", start, g, s)
	}
}

// TestNextRefused has the file system refuse to exchange names at each of the moves.
func TestNextRefused(t *testing.T) {
	g := goal{flash.Incoming, flash.Active}
	for _, start := range []shelf{
		{flash.Active: flash.Active, flash.Incoming: flash.Incoming},
		{flash.Active: flash.Active, flash.Incoming: flash.Incoming, flash.Backup: flash.Backup},
	} {
		s := maps.Clone(start)
		for {
			checkWay(t, s, g, false, flash.Active)
			m, ok := g.next(s, true, flash.Active)
			if !ok {
				break
			}
			m.apply(s)
		}
	}
}
