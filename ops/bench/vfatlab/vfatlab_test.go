// Package vfatlab is the crash lab for FAT, which this machine's kernel may not have: the operations run
// in a virtual machine, on a disk whose every write and flush QEMU records. The disks that a power cut
// could have left are judged twice: raw, as GRUB reads them, by mtools; and after a second machine has
// mounted and repaired them, by mtools and fsck.fat. What they could be is crashlab's to say.
package vfatlab

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/flash/store"
	"holdfast/initramfs"
	"holdfast/ops/bench/crashlab"
)

var (
	states = flag.Int("states", 30, "how many crash states of a step are judged")
	omit   = flag.String("omit", "", "the name of one more store.Point that TestOmit leaves out; all for every one")
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
	{"log", "log begin", pair{"v2", "v1"}, pair{"v2", "v1"}, []string{"v2"}},
	{"log-on", "log on", pair{"v2", "v1"}, pair{"v2", "v1"}, []string{"v2"}},
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
	list := l.crashes(naive[0], *states)
	l.make(list)
	lost := 0
	for _, c := range list {
		if c.raw != "" {
			lost++
		}
	}
	t.Logf("%d of %d states are bad in GRUB's eye", lost, len(list))
	if lost == 0 {
		t.Error("the lab finds nothing wrong with a naive rotation")
	}
}

// TestFAT16 and TestFAT32 cut all steps. A FAT32 is fifteen times as large, so it has fewer states.
func TestFAT16(t *testing.T) { t.Parallel(); lab(t, fat16, *states) }
func TestFAT32(t *testing.T) { t.Parallel(); lab(t, fat32, max(1, *states/10)) }

func lab(t *testing.T, f format, states int) {
	l := record(t, f, steps)
	all := l.run(steps, states)
	for _, st := range steps {
		l.tell(st, all)
	}
}

// TestAccess: an operation has vfat go on where it finds something wrong, and gives it back as it was. The driver
// heeds no options of a remount, so what is busy is worked on as it is.
func TestAccess(t *testing.T) {
	t.Parallel()
	disk := filepath.Join(workDir(t), "disk")
	fat16.make(t, disk, map[string]string{"active": "v2"})
	var got []string
	for _, line := range machine(t, disk, "", fmt.Sprintf("lab=access size=%d", fat16.size)) {
		if line, ok := strings.CutPrefix(line, "ACCESS "); ok {
			got = append(got, line)
		}
	}
	want := []string{
		"read-only: ro,errors=remount-ro, within rw,errors=continue, after ro,errors=remount-ro",
		"panics: ro,flush,errors=panic, within rw,flush,errors=continue, after ro,flush,errors=panic",
		"goes on already: ro,errors=continue, within rw,errors=continue, after ro,errors=continue",
		"busy: ro,errors=remount-ro, within rw,errors=remount-ro, after ro,errors=remount-ro",
		"read-write: rw,errors=remount-ro, within rw,errors=remount-ro, after rw,errors=remount-ro",
		"device: -, within rw,errors=continue, after -",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the machine says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// shown are the points that the lab needs on a FAT, and the steps that show it: only the first records make files,
// and only what is deleted can be deleted in part.
var shown = map[store.Point][]string{
	store.RecordMade: {"log", "log-on", "records"},
	store.Unlinked:   {"remove"},
}

// TestOmit leaves out what a store waits for, one at a time, and must see the difference where the table
// says that it shows on a FAT. -omit all tries every point there is, in all steps.
func TestOmit(t *testing.T) {
	for _, p := range store.Points() {
		if shown[p] == nil && *omit != "all" && *omit != p.String() {
			continue
		}
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			var omitting, judged []step
			for _, st := range steps[:len(steps)-2] {
				st.command = strings.TrimSuffix(st.command, " rename") + " " + p.String()
				omitting = append(omitting, st)
				if *omit == "all" || slices.Contains(shown[p], st.name) {
					judged = append(judged, st)
				}
			}
			bad := 0
			all := record(t, fat16, omitting).run(judged, *states)
			for _, c := range all {
				if c.raw+c.after != "" {
					bad++
				}
			}
			t.Logf("without %v (%s): %d of %d states are bad", p, p.Purpose(), bad, len(all))
			if bad == 0 && shown[p] != nil {
				t.Errorf("the lab does not see that %v is left out", p)
			}
		})
	}
}

// run cuts steps, some states of each, and has all that this can leave judged.
func (l *recording) run(steps []step, states int) (all []*crash) {
	for _, st := range steps {
		all = append(all, l.crashes(st, states)...)
	}
	for list := range slices.Chunk(all, batch) {
		l.make(list)
		l.repair(list)
	}
	return all
}

// batch is how many disks lie on the one that a machine repairs: to start it costs more than a repair.
const batch = 500

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

// crash is a disk that a power cut can have left, and what the judges say of it: "" when all is well.
type crash struct {
	step
	crashlab.State
	all    *crashlab.States
	raw    string
	after  string
	repair repaired
}

