package crashlab

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Scenario is an operation on a flash.
type Scenario struct {
	Name    string
	Fixture Fixture
	Prepare func(dir, fstype string) error                    // what is done before, unrecorded; nil for nothing
	Run     func(dir, fstype string, mark func(string)) error // the operation
	Recover Recover
	Law     Law
}

// Budget bounds a judgement. The zero Budget judges everything.
type Budget struct {
	States int  // judged of one recording; 0 for all
	Deep   int  // of them, how many recoveries that had something to do are recorded and cut themselves
	Cuts   int  // states judged of each of those; 0 for all
	First  bool // stop at the first bad state
	OneWay bool // Linux looks at every second state after e2fsck and at the others without, not at each in both ways
	Seed   uint64
}

// Bad is a state that breaks the law.
type Bad struct {
	State State
	Cut   *State // of the recovery, when that was cut
	Wrong []string
}

func (b Bad) String() string {
	text := b.State.String()
	if b.Cut != nil {
		text += "\n  recovery cut at " + b.Cut.String()
	}
	return text + "\n  " + strings.Join(b.Wrong, "\n  ")
}

// Result is the judgement on a scenario.
type Result struct {
	Totals               // of the operation, from "begin" to "returned"
	Time   time.Duration // of the operation
	Found  int           // different states
	Judged int           // of them, and of recoveries that were cut
	Manual int           // of those that e2fsck saw, how many it did not put right alone: -p, and then -y
	Stuck  int           // of those that it did not see, in how many recovery could not go on before it had: ext2 only
	Bad    []Bad
	Log    Log
}

// workers is how many states are judged side by side: a judgement waits for the kernel half of its time.
const workers = 3

// Lab judges scenarios of one file system and size of disk.
type Lab struct {
	disk    *Disk
	benches []*bench
}

// New makes a lab. The caller closes it.
func New() *Lab { return &Lab{} }

// Close takes everything down.
func (l *Lab) Close() error {
	err := l.reset()
	if l.disk != nil {
		err = errors.Join(err, l.disk.Close())
	}
	l.disk = nil
	return err
}

func (l *Lab) reset() (err error) {
	for _, b := range l.benches {
		err = errors.Join(err, b.close())
	}
	l.benches = nil
	return err
}

// ready gets the disk and the benches for a flash of this size and type.
func (l *Lab) ready(image []byte, fstype string) (err error) {
	if len(l.benches) > 0 && (len(l.benches[0].image) != len(image) || l.benches[0].fstype != fstype) {
		if err := l.Close(); err != nil {
			return err
		}
	}
	if l.disk == nil {
		if l.disk, err = NewDisk(image); err != nil {
			return err
		}
	}
	for len(l.benches) < workers {
		b, err := newBench(len(image), fstype)
		if err != nil {
			return err
		}
		l.benches = append(l.benches, b)
		if err := l.disk.Guard(b.dir, b.loop); err != nil {
			return err
		}
	}
	return nil
}

// Run records a scenario and judges the states that a power cut could have left.
func (l *Lab) Run(s Scenario, budget Budget) (Result, error) {
	image, r, err := l.Record(s)
	if err != nil {
		return r, err
	}
	states := Enumerate(image, r.Log, budget.Seed)
	r.Found = len(states.List)
	whenDone := func(st State) bool { return st.Done }
	deep := l.judgeAll(&r, s, states, states.Some(budget.States, budget.Seed), whenDone, budget)
	for _, st := range deep {
		if err := l.deeper(&r, s, states, st, budget); err != nil {
			return r, err
		}
	}
	return r, nil
}

// Record records a scenario and judges nothing. It gives the disk at its beginning.
func (l *Lab) Record(s Scenario) (image []byte, r Result, err error) {
	if image, err = l.begin(s); err == nil {
		r.Log, err = l.disk.Record(image, s.Fixture.Type, func(dir string, mark func(string)) error {
			mark("begin")
			start := time.Now()
			defer func() { r.Time = time.Since(start) }()
			return s.Run(dir, s.Fixture.Type, mark)
		})
	}
	if err != nil {
		return nil, r, fmt.Errorf("%s on %s: %w", s.Name, s.Fixture.Type, err)
	}
	r.Totals = r.Log.Totals("begin", Returned)
	return image, r, nil
}

