// Package vfatlab is the crash lab for FAT, which this machine's kernel may not have: the operations run
// in a virtual machine, on a disk whose every write and flush QEMU records. The disks that a power cut
// could have left are judged twice: raw, as GRUB reads them, by mtools; and after a second machine has
// mounted and repaired them, by mtools and fsck.fat. What they could be is crashlab's to say.
package vfatlab

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/initramfs"
	"holdfast/ops/bench/crashlab"
)

var (
	states = flag.Int("states", 60, "how many crash states of a step are judged; 0 for all that are listed")
	seed   = flag.Uint64("seed", 1, "of the states that are drawn")
)

// step is one operation, and what may be on the disk when the power goes during it.
type step struct {
	name          string
	command       string
	before, after pair
	confirmed     []string // one of these must be whole in a slot at every instant
}

// The steps of one disk. Those behind the first "rename" are as on kernels before 6.0, whose vfat
// exchanges no names.
var steps = []step{
	{"records", "record active", pair{"v2", "v1"}, pair{"v2", "v1"}, []string{"v2"}},
	{"install", "install /images/v3.tgz", pair{"v2", "v1"}, pair{"v3", "v2"}, []string{"v2"}},
	{"record", "record active", pair{"v3", "v2"}, pair{"v3", "v2"}, []string{"v2", "v3"}},
	{"rotate", "rotate .", pair{"v3", "v2"}, pair{"v2", "v3"}, []string{"v2", "v3"}},
	{"rotate-back", "rotate . rename", pair{"v2", "v3"}, pair{"v3", "v2"}, []string{"v2", "v3"}},
	{"remove", "remove backup", pair{"v3", "v2"}, pair{"v3", ""}, []string{"v3"}},
	{"fill", "install /images/v4.tgz rename", pair{"v3", ""}, pair{"v4", "v3"}, []string{"v3"}},
	{"replace", "install /images/v5.tgz rename", pair{"v4", "v3"}, pair{"v5", "v3"}, []string{"v3"}},
}

// TestNaive shows that the lab sees what it looks for: an installation by files that are synced one by
// one, and renames that are synced with their directory, loses the confirmed image in GRUB's eye.
func TestNaive(t *testing.T) {
	t.Parallel()
	naive := []step{{"naive", "naive /images/v3", pair{"v2", "v1"}, pair{"v3", "v2"}, []string{"v2"}}}
	l := record(t, fat16, naive)
	if r := l.judge(naive[0], false); r.lost == 0 {
		t.Errorf("the lab finds nothing wrong in %d states of a naive rotation", r.states)
	}
}

// TestFAT16 has everything; TestFAT32 fewer states, as each is 34 MB.
func TestFAT16(t *testing.T) { t.Parallel(); lab(t, fat16) }

func lab(t *testing.T, f format) {
	l := record(t, f, steps)
	for _, st := range steps {
		t.Run(st.name, func(t *testing.T) {
			l.T = t
			l.judge(st, true)
		})
	}
}

// recording is what a disk was asked while the steps ran.
type recording struct {
	*testing.T
	format
	base []byte
	log  crashlab.Log
	dir  string
}

// record runs the steps, one after the other on one disk.
func record(t *testing.T, f format, steps []step) *recording {
	t.Helper()
	l := &recording{T: t, format: f, dir: workDir(t)}
	disk, log := filepath.Join(l.dir, "disk"), filepath.Join(l.dir, "log")
	f.make(t, disk, map[string]string{"active": "v2", "backup": "v1", "factory": "v0"})
	var err error
	l.base, err = os.ReadFile(disk)
	must(t, err)
	l.base = l.base[:f.size]
	var list strings.Builder
	for _, st := range steps {
		fmt.Fprintln(&list, st.name, st.command)
	}
	must(t, os.WriteFile(disk+".steps", []byte(list.String()), 0o644))
	adds := []initramfs.Add{{Source: disk + ".steps", Dest: "/steps"}}
	for _, v := range []string{"v3", "v4", "v5"} {
		a := archive(t, v)
		adds = append(adds, initramfs.Add{Source: a, Dest: "/images/" + v + ".tgz"}, initramfs.Add{Source: strings.TrimSuffix(a, ".tgz"), Dest: "/images/" + v})
	}
	said := machine(t, disk, log, fmt.Sprintf("lab=record size=%d", f.size), adds...)
	l.log, err = readLog(log, f.size)
	must(t, err)
	t.Logf("%s: %+v\n%s", f.name, l.log.Totals("", ""), strings.Join(said, "\n"))
	return l
}