// crashes draws n states of a step.
func (l *recording) crashes(st step, n int) (list []*crash) {
	base := slices.Clone(l.base)
	for _, e := range l.log {
		if e.Kind == crashlab.Mark && e.Name == st.name {
			break
		}
		crashlab.Log{e}.Apply(base)
	}
	all := crashlab.Enumerate(base, l.span(st.name), *seed)
	for _, state := range all.Some(n, *seed) {
		list = append(list, &crash{step: st, State: state, all: all})
	}
	return list
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

// make puts the disks one behind the other into the file many, and judges each with GRUB's eye.
func (l *recording) make(list []*crash) {
	l.Helper()
	image := make([]byte, l.size)
	must(l, os.RemoveAll(l.many()))
	for i, c := range list {
		c.all.Disk(c.State, image)
		must(l, putSparse(l.many(), image, int64(i)*l.size))
		must(l, os.WriteFile(l.one(), image, 0o600))
		c.raw = look(l, l.one(), l.dir+"/tree").raw(c.step)
	}
	must(l, os.Truncate(l.many(), int64(len(list))*l.size+sector)) // for the marks
}

func (l *recording) many() string { return filepath.Join(l.dir, "many") }
func (l *recording) one() string  { return filepath.Join(l.dir, "one") }

// putSparse writes what is not zero of data.
func putSparse(name string, data []byte, offset int64) error {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	zero := make([]byte, 4096)
	for page := range slices.Chunk(data, len(zero)) {
		if !bytes.Equal(page, zero[:len(page)]) {
			if _, err := f.WriteAt(page, offset); err != nil {
				return err
			}
		}
		offset += int64(len(page))
	}
	return f.Close()
}

// repair has a machine start twice with each of the disks in the file many, and judges what they are then.
func (l *recording) repair(list []*crash) {
	l.Helper()
	said := machine(l, l.many(), "", fmt.Sprintf("lab=recover size=%d count=%d use=%x", l.size, len(list), used(list)))
	results := recoveries(l, said)
	if len(results) != len(list) {
		l.Fatalf("the machine repaired %d of %d disks:\n%s", len(results), len(list), strings.Join(said, "\n"))
	}
	disks, err := os.Open(l.many())
	must(l, err)
	defer disks.Close()
	image := make([]byte, l.size)
	for i, c := range list {
		_, err := disks.ReadAt(image, int64(i)*l.size)
		must(l, err)
		must(l, os.WriteFile(l.one(), image, 0o600))
		c.repair = results[i]
		after := look(l, l.one(), l.dir+"/tree")
		c.after = cmp.Or(c.repair.bad(), after.recovered(c.step, c.Mark == c.name+":returned"), fsck(l, l.one()))
		if c.after == "" && c.repair.Used && after.appliance != strings.Repeat("settings\n", 4<<10) {
			c.after = "the recovery took clusters of a file that the appliance had written"
		}
	}
}

// used chooses the disks that the appliance uses before anybody has repaired them, every second one of those that it
// may use, as a bit each.
func used(list []*crash) *big.Int {
	bits, n := new(big.Int), 0
	for i, c := range list {
		if c.usable() {
			n++
			bits.SetBit(bits, i, uint(n%2))
		}
	}
	return bits
}

// usable says whether the appliance may use the disk first. It must not where a file was being made: its name may be
// there before the table knows of the clusters, whoever makes it, and nothing but fsck.fat helps. The clusters of an
// image are in the table when its files are read back.
func (c *crash) usable() bool {
	switch c.name {
	case "log", "log-on", "records":
		return false
	case "install", "fill", "replace":
		return c.Mark == c.name+":read back" || c.Mark == c.name+":returned"
	}
	return true
}

// tell says how it went with one step: a figure, and each bad state with what its epoch wrote.
func (l *recording) tell(st step, all []*crash) {
	l.Helper()
	judged, listed, raw, after := 0, 0, 0, 0
	var epochs []int
	for _, c := range all {
		if c.name != st.name {
			continue
		}
		judged++
		listed = len(c.all.List)
		if c.raw != "" {
			raw++
			l.Errorf("%s: GRUB's eye: %v: %s", c.name, c.State, c.raw)
		}
		if c.after != "" {
			after++
			l.Errorf("%s: Linux's eye: %v: %s; it said %q", c.name, c.State, c.after, c.repair.First)
		}
		if c.raw+c.after != "" && !slices.Contains(epochs, c.Epoch) {
			epochs = append(epochs, c.Epoch)
		}
	}
	for _, epoch := range epochs {
		l.Logf("%s: epoch %d wrote:%s", st.name, epoch, geometryOf(l.base).writes(l.span(st.name), epoch))
	}
	l.Logf("%s %s: %d of %d states, %d bad in GRUB's eye, %d after recovery", l.name, st.name, judged, listed, raw, after)
}

// repaired is what the machine says of one disk: whether the appliance used it first, what the repair of each start
// said, nil when there was nothing to do, and why the first start failed or what went wrong later.
type repaired struct {
	State                int
	Used                 bool
	First, Second, Third []string
	Failed, Error        string
}

func (r repaired) bad() string {
	switch {
	case r.Error != "":
		return fmt.Sprintf("%s (before: %s)", r.Error, r.Failed)
	case r.Failed != "":
		return r.Failed
	case r.Second != nil:
		return fmt.Sprintf("the second repair found something to do: %q", r.Second)
	case r.Third != nil:
		return fmt.Sprintf("the third repair found something to do: %q", r.Third)
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
