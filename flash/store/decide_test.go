package store

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"holdfast/flash"
)

// world is a flash without files: what is in each directory ("v1" to "v3", or "d1" to "d3" when damaged),
// the versions staged by promotions that are undone, and the record.
type world struct {
	dirs    map[string]string
	staged  []string
	record  flash.Record
	renames bool
}

func (w world) clone() world {
	w.dirs = maps.Clone(w.dirs)
	w.staged = append([]string(nil), w.staged...)
	return w
}

func (w world) String() string {
	var s []string
	for _, dir := range shelfDirs {
		s = append(s, dir+"="+w.dirs[dir])
	}
	return fmt.Sprintf("%s record %s, renaming %v", strings.Join(s, " "), sayRecord(w.record), w.renames)
}

func sayRecord(r flash.Record) string {
	s := "entries"
	for _, v := range []string{"v1", "v2", "v3"} {
		s += fmt.Sprintf(" %s %s", v, r.Entry(idOf(v)).State)
	}
	if r.Pending != nil {
		s += fmt.Sprintf(" pending %s %v to %v", r.Pending.Op, r.Pending.Before, r.Pending.After)
	}
	return s
}

// idOf is the ID of an image; a damaged one has that of its whole one, as both have its manifest.
func idOf(content string) (id flash.ID) {
	if content != "" {
		id[0] = content[1]
	}
	return id
}

func (w world) flash() *flash.Flash {
	f := &flash.Flash{Record: w.record}
	img := func(name string) flash.Image {
		in := w.dirs[name]
		return flash.Image{Name: name, Present: in != "", ID: idOf(in), Version: in, Kernel: in, Entry: w.record.Entry(idOf(in)),
			Manifest: flash.Manifest{Sums: make([]flash.Sum, min(len(in), 1))}}
	}
	for _, name := range flash.Slots {
		f.Slots = append(f.Slots, img(name))
	}
	for _, name := range flash.Working {
		if w.dirs[name] != "" {
			f.Left = append(f.Left, img(name))
		}
	}
	for _, v := range w.staged {
		f.Staged = append(f.Staged, flash.Image{Name: v})
	}
	return f
}

func isWhole(img flash.Image) bool { return strings.HasPrefix(img.Version, "v") }

// recovered is the world after the first steps of a recovery, all of them with steps < 0; done says that
// it came to its end. each is called behind every move.
func (w world) recovered(steps int, each func(world)) (after world, done bool) {
	w = w.clone()
	next := func() bool { steps--; return steps != -1 }
	s := shelf{}
	for _, dir := range shelfDirs {
		if w.dirs[dir] != "" {
			s[dir] = dir
		}
	}
	if w.record.Pending == nil && len(w.flash().Left) == 0 {
		return w, true
	}
	d := decide(w.flash(), s, isWhole)
	for {
		m, ok := d.goal.next(s, !w.renames, d.keep)
		if !ok {
			break
		}
		if !next() {
			return w, false
		}
		m.apply(s)
		m.apply(shelf(w.dirs))
		each(w)
	}
	if d.restage != "" {
		if !next() {
			return w, false
		}
		delete(w.dirs, s.find(d.restage))
		w.staged = append(w.staged, d.version)
	}
	for _, dir := range flash.Working {
		if w.dirs[dir] == "" {
			continue
		}
		if !next() {
			return w, false
		}
		w.dirs[dir] = "d" + w.dirs[dir][1:] // its kernel is gone
		if !next() {
			return w, false
		}
		delete(w.dirs, dir)
	}
	if w.record.Pending != nil {
		if !next() {
			return w, false
		}
		w.record.Entries = append([]flash.Entry(nil), w.record.Entries...)
		d.note(&w.record)
	}
	return w, true
}

// value is what an image in a directory is worth to whoever wants to boot.
func (w world) value(dir string) int {
	in := w.dirs[dir]
	if !strings.HasPrefix(in, "v") {
		return 0
	}
	e := w.record.Entry(idOf(in))
	if dir != flash.Active && comes(w.record.Pending, e) {
		return 1
	}
	return worth(e.State)
}

// best is what the best of some directories is worth.
func (w world) best(dirs ...string) (best int) {
	for _, dir := range dirs {
		best = max(best, w.value(dir))
	}
	return best
}

var slots = []string{flash.Active, flash.Backup}

