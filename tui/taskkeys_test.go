package tui

import (
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

// TestTaskKeys: what is asked of the hub on the way to each task, and by which keys it is agreed to.
func TestTaskKeys(t *testing.T) {
	type ask struct {
		kind   requestKind
		object string // of the task, or of the request
		word   string
	}
	plan := func(object string) ask { return ask{planTask, object, ""} }
	do := func(word string) ask { return ask{doTask, "", word} }
	rotates := asked(Draft{Task: Task{Verb: Rotates}})
	removes := asked(Draft{Task: Task{Verb: Removes, Object: "1.4.0"}, Word: "1.4.0"})
	installs := asked(Draft{Task: installTask()})
	needs := asked(Draft{Task: installTask(), Word: "override remove"})
	clears := asked(Draft{Task: Task{Verb: Clears, Object: "1.4.0"}})
	archive := installTask().Object
	find := ask{kind: findArchives}
	for _, test := range []struct {
		name   string
		state  func() *Snapshot
		keys   []string
		asks   []ask
		screen screenKind
	}{
		{"rotate", rotates, []string{"r", "y"}, []ask{plan(""), do("")}, taskKind},
		{"a stuck r", rotates, slices.Repeat([]string{"r"}, 300), []ask{plan("")}, taskKind},
		{"a stuck Enter", rotates, append([]string{"r"}, slices.Repeat([]string{"enter"}, 300)...), []ask{plan("")}, taskKind},
		{"y once", rotates, []string{"r", "y", "y", "y"}, []ask{plan(""), do("")}, taskKind},
		{"Esc is no", rotates, []string{"r", "esc", "y"}, []ask{plan("")}, imagesKind},
		{"a staged one", rotates, []string{"end", "r", "y"}, []ask{plan("1.4.0")}, taskKind}, // what was drafted is another task
		{"other tasks' keys", rotates, []string{"r", "i", "x", "v", "d", "c"}, []ask{plan("")}, taskKind},

		{"remove", removes, []string{"end", "x", "1", ".", "4", ".", "0", "enter"}, []ask{plan("1.4.0"), do("1.4.0")}, taskKind},
		{"y removes nothing", removes, []string{"end", "x", "y", "enter", "enter"}, []ask{plan("1.4.0")}, taskKind},
		{"a word begun", removes, []string{"end", "x", "1", ".", "4", ".", "enter", "0", "enter"}, []ask{plan("1.4.0")}, taskKind},
		{"without Enter", removes, []string{"end", "x", "1", ".", "4", ".", "0", "y"}, []ask{plan("1.4.0")}, taskKind},
		{"a stuck x", removes, append([]string{"end"}, slices.Repeat([]string{"x"}, 300)...), []ask{plan("1.4.0")}, taskKind},
		{"corrected", removes, []string{"end", "x", "1", "x", "backspace", ".", "4", ".", "0", "enter"}, []ask{plan("1.4.0"), do("1.4.0")}, taskKind},
		{"scrolled meanwhile", removes, []string{"end", "x", "1", "down", ".", "pgup", "4", ".", "0", "enter"}, []ask{plan("1.4.0"), do("1.4.0")}, taskKind},
		{"Esc in a word", removes, []string{"end", "x", "1", "esc"}, []ask{plan("1.4.0")}, imagesKind},
		{"letters lead nowhere", removes, []string{"end", "x", "q", "l", "b", "?", "i"}, []ask{plan("1.4.0")}, taskKind},

		{"install", installs, []string{"i", "down", "enter", "y"}, []ask{find, plan(archive), do("")}, taskKind},
		{"a stuck i", installs, slices.Repeat([]string{"i"}, 300), []ask{find}, archivesKind},
		{"install by Enter", installs, []string{"i", "down", "enter", "enter", "enter"}, []ask{find, plan(archive)}, taskKind},
		{"a staged version", installs, []string{"i", "enter"}, []ask{find, plan("1.4.0")}, taskKind},
		{"again", installs, []string{"i", "s"}, []ask{find, find}, archivesKind},
		{"two words", needs, append(strings.Split("i|down|enter|"+strings.Join(strings.Split("override", ""), "|")+"|space|r|e|m|o|v|e", "|"), "enter"),
			[]ask{find, plan(archive), do("override remove")}, taskKind},
		{"one of two words", needs, []string{"i", "down", "enter", "r", "e", "m", "o", "v", "e", "enter", "y"}, []ask{find, plan(archive)}, taskKind},
		{"back to the list", installs, []string{"i", "down", "enter", "esc"}, []ask{find, plan(archive)}, archivesKind},

		{"verify one", toldState, []string{"down", "v", "enter"}, []ask{{verifyImage, "backup", ""}}, taskKind},
		{"verify all", toldState, []string{"v", "end", "enter", "enter"}, []ask{{verifyImage, "", ""}}, taskKind},
		{"a stuck v", toldState, slices.Repeat([]string{"v"}, 300), nil, verifyKind},

		{"clear a mark", clears, []string{"end", "enter", "c", "y"}, []ask{plan("1.4.0"), do("")}, taskKind},
		{"no mark to clear", clears, []string{"enter", "c", "y"}, nil, detailsKind},
		{"from elsewhere", clears, []string{"end", "c"}, nil, imagesKind},

		{"no flash", func() *Snapshot { return &Snapshot{} }, []string{"i", "r", "x", "v", "c", "enter", "y"}, nil, imagesKind},
		{"somebody else acts", underWay(Action{Console: "tty0", Verb: Installs, Object: "a.tgz"}), []string{"i", "enter", "y", "esc"}, []ask{find}, imagesKind},
		{"Esc stops our own", underWay(Action{Console: serial.Name, Verb: Installs, Object: "a.tgz"}), []string{"i", "esc"}, []ask{find, {kind: stopAction}}, archivesKind},
		{"Esc while it is planned", toldState, []string{"r", "esc"}, []ask{plan(""), {kind: dropTask}}, imagesKind},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, sent := newScreen(t, serial, test.state(), 80, 24)
			press(m, test.keys...)
			var got []ask
			for _, r := range *sent {
				a := ask{r.kind, r.object, r.word}
				if r.kind == planTask {
					a.object = r.task.Object
				}
				if r.kind == doTask && r.draft == nil {
					t.Error("nothing is agreed to")
				}
				got = append(got, a)
			}
			if !slices.Equal(got, test.asks) {
				t.Errorf("keys %.80q ask %+v, want %+v", test.keys, got, test.asks)
			}
			if kind := m.top().Is(); kind != test.screen {
				t.Errorf("keys %.80q lead to screen %d, want %d", test.keys, kind, test.screen)
			}
		})
	}
}

