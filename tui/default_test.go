package tui

import (
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"holdfast/flash/grub"
	"holdfast/flash/volume"
)

// TestDefaultKeys: what is asked of the hub on the way to another boot default.
func TestDefaultKeys(t *testing.T) {
	good := func() *Snapshot { return drafted(Draft{Lines: draftLines()}) }
	plan := func(entry string) request {
		return request{kind: planTask, console: serial.Name, task: Task{Verb: SetsDefault, Object: entry}}
	}
	for _, test := range []struct {
		name  string
		state *Snapshot
		keys  []string
		plans []request // what is asked for before a change
		sets  bool      // a change is asked for, at the end
	}{
		{"looking", good(), []string{"d"}, nil, false},
		{"the selected image", good(), []string{"down", "d", "enter"}, []request{plan("2")}, false},
		{"from the details", good(), []string{"enter", "d", "down", "enter"}, []request{plan("2")}, false},
		{"not a page down", good(), []string{"d", "d", "d", "enter"}, []request{plan("0")}, false},
		{"y writes", good(), []string{"d", "down", "enter", "y"}, []request{plan("2")}, true},
		{"once", good(), []string{"d", "down", "enter", "y", "y", "enter", "y"}, []request{plan("2")}, true},
		{"a stuck Enter", good(), append([]string{"d", "down"}, slices.Repeat([]string{"enter"}, 300)...), []request{plan("2")}, false},
		{"y agrees to a plan alone", good(), []string{"d", "down", "y"}, nil, false},
		{"Esc is no", good(), []string{"d", "down", "enter", "esc", "y", "enter"}, []request{plan("2"), plan("2")}, false},
		{"another plan is no answer", good(), []string{"d", "end", "enter", "y"}, []request{plan("4")}, false},
		{"not read yet", drafted(Draft{Reading: true}), []string{"d", "down", "enter", "y"}, []request{plan("2")}, false},
		{"refused", drafted(Draft{Refused: "no"}), []string{"d", "down", "enter", "y"}, []request{plan("2")}, false},
		{"nothing to change", drafted(Draft{Nothing: true}), []string{"d", "down", "enter", "y"}, []request{plan("2")}, false},
		{"somebody else acts", changing("tty0"), []string{"d", "enter", "y"}, nil, false},
		{"no menu", snapshot(booting(report(), nil)), []string{"d", "enter", "y"}, nil, false},
		{"no flash", &Snapshot{}, []string{"d", "enter", "y"}, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, asked := newScreen(t, serial, test.state, 80, 24)
			press(m, test.keys...)
			want := test.plans
			if test.sets {
				want = append(want, request{kind: doTask, console: serial.Name, draft: test.state.Drafts[serial.Name]})
			}
			if !slices.Equal(*asked, want) {
				t.Errorf("keys %q ask %+v, want %+v", test.keys, *asked, want)
			}
		})
	}
}

// TestDefaultTold: whoever changes the default sees what came of it until Esc; a stuck Enter does
// nothing then, and another console does not take it away.
func TestDefaultTold(t *testing.T) {
	for _, failed := range []bool{false, true} {
		name := map[bool]string{false: "default-told-80x24", true: "default-failed-80x24"}[failed]
		m, asked := newScreen(t, serial, drafted(Draft{Lines: draftLines()}), 80, 24)
		press(m, "d", "down", "enter", "y")
		feed(m, snapshotMsg{changing(serial.Name)})
		press(m, "enter")
		after := changed()
		if failed {
			o := *after.Outcome
			o.Failed, o.Text, o.Hint = true, "write /dev/sda2: device or resource busy", "mount it for writing, then set it again"
			after.Outcome = &o
		}
		feed(m, snapshotMsg{after})
		golden(t, name, ansi.Strip(frameText(m)))
		told := frameText(m)
		elsewhere := *after
		elsewhere.Outcome = nil // it was put away at another console
		elsewhere.Drafts = map[string]*Draft{serial.Name: {Task: Task{Verb: SetsDefault, Object: "2"}, Refused: "the boot default was changed"}}
		if feed(m, snapshotMsg{&elsewhere}); frameText(m) != told {
			t.Errorf("%s: after another console has put it away:\n%s", name, frameText(m))
		}
		before := len(*asked)
		press(m, "enter", "esc")
		if got := (*asked)[before:]; len(got) != 1 || got[0].kind != dismiss || m.top().Is() != imagesKind {
			t.Errorf("Enter, Esc ask %+v and lead to screen %d, want a dismissal and the images", got, m.top().Is())
		}
	}
}

