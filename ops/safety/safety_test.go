package safety

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/ops"
	"holdfast/ops/status"
)

var update = flag.Bool("update", false, "write testdata/rules.txt anew")

// content is what a slot may hold.
type content struct {
	integrity flash.Integrity // Unknown: nothing at all
	state     flash.State
}

func (c content) String() string {
	switch c.integrity {
	case flash.Unknown:
		return "empty"
	case flash.Damaged:
		return "damaged"
	case flash.Unchecked:
		return "unchecked " + c.state.String()
	case flash.Verified:
		return "signed " + c.state.String()
	}
	return "whole " + c.state.String()
}

var allStates = []flash.State{flash.Confirmed, flash.Trial, flash.Bad, flash.Untold}

// contents are all of them; a damaged one in each state, although that must make no difference.
func contents() []content {
	all := []content{{}}
	for _, i := range []flash.Integrity{flash.Damaged, flash.Unchecked, flash.Intact, flash.Verified} {
		for _, s := range allStates {
			all = append(all, content{i, s})
		}
	}
	return all
}

func (c content) image(name string, id byte) status.Image {
	i := status.Image{Image: flash.Image{Name: name}, Integrity: c.integrity}
	if c.integrity == flash.Unknown {
		i.Broken = "empty"
		return i
	}
	i.Present, i.ID = true, flash.ID{id}
	i.Entry = flash.Entry{ID: i.ID, State: c.state}
	if c.integrity == flash.Damaged {
		i.Broken = "kernel.img: hash differs"
	}
	return i
}

// row is one combination.
type row struct {
	active, backup content
	booted         string
	require        bool
}

func (r row) report() *status.Report {
	images := []status.Image{r.active.image(flash.Active, 1), r.backup.image(flash.Backup, 2), content{flash.Intact, flash.Untold}.image(flash.Factory, 3)}
	for k, i := range images {
		if r.require && i.Broken == "" && i.Integrity != flash.Verified {
			images[k].Broken = status.Unsigned
		}
	}
	return &status.Report{Target: status.Target{Trust: signature.Trust{Require: r.require}}, Images: images}
}

func (r row) String() string {
	return fmt.Sprintf("active %v, backup %v, booted %q, require %v", r.active, r.backup, r.booted, r.require)
}

// verdict is what the rules say of a row.
type verdict struct{ counts, victim, replace, remove, spare string }

func judge(r row) verdict {
	report := r.report()
	which := func(ok func(string) bool) string {
		var names []string
		for _, n := range []string{flash.Active, flash.Backup} {
			if ok(n) {
				names = append(names, n)
			}
		}
		return strings.Join(names, "+")
	}
	return verdict{
		counts:  which(func(n string) bool { return Counts(report, r.booted, n) }),
		victim:  Victim(report, r.booted),
		replace: which(func(n string) bool { return Replaceable(report, r.booted, n) == nil }),
		remove:  which(func(n string) bool { return Removable(report, r.booted, n) == nil }),
		spare:   strings.Join(Spare(report, r.booted), "+"),
	}
}

var everyBooted = []string{"", flash.Active, flash.Backup}

func rows(yield func(row) bool) {
	for _, a := range contents() {
		for _, b := range contents() {
			for _, booted := range everyBooted {
				for _, require := range []bool{false, true} {
					if !yield(row{a, b, booted, require}) {
						return
					}
				}
			}
		}
	}
}