// result counts.
type result struct{ states, listed, lost, wrong int }

// judge makes the crash states of one step and judges them, with recovery or without. Without it nothing
// is an error: the caller looks at what was lost.
func (l *recording) judge(st step, recovery bool) (r result) {
	l.Helper()
	base := slices.Clone(l.base)
	for _, e := range l.log {
		if e.Kind == crashlab.Mark && e.Name == st.name {
			break
		}
		crashlab.Log{e}.Apply(base)
	}
	log := l.span(st.name)
	all := crashlab.Enumerate(base, log, *seed)
	some := all.Some(*states, *seed)
	r.listed, r.states = len(all.List), len(some)
	many := filepath.Join(l.dir, "many")
	image, one := make([]byte, l.size), filepath.Join(l.dir, "one")
	out, err := os.Create(many)
	must(l, err)
	defer os.Remove(many)
	defer out.Close()
	for i, state := range some {
		all.Disk(state, image)
		must(l, os.WriteFile(one, image, 0o600))
		_, err := out.WriteAt(image, int64(i)*l.size)
		must(l, err)
		if bad := look(l, one, l.dir+"/tree").raw(st); bad != "" {
			r.lost++
			l.complain(recovery, "GRUB's eye: %v: %s", state, bad)
		}
	}
	must(l, out.Truncate(int64(len(some))*l.size+sector))
	if recovery {
		bad := l.recover(st, some, many)
		r.wrong = len(bad)
		slices.Sort(bad)
		for _, epoch := range slices.Compact(bad) {
			l.Logf("epoch %d wrote:%s", epoch, geometryOf(base).writes(log, epoch))
		}
	}
	l.Logf("%s %s: %d of %d states, %d bad in GRUB's eye, %d after recovery", l.name, st.name, r.states, r.listed, r.lost, r.wrong)
	return r
}

func (l *recording) complain(loud bool, format string, args ...any) {
	l.Helper()
	if loud {
		l.Errorf(format, args...)
	}
}

// span is the part of the log that belongs to a step: to the mark of the next one.
func (l *recording) span(name string) crashlab.Log {
	in, part := false, crashlab.Log{}
	for _, e := range l.log {
		if e.Kind == crashlab.Mark {
			in = e.Name == name || in && strings.HasPrefix(e.Name, name+":")
		}
		if in {
			part = append(part, e)
		}
	}
	return part
}

// recover has a machine repair the disks in the file many, twice each, and judges what they are then. It
// gives the epoch of each that is wrong.
func (l *recording) recover(st step, some []crashlab.State, many string) (wrong []int) {
	l.Helper()
	said := machine(l, many, "", fmt.Sprintf("lab=recover size=%d count=%d", l.size, len(some)))
	results := recoveries(l, said)
	if len(results) != len(some) {
		l.Fatalf("the machine repaired %d of %d disks:\n%s", len(results), len(some), strings.Join(said, "\n"))
	}
	disks, err := os.Open(many)
	must(l, err)
	defer disks.Close()
	image, one := make([]byte, l.size), filepath.Join(l.dir, "one")
	for i, state := range some {
		_, err := disks.ReadAt(image, int64(i)*l.size)
		must(l, err)
		must(l, os.WriteFile(one, image, 0o600))
		bad := results[i].bad()
		if bad == "" {
			bad = look(l, one, l.dir+"/tree").recovered(st, state.Mark == st.name+":returned")
		}
		if bad == "" {
			bad = fsck(l, one)
		}
		if bad != "" {
			wrong = append(wrong, state.Epoch)
			l.Errorf("Linux's eye: %v: %s; it said %q", state, bad, results[i].First)
		}
	}
	return wrong
}

// repaired is what the machine says of one disk.
type repaired struct {
	State         int
	First, Second []string // what the repairs said; nil when there was nothing to do
	Error         string
}

func (r repaired) bad() string {
	switch {
	case r.Error != "":
		return r.Error
	case r.Second != nil:
		return fmt.Sprintf("the second repair found something to do: %q", r.Second)
	}
	return ""
}

func recoveries(t testing.TB, said []string) (list []repaired) {
	t.Helper()
	for _, line := range said {
		if text, ok := strings.CutPrefix(line, "STATE "); ok {
			var r repaired
			must(t, json.Unmarshal([]byte(text), &r))
			list = append(list, r)
		}
	}
	return list
}