// TestWordOutlivesItsQuestion: another console changes the flash while a word is typed. What is left of the
// word leads nowhere: "backup" and Enter would boot.
func TestWordOutlivesItsQuestion(t *testing.T) {
	state := asked(Draft{Task: Task{Verb: Removes, Object: "backup"}, Word: "backup"})()
	m, sent := newScreen(t, serial, state, 80, 24)
	press(m, "down", "x", "b", "a")
	gone := *state
	gone.Drafts = map[string]*Draft{serial.Name: {Task: Task{Verb: Removes, Object: "backup"}, Refused: "the flash was changed at tty0 meanwhile"}}
	feed(m, snapshotMsg{&gone})
	press(m, "c", "k", "u", "p", "enter", "b", "enter", "q", "l", "enter")
	if len(*sent) != 1 || m.top().Is() != taskKind {
		t.Errorf("the rest of the word asks %+v and leads to screen %d", (*sent)[1:], m.top().Is())
	}
	if foot := m.frame()[23]; strings.Contains(foot, "boot") {
		t.Errorf("the foot offers what no key does: %q", foot)
	}
	if press(m, "esc"); m.top().Is() != imagesKind {
		t.Errorf("Esc leads to screen %d", m.top().Is())
	}
}

// TestTaskTold: an install from the plan to its outcome, which stays until Esc, and leads to the images.
func TestTaskTold(t *testing.T) {
	for _, failed := range []bool{false, true} {
		name := map[bool]string{false: "install-done-80x24", true: "install-failed-80x24"}[failed]
		state := asked(Draft{Task: installTask(), Lines: installLines()})()
		m, sent := newScreen(t, serial, state, 80, 24)
		press(m, "i", "down", "enter", "y")
		feed(m, snapshotMsg{underWay(Action{Console: serial.Name, Verb: Installs, Object: "a.tgz"})()})
		press(m, "enter", "y", "i", "r")
		a := Action{Console: serial.Name, Verb: Installs, Object: "sdb1:/image.tgz"}
		o := Outcome{Action: a, Text: "active 1.4.1 is on trial, 3 tries left", Hint: "boot it (b): it is on trial until it says that it booted well"}
		if failed {
			o = Outcome{Action: a, Failed: true, Same: true, Text: "initrd.img: hash differs", Hint: "copy the archive again, or take another one"}
		}
		feed(m, snapshotMsg{came(o)})
		golden(t, name, ansi.Strip(frameText(m)))
		told := frameText(m)
		feed(m, snapshotMsg{toldState()}) // it was put away at another console
		if frameText(m) != told {
			t.Errorf("after another console has put it away:\n%s", frameText(m))
		}
		before := len(*sent)
		press(m, "enter", "y", "esc")
		if got := (*sent)[before:]; len(got) != 1 || got[0].kind != dismiss || m.top().Is() != imagesKind {
			t.Errorf("Enter, y, Esc ask %+v and lead to screen %d, want a dismissal and the images", got, m.top().Is())
		}
	}
}

// TestEveryTaskIsInTheHelp: the keys of the first screen are those of the one map.
func TestEveryTaskIsInTheHelp(t *testing.T) {
	m, _ := newScreen(t, serial, plainState(), 80, 60)
	press(m, "?")
	text := ansi.Strip(frameText(m))
	for _, want := range []string{"i             install", "r             ", "x             remove", "v             verify", "c             clear"} {
		if !strings.Contains(text, want) {
			t.Errorf("the help lacks %q:\n%s", want, text)
		}
	}
}