// begin gives the disk that the scenario begins with.
func (l *Lab) begin(s Scenario) ([]byte, error) {
	f, err := os.CreateTemp("", "crashlab-image-")
	if err != nil {
		return nil, err
	}
	f.Close()
	defer os.Remove(f.Name())
	if err := s.Fixture.Make(f.Name()); err != nil {
		return nil, err
	}
	image, err := os.ReadFile(f.Name())
	if err != nil {
		return nil, err
	}
	if err := l.ready(image, s.Fixture.Type); err != nil || s.Prepare == nil {
		return image, err
	}
	if _, err := l.disk.Record(image, s.Fixture.Type, func(dir string, _ func(string)) error {
		return s.Prepare(dir, s.Fixture.Type)
	}); err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	return l.disk.Image()
}

// judgeAll judges states side by side; of those that are done, recovery must not go back. It gives those in which recovery had the most to do, up to
// budget.Deep of them.
func (l *Lab) judgeAll(r *Result, s Scenario, states *States, list []State, done func(State) bool, budget Budget) (deep []State) {
	var mu sync.Mutex
	next := 0
	take := func() (st State, number int, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if next >= len(list) || budget.First && len(r.Bad) > 0 {
			return State{}, 0, false
		}
		next++
		return list[next-1], next, true
	}
	seen := map[string]int{}
	type interesting struct {
		State
		rank int
	}
	var did []interesting
	told := func(st State, v verdict) {
		mu.Lock()
		defer mu.Unlock()
		r.Judged++
		if v.manual {
			r.Manual++
		}
		if v.stuck {
			r.Stuck++
		}
		if len(v.wrong) > 0 {
			r.Bad = append(r.Bad, Bad{State: st, Wrong: v.wrong})
		}
		if kind := strings.Join(v.did, "; "); kind != "" {
			did = append(did, interesting{st, seen[kind]})
			seen[kind]++
		}
	}
	var wait sync.WaitGroup
	for _, b := range l.benches {
		wait.Go(func() {
			for st, number, ok := take(); ok; st, number, ok = take() {
				ways := []way{unchecked, checked}
				if budget.OneWay {
					ways = ways[number%2 : number%2+1]
				}
				load := func(image []byte) { states.Disk(st, image) }
				told(st, b.judge(load, s.Law, done(st), s.Recover, ways...))
			}
		})
	}
	wait.Wait()
	// Two states in which recovery does the same are of one kind: every kind is cut before one of them twice.
	slices.SortStableFunc(did, func(a, b interesting) int { return cmp.Compare(a.rank, b.rank) })
	for _, d := range did[:min(len(did), budget.Deep)] {
		deep = append(deep, d.State)
	}
	return deep
}

// deeper records the recovery of a state, and judges the states that a second power cut could have left.
func (l *Lab) deeper(r *Result, s Scenario, states *States, st State, budget Budget) error {
	image := make([]byte, len(l.benches[0].image))
	states.Disk(st, image)
	log, err := l.disk.Record(image, s.Fixture.Type, func(dir string, _ func(string)) error {
		_, err := s.Recover(dir, s.Fixture.Type)
		return err
	})
	if needsCheck(s.Fixture.Type, unchecked, err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s on %s: recovery of %v: %w", s.Name, s.Fixture.Type, st, err)
	}
	cuts := Enumerate(image, log, budget.Seed)
	r.Found += len(cuts.List)
	var part Result
	asFirst := func(State) bool { return st.Done }
	l.judgeAll(&part, s, cuts, cuts.Some(budget.Cuts, budget.Seed), asFirst, budget)
	for i := range part.Bad {
		part.Bad[i] = Bad{State: st, Cut: &part.Bad[i].State, Wrong: part.Bad[i].Wrong}
	}
	r.Judged += part.Judged
	r.Manual += part.Manual
	r.Stuck += part.Stuck
	r.Bad = append(r.Bad, part.Bad...)
	return nil
}