// TestInvariants holds what must be true in every combination, whatever the rules in detail are.
func TestInvariants(t *testing.T) {
	n := 0
	for r := range rows {
		n++
		v, report := judge(r), r.report()
		broken := func(format string, args ...any) { t.Errorf("%v: %+v: %s", r, v, fmt.Sprintf(format, args...)) }
		without := func(name string) string {
			w := r
			if name == flash.Active {
				w.active = content{}
			} else {
				w.backup = content{}
			}
			return judge(w).counts
		}
		if v.counts != "" && without(v.victim) == "" {
			broken("the last image that counts gives way")
		}
		stays := other(v.victim)
		victim, _ := report.Image(v.victim)
		rest, _ := report.Image(stays)
		if victim.Entry.State == flash.Confirmed && Whole(victim) && (rest.Entry.State != flash.Confirmed || !Whole(rest)) {
			broken("the last confirmed image gives way")
		}
		if worthOf(report, r.booted, victim) > worthOf(report, r.booted, rest) {
			broken("%s is worth more than %s", v.victim, stays)
		}
		if Whole(victim) && !Whole(rest) {
			broken("the only whole image gives way")
		}
		if Replaceable(report, r.booted, v.victim) != nil {
			broken("what gives way by the rules may not be named")
		}
		for _, name := range []string{flash.Active, flash.Backup} {
			i, _ := report.Image(name)
			o, _ := report.Image(other(name))
			removable := strings.Contains(v.remove, name)
			switch {
			case strings.Contains(v.counts, name) && !Whole(i):
				broken("%s counts and is not whole", name)
			case removable && v.counts != "" && without(name) == "":
				broken("the last image that counts may be removed")
			case removable && Whole(i) && !Whole(o):
				broken("the only whole image may be removed")
			case i.Entry.State == flash.Confirmed && Whole(i) && !strings.Contains(v.counts, name):
				broken("%s is confirmed and does not count", name)
			case strings.Contains(v.replace, name) && v.counts != "" && without(name) == "":
				broken("the last image that counts may be replaced")
			case strings.Contains(v.replace, name) && Whole(i) && !Whole(o):
				broken("the only whole image may be replaced")
			}
		}
		if v.remove == "active+backup" && !Whole(victim) != !Whole(rest) {
			broken("both may be removed, one of which is the only whole one")
		}
		if strings.Contains(v.spare, "+") || v.spare != "" && !strings.Contains(v.remove, v.spare) {
			broken("spare: more than may be removed")
		}
		if r.require {
			w := r
			w.require = false
			if judge(w).counts != v.counts {
				broken("what counts depends on require-signature")
			}
		}
		if Removable(report, r.booted, flash.Factory) == nil || Replaceable(report, r.booted, flash.Factory) == nil {
			broken("factory may go")
		}
		for _, err := range []error{Removable(report, r.booted, flash.Active), Replaceable(report, r.booted, flash.Active)} {
			if err != nil && ops.ExitCode(err) != int(ops.Refused) {
				broken("%v: exit code %d", err, ops.ExitCode(err))
			}
		}
	}
	if want := 17 * 17 * 3 * 2; n != want {
		t.Errorf("%d rows, want %d", n, want)
	}
}

// TestDamagedHasNoState: a record cannot make a damaged image worth anything.
func TestDamagedHasNoState(t *testing.T) {
	for r := range rows {
		w := r
		for _, c := range []*content{&w.active, &w.backup} {
			if c.integrity == flash.Damaged {
				c.state = flash.Untold
			}
		}
		if judge(r) != judge(w) {
			t.Errorf("%v: %+v, with another state %+v", r, judge(r), judge(w))
		}
	}
}