// judge says what is wrong with the end of a recovery.
func judgeEnd(start, end world) string {
	if end.record.Pending != nil || end.dirs[flash.Incoming]+end.dirs[flash.Hold]+end.dirs[flash.Trash] != "" {
		return "something is left"
	}
	end.record.Entries, end.record.Pending = start.record.Entries, nil // what became a trial was worth no more before
	confirmed := worth(flash.Confirmed)
	if start.best(shelfDirs...) == confirmed && end.best(slots...) < confirmed {
		return "the confirmed image is lost"
	}
	if end.best(slots...) == 0 && start.best(shelfDirs...) > 0 {
		return "the only whole image is lost"
	}
	if end.best(slots...) < start.best(flash.Active, flash.Backup, flash.Hold) {
		return "what was in the slots was better"
	}
	now := flash.Pair{Active: idOf(end.dirs[flash.Active]), Backup: idOf(end.dirs[flash.Backup])}
	if p := start.record.Pending; p != nil && start.wholeThere(p.Before) && start.wholeThere(p.After) &&
		start.best(shelfDirs...) <= start.pairWorth(p.Before) && start.best(shelfDirs...) <= start.pairWorth(p.After) && now != p.Before && now != p.After {
		return "neither before nor after"
	}
	if start.record.Pending == nil && start.value(flash.Active) == confirmed && end.dirs[flash.Active] != start.dirs[flash.Active] {
		return "a confirmed active image was moved for nothing"
	}
	return ""
}

func (w world) wholeThere(p flash.Pair) bool {
	for _, id := range []flash.ID{p.Active, p.Backup} {
		found := id.IsZero()
		for _, dir := range shelfDirs {
			found = found || w.value(dir) > 0 && idOf(w.dirs[dir]) == id
		}
		if !found {
			return false
		}
	}
	return true
}

func (w world) pairWorth(p flash.Pair) int {
	best := 0
	for _, id := range []flash.ID{p.Active, p.Backup} {
		if !id.IsZero() {
			best = max(best, worth(w.record.Entry(id).State))
		}
	}
	return best
}

// records are what a record may say.
func records() (all []flash.Record) {
	entries := [][]flash.Entry{
		nil,
		{{ID: idOf("v2"), State: flash.Confirmed}},
		{{ID: idOf("v1"), State: flash.Confirmed}, {ID: idOf("v3"), State: flash.Trial, Tries: 3}},
		{{ID: idOf("v1"), State: flash.Confirmed}, {ID: idOf("v2"), State: flash.Confirmed}},
		{{ID: idOf("v2"), State: flash.Bad}, {ID: idOf("v1"), State: flash.Trial, Tries: 1}},
		{{ID: idOf("v3"), State: flash.Confirmed}},
	}
	p := func(active, backup string) flash.Pair { return flash.Pair{Active: idOf(active), Backup: idOf(backup)} }
	pending := []*flash.Pending{
		nil,
		{Op: flash.Installing, Before: p("v2", "v1"), After: p("v3", "v2")},
		{Op: flash.Installing, Before: p("v2", "v1"), After: p("v3", "v1")},
		{Op: flash.Installing, Before: p("v2", "v1"), After: p("v2", "v3")},
		{Op: flash.Installing, Before: p("v2", ""), After: p("v3", "v2")},
		{Op: flash.Installing, Before: p("", ""), After: p("v3", "")},
		{Op: flash.Installing, Before: p("v2", "v1"), After: p("v2", "v2")},
		{Op: flash.Rotating, Before: p("v2", "v1"), After: p("v1", "v2")},
		{Op: flash.Rotating, Before: p("v2", "v1"), After: p("v3", "v2")},
		{Op: flash.Removing, Before: p("v2", "v1"), After: p("v2", "")},
		{Op: flash.Removing, Before: p("v2", "v1"), After: p("", "v1")},
	}
	for _, e := range entries {
		for _, change := range pending {
			all = append(all, flash.Record{Seq: 1, Entries: e, Pending: change})
		}
	}
	return all
}

// TestDecide recovers the worlds there are: every content of every directory with every record, cut behind
// every step. These are 412,500, which takes minutes: HOLDFAST_SOAK=1 has all of them, and without it is
// every 61st, which meets each content, record and way with each other.
func TestDecide(t *testing.T) {
	stride := 61
	if os.Getenv("HOLDFAST_SOAK") != "" {
		stride = 1
	}
	contents := []string{"", "v1", "v2", "v3", "d2"}
	worlds, cuts, number := 0, 0, 0
	for n := range 5 * 5 * 5 * 5 * 5 {
		dirs := map[string]string{}
		for _, dir := range shelfDirs {
			if in := contents[n%5]; in != "" {
				dirs[dir] = in
			}
			n /= 5
		}
		for _, record := range records() {
			for _, renames := range []bool{false, true} {
				if number++; number%stride != 0 {
					continue
				}
				start := world{dirs: dirs, record: record, renames: renames}
				end, _ := start.recovered(-1, func(world) {})
				if wrong := judgeEnd(start, end); wrong != "" {
					t.Fatalf("%s:\n%v\nends as\n%v", wrong, start, end)
				}
				if again, _ := end.recovered(-1, func(world) {}); fmt.Sprint(again) != fmt.Sprint(end) {
					t.Fatalf("recovered twice:\n%v\nends as\n%v\nand\n%v", start, end, again)
				}
				worlds++
				for steps := 0; ; steps++ {
					cut, done := start.recovered(steps, func(world) {})
					if done {
						break
					}
					cuts++
					resumed, _ := cut.recovered(-1, func(world) {})
					if wrong := judgeEnd(start, resumed); wrong != "" {
						t.Fatalf("%s:\n%v\ncut behind %d steps\n%v\nends as\n%v", wrong, start, steps, cut, resumed)
					}
				}
			}
		}
	}
	t.Logf("%d worlds, cut %d times", worlds, cuts)
}

