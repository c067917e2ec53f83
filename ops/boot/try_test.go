package boot

import (
	"slices"
	"strings"
	"testing"

	"holdfast/flash"
	"holdfast/ops"
)

// told keeps what was said.
type told struct{ lines []string }

func (*told) Progress(ops.Progress) {}
func (t *told) Log(line string)     { t.lines = append(t.lines, line) }

// TestTryCannotBeCounted: a flash that cannot be written keeps no image on trial from booting.
func TestTryCannotBeCounted(t *testing.T) {
	for state, want := range map[flash.State]string{flash.Trial: "one try less: 1 left to confirm in", flash.Confirmed: "nothing", flash.Bad: "nothing"} {
		r := report(t, nil)
		r.Images = slices.Clone(r.Images)
		r.Images[0].ID = flash.ID{1}
		r.Images[0].Entry = flash.Entry{ID: flash.ID{1}, State: state, Tries: 2}
		p, err := Request{Report: r, Image: "active", Consoles: consoles}.Plan()
		if err != nil {
			t.Fatal(err)
		}
		if text := p.String(); !strings.HasSuffix(text, want) {
			t.Errorf("%v: the plan says\n%s\nwant %q", state, text, want)
		}
		m, said := &machine{failAt: "jump"}, &told{}
		if err := p.Apply(t.Context(), m, said); err == nil || !strings.Contains(err.Error(), "hand the machine over") {
			t.Errorf("%v: %v, want the jump to be tried", state, err)
		}
		counted := slices.ContainsFunc(said.lines, func(l string) bool { return strings.HasPrefix(l, "this try of active is not counted: ") })
		if counted != (state == flash.Trial) {
			t.Errorf("%v: it says %q", state, said.lines)
		}
	}
}

// TestTryNotCountedAlone: nobody is there, and a try cannot be counted: the other image boots, if there is one.
func TestTryNotCountedAlone(t *testing.T) {
	for _, other := range []string{"", "it cannot boot"} {
		r := report(t, nil)
		r.Images = slices.Clone(r.Images)
		r.Images[0].ID = flash.ID{1}
		r.Images[0].Entry = flash.Entry{ID: flash.ID{1}, State: flash.Trial, Tries: 2}
		r.Images[1].Broken = other
		p, err := Request{Report: r, Image: "active", Consoles: consoles, Alone: true}.Plan()
		if err != nil {
			t.Fatal(err)
		}
		m := &machine{failAt: "jump"}
		err = p.Apply(t.Context(), m, ops.Discard)
		if jumped := err != nil && strings.Contains(err.Error(), "hand the machine over"); jumped != (other != "") {
			t.Errorf("backup: %q: %v", other, err)
		}
	}
}