// TestTable compares with the table that people read. Rows that differ in what was booted alone, and are
// judged the same, are one; with signatures required, only the rows are told in which that matters.
func TestTable(t *testing.T) {
	var b strings.Builder
	line := func(cells ...any) {
		fmt.Fprintf(&b, "%-20s %-20s %-14s %-14s %-7s %-14s %-14s %s\n", cells...)
	}
	table := func(require bool, list []content) {
		line("active", "backup", "booted", "counts", "victim", "--slot may be", "removable", "spare")
		for _, a := range list {
			for _, c := range list {
				for _, m := range merged(a, c, require) {
					line(a, c, m.booted, dash(m.counts), m.victim, dash(m.replace), dash(m.remove), dash(m.spare))
				}
			}
		}
	}
	kept := func(drop func(content) bool) []content { return slices.DeleteFunc(contents(), drop) }
	table(false, kept(func(c content) bool {
		return c.integrity == flash.Verified || c.integrity == flash.Damaged && c.state != flash.Untold
	}))
	fmt.Fprint(&b, "\nWith require-signature, where it makes a difference:\n")
	table(true, kept(func(c content) bool { return c.integrity == flash.Unknown || c.integrity == flash.Damaged }))
	name := filepath.Join("testdata", "rules.txt")
	if *update {
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != b.String() {
		t.Errorf("%s differs from the rules: go test ./ops/safety -update, and read what changed", name)
	}
}

type merge struct {
	booted string
	verdict
}

func merged(active, backup content, require bool) []merge {
	var list []merge
	for _, booted := range everyBooted {
		r := row{active, backup, booted, require}
		v := judge(r)
		plain := r
		plain.require = false
		if require && judge(plain) == v {
			continue
		}
		name := dash(booted)
		if at := slices.IndexFunc(list, func(m merge) bool { return m.verdict == v }); at >= 0 {
			list[at].booted += "," + name
		} else {
			list = append(list, merge{name, v})
		}
	}
	if len(list) == 1 && strings.Count(list[0].booted, ",") == 2 {
		list[0].booted = "any"
	}
	return list
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func TestStaged(t *testing.T) {
	whole, hurt := content{flash.Intact, flash.Untold}, content{flash.Damaged, flash.Untold}
	staged := func(c content, name string, id byte) status.Image {
		i := c.image(name, id)
		i.Staged = true
		return i
	}
	r := row{active: content{flash.Intact, flash.Confirmed}, backup: whole}.report()
	r.Images = append(r.Images, staged(whole, "1.3.125", 4), staged(hurt, "1.3.126", 5))
	if got, want := Spare(r, ""), []string{"1.3.126", "1.3.125", "backup"}; !slices.Equal(got, want) {
		t.Errorf("Spare = %q, want %q", got, want)
	}
	r = row{active: hurt}.report()
	r.Images = append(r.Images, staged(whole, "1.3.125", 4), staged(hurt, "1.3.126", 5))
	if got, want := Spare(r, ""), []string{"1.3.126"}; !slices.Equal(got, want) {
		t.Errorf("Spare = %q, want %q: the only whole image is no room", got, want)
	}
	if err := Removable(r, "", "1.3.125"); ops.ExitCode(err) != int(ops.Refused) {
		t.Errorf("Removable of the only whole image = %v", err)
	}
	r.Images = append(r.Images, staged(whole, "1.3.127", 6))
	if got, want := Spare(r, ""), []string{"1.3.126", "1.3.125"}; !slices.Equal(got, want) {
		t.Errorf("Spare = %q, want %q: one whole image stays", got, want)
	}
}

func TestMarks(t *testing.T) {
	long := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	rec := flash.Record{Entries: []flash.Entry{{ID: flash.ID{1}, State: flash.Confirmed, Since: long}, {ID: flash.ID{9}, State: flash.Bad}}}
	Mark(&rec, flash.ID{1}, flash.Confirmed, 0)
	if e := rec.Entry(flash.ID{1}); e.Since != long {
		t.Errorf("the same state again is since %v, want %v", e.Since, long)
	}
	Mark(&rec, flash.ID{2}, flash.Trial, 3)
	Mark(&rec, flash.ID{2}, flash.Trial, 2)
	Mark(&rec, flash.ID{}, flash.Trial, 2)
	if e := rec.Entry(flash.ID{2}); len(rec.Entries) != 3 || e.Tries != 2 {
		t.Errorf("entries %+v", rec.Entries)
	}
	r := row{active: content{flash.Intact, flash.Untold}, backup: content{flash.Intact, flash.Untold}}.report()
	Forget(&rec, r)
	if len(rec.Entries) != 2 || rec.Entry(flash.ID{9}).State != flash.Untold {
		t.Errorf("entries %+v, want those of images that are there", rec.Entries)
	}
	Mark(&rec, flash.ID{1}, flash.Untold, 0)
	MarkBooted(&rec, r, flash.Active)
	MarkBooted(&rec, r, flash.Backup)
	MarkBooted(&rec, r, "maintenance")
	if a, b := rec.Entry(flash.ID{1}).State, rec.Entry(flash.ID{2}).State; a != flash.Confirmed || b != flash.Trial {
		t.Errorf("booted images are %v and %v, want confirmed, and trial as it was", a, b)
	}
}