// TestDecideReached goes the way of every arrangement, cuts it behind every move, recovers, cuts that too,
// and looks behind every move: a confirmed image is in a slot at every instant, and whoever is
// interrupted comes to the same end as who is not.
func TestDecideReached(t *testing.T) {
	cuts := 0
	for _, a := range arrangements {
		for _, confirmed := range [][]string{{"v2"}, {"v1"}, {"v1", "v2"}, {}} {
			for _, renames := range []bool{false, true} {
				for _, cut := range arrangementCuts(a, confirmed, renames) {
					cuts++
					checkReached(t, a.name, cut)
				}
			}
		}
	}
	t.Logf("%d cuts", cuts)
}

// arrangementCuts are the worlds that an arrangement leaves behind each of its moves.
func arrangementCuts(a arrangement, confirmed []string, renames bool) (cuts []world) {
	w := world{dirs: map[string]string{}, renames: renames}
	for _, slot := range slots {
		if a.images[slot] != "" {
			w.dirs[slot] = a.images[slot]
		}
	}
	short := func(long flash.Pair) flash.Pair {
		versions := map[flash.ID]string{}
		for _, v := range []string{"v1", "v2", "v3"} {
			versions[pair(v, "").Active] = v
		}
		return flash.Pair{Active: idOf(versions[long.Active]), Backup: idOf(versions[long.Backup])}
	}
	w.record.Pending = &flash.Pending{Op: a.op, Before: short(a.before), After: short(a.after)}
	for _, v := range confirmed {
		w.record.Entries = append(w.record.Entries, flash.Entry{ID: idOf(v), State: flash.Confirmed})
	}
	if a.take != "" {
		staged := w.clone()
		staged.staged = []string{a.take}
		cuts = append(cuts, staged)
	}
	if in := a.staged + a.take; in != "" {
		w.dirs[flash.Incoming] = in
	}
	s := shelf{}
	images := map[string]flash.Image{}
	for dir, in := range w.dirs {
		s[dir], images[dir] = dir, flash.Image{ID: idOf(in)}
	}
	g, err := route(s, images, *w.record.Pending)
	if err != nil {
		panic(err)
	}
	keep := flash.Active
	if w.value(flash.Backup) > w.value(flash.Active) {
		keep = flash.Backup
	}
	for {
		cuts = append(cuts, w.clone())
		m, ok := g.next(s, !renames, keep)
		if !ok {
			return cuts
		}
		m.apply(s)
		m.apply(shelf(w.dirs))
	}
}

func checkReached(t *testing.T, name string, start world) {
	t.Helper()
	look := func(w world) {
		t.Helper()
		w.record.Entries = start.record.Entries
		if c := worth(flash.Confirmed); start.best(slots...) == c && w.best(slots...) < c {
			t.Fatalf("%s: from\n%v\nno confirmed image is in a slot:\n%v", name, start, w)
		}
	}
	end, _ := start.recovered(-1, look)
	if wrong := judgeEnd(start, end); wrong != "" {
		t.Fatalf("%s: %s:\n%v\nends as\n%v", name, wrong, start, end)
	}
	for steps := 0; ; steps++ {
		cut, done := start.recovered(steps, look)
		if done {
			return
		}
		resumed, _ := cut.recovered(-1, look)
		if wrong := judgeEnd(start, resumed); wrong != "" {
			t.Fatalf("%s: %s:\n%v\ncut behind %d steps\nends as\n%v", name, wrong, start, steps, resumed)
		}
		// Where the same image is active before and after, both ends look alike half-way.
		if p := start.record.Pending; same(resumed) != same(end) && p.Before.Active != p.After.Active {
			t.Fatalf("%s: %v\ncut behind %d steps\n%v\nends as\n%v\ninstead of\n%v", name, start, steps, cut, resumed, end)
		}
	}
}

// same is what a cut may not change.
func same(w world) string {
	return fmt.Sprint(w.dirs[flash.Active], " ", w.dirs[flash.Backup], " ", w.staged, " ", sayRecord(w.record))
}