// TestChain: what boots next, in as many words as there is room for.
func TestChain(t *testing.T) {
	whole := savedDefault("0", "", 0, 1, 2, 3, 4)
	other := savedDefault("0", "", 0)
	other.Next[0].Slot, other.Next[0].Title = "", "Memory test"
	for _, test := range []struct {
		name  string
		state *Snapshot
		width int
		want  string
	}{
		{"in full", snapshot(booting(report(), whole)), 69, "active, then active (retry), backup, backup (retry), maintenance"},
		{"tight", snapshot(booting(report(), whole)), 64, "active, then active (retry), backup, backup (retry), maintenance"},
		{"counted", snapshot(booting(report(), whole)), 63, "active x2, then backup x2, maintenance"},
		{"least", snapshot(booting(report(), whole)), 35, "active x2, backup x2, maintenance"},
		{"cut", snapshot(booting(report(), whole)), 20, "active x2, backup..."},
		{"from a retry on", snapshot(booting(report(), savedDefault("1", "", 1, 2, 3, 4))), 69, "active (retry), then backup, backup (retry), maintenance"},
		{"the end", snapshot(booting(report(), savedDefault("4", "", 4))), 69, "maintenance"},
		{"once", snapshot(booting(report(), savedDefault("0", "0", 0, 1, 2))), 40, "active (once), then active, backup"},
		{"no slot", snapshot(booting(report(), other)), 69, `"Memory test"`},
	} {
		if got := chain(test.state.Report.Boot, test.width); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// TestWhereSaved: the place on the disk is told by the disk, as in the plan, not by where it is mounted.
func TestWhereSaved(t *testing.T) {
	for _, test := range []struct {
		path string
		vol  *volume.Volume
		want string
	}{
		{"boot/grub/default", nil, "entry 0 in boot/grub/default, sector 1064"},
		{"boot/grub/default", &volume.Volume{Name: "/boot", Disk: "/dev/sda", Partition: 1, Dir: "/boot"}, "entry 0 in boot/grub/default, sector 1064 of partition 1 of /dev/sda"},
		{"boot/grub/default", &volume.Volume{Name: "/dev/loop0", Disk: "/dev/loop0"}, "entry 0 in boot/grub/default, sector 1064 of /dev/loop0"},
		{"boot/grub/default", &volume.Volume{Name: "/boot"}, "entry 0 in boot/grub/default, sector 1064 of /boot"},
		{"", &volume.Volume{Name: "/boot", Disk: "/dev/sda", Partition: 1}, "entry 0 behind the MBR, sector 1064 of /dev/sda"},
	} {
		r := booting(report(), savedDefault("0", "", 0))
		r.Boot.Place.Path, r.Target.GRUB.Volume = test.path, test.vol
		if got := whereSaved(r); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// TestRowsThatAreHidden: that there are more rows than the screen has is said in full, at every width.
func TestRowsThatAreHidden(t *testing.T) {
	r := report()
	staged := r.Images[1]
	staged.Name, staged.Staged = "1.3.125", true
	for _, state := range []string{"", "1.3.124, no longer"} {
		more := *r
		more.Images = append(slices.Clone(r.Images), staged)
		more.Images[0].Version = "1" + state
		for width := 40; width <= 100; width++ {
			m, _ := newScreen(t, serial, snapshot(booting(&more, savedDefault("0", "", 0))), width, 12)
			if head := strings.Split(ansi.Strip(frameText(m)), "\n")[2]; !strings.Contains(head, "(1 of 4)") {
				t.Errorf("%d cells wide: %q", width, head)
			}
		}
	}
}

// TestOddBoot: what is wrong with the boot default is said on the first screen, at every size.
func TestOddBoot(t *testing.T) {
	ignored := savedDefault("2", "", 0, 1)
	ignored.Menu.Saved = false
	loads := savedDefault("0", "")
	unclear := savedDefault("2", "")
	unclear.Entry = grub.Entry{}
	bare := savedDefault("3", "")
	bare.Menu.Entries, bare.Entry = nil, grub.Entry{}
	broken := report()
	img, _ := broken.Image("active")
	img.Broken = "no usable kernel.img"
	fragmented := booting(report(), savedDefault("0", "", 0, 1, 2, 3, 4))
	fragmented.Problems = []string{"boot default: in two places"}
	for _, test := range []struct {
		state *Snapshot
		want  string
	}{
		{snapshot(booting(report(), savedDefault("7", "", 0))), "saved default: entry 7, which the menu does not have"},
		{snapshot(booting(report(), savedDefault("Gone", "", 0))), `saved default: "Gone", which the menu does not have`},
		{snapshot(booting(report(), ignored)), "the menu does not heed the saved default (entry 2)"},
		{snapshot(booting(report(), loads)), "GRUB can load nothing of its menu"},
		{snapshot(booting(report(), unclear)), "which entry of the menu boots is not known"},
		{snapshot(booting(report(), bare)), "saved default: entry 3, and no menu that says what it boots"},
		{snapshot(booting(broken.Verified(img), savedDefault("0", "", 2, 3, 4))), "active cannot be loaded: GRUB goes on to backup (no usable kernel.img)"},
		{snapshot(fragmented), "in two places"},
		{plainState(), ""},
	} {
		if got := oddBoot(test.state.Report); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
		for _, size := range [][2]int{{40, 12}, {60, 20}, {80, 24}} {
			m, _ := newScreen(t, serial, test.state, size[0], size[1])
			shown := strings.Join(strings.Fields(ansi.Strip(frameText(m))), " ")
			if want, _, _ := strings.Cut(test.want, " (no"); !strings.Contains(shown, want) {
				t.Errorf("at %v the first screen lacks %q:\n%s", size, want, frameText(m))
			}
		}
	}
}
