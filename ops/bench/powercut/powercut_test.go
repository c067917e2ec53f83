// Package powercut pulls the plug of a virtual machine while its own image installs the next one, and
// starts it again through a real GRUB, over and over on the same disk.
//
// The plug is SIGKILL for QEMU. What that is and is not: the guest's memory is gone, with everything
// that its kernel had not written yet; of what was in QEMU's own hands, some writes are done and some
// are not; what QEMU had told the guest was written is in the page cache of this host, which lives on,
// so the host's disk and the cache mode of the drive play no part (the mode is writeback: the guest
// sees a disk with a volatile cache and flushes it). So this is a cut for the guest, at the moment and
// in the order in which its kernel writes, with the real boot loader, kernels and program. A disk that
// loses or reorders what it had acknowledged is what the crash lab is for.
package powercut

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/ops/bench/vm"
)

var (
	cuts = flag.Int("cuts", 20, "how often the plug is pulled, by all tests together")
	seed = flag.Uint64("seed", 0, "of the moments; 0 takes the clock")
)

// TestCuts runs both loaders side by side.
func TestCuts(t *testing.T) {
	for _, loader := range []string{"grub-legacy", "grub2"} {
		t.Run(loader, func(t *testing.T) {
			t.Parallel()
			s := newSeries(t, loader)
			for range *cuts / 2 {
				s.cycle()
				if t.Failed() {
					return
				}
			}
			s.report()
			settled(t, s.product, s.disk)
		})
	}
}

// series is one disk and what is known of it.
type series struct {
	*testing.T
	product
	disk      string
	random    *rand.Rand
	known     map[string]archive
	confirmed []string // versions that said they booted well, in their order
	last      int      // number of the newest version
	cycles    int
	took      time.Duration // of an installation that nobody disturbed
	tail      time.Duration // of its end, from the first sign that the image is being written
	outcomes  map[string]int
}

// newSeries makes a disk with a confirmed image under active and an older one under backup, and takes
// the time of an installation that nobody disturbs.
func newSeries(t *testing.T, loader string) *series {
	t.Helper()
	p, err := made()
	must(t, err)
	number := cmp.Or(*seed, uint64(time.Now().UnixNano()))
	t.Logf("seed %d", number)
	s := &series{T: t, product: p, disk: filepath.Join(t.TempDir(), "disk.img"), known: map[string]archive{}, outcomes: map[string]int{},
		random: rand.New(rand.NewPCG(number, uint64(len(loader))))}
	backup, active := s.next(), s.next()
	_, err = p.run("disk", "create", "--menu-timeout", "0", "-o", s.disk, "--loader", loader, "--kernel", p.kernel, "--console", p.console, "--size", "160M",
		"--image", "active="+active.path, "--image", "backup="+backup.path, "--default", "active",
		"--console-args", "console=tty0 console=ttyS0,115200 quiet holdfast.autoboot=1")
	must(t, err)
	m := s.boot(true)
	must(t, m.line.Expect(m.ctx, "INSTALLED 0"))
	begin, _ := m.line.Arrived("INSTALLING")
	writes, told := m.line.Arrived(writing)
	end, _ := m.line.Arrived("INSTALLED")
	if !told {
		t.Fatalf("the installation does not say %q:\n%s", writing, m.line.Bytes())
	}
	s.took, s.tail = end.Sub(begin), end.Sub(writes)
	t.Logf("an undisturbed installation takes %v, the last %v to write", s.took.Round(time.Millisecond), s.tail.Round(time.Millisecond))
	must(t, m.Close())
	return s
}

// next packs the next version.
func (s *series) next() archive {
	s.Helper()
	s.last++
	a := s.image(s, fmt.Sprintf("1.0.%d", s.last))
	s.known[a.version] = a
	return a
}

// writing is in the progress of an installation from when its plan is agreed to.
const writing = "unpack "

// cycle starts the machine, lets the image install, and pulls the plug at some moment of it.
func (s *series) cycle() {
	s.Helper()
	before := slotsOf(s, s.disk, s.known)
	m := s.boot(s.random.IntN(3) > 0)
	if m.version != before["active"] && m.version != before["backup"] {
		s.Errorf("%s boots, but the slots held %v", m.version, before)
	}
	// This is the moment that the test is about. Every other cut falls into the end of the installation, where
	// the slots change: most of the time is spent on writing the new image.
	begin := time.Now()
	wait := time.Duration(s.random.Float64() * 1.1 * float64(s.took))
	if s.cycles++; s.cycles%2 == 0 {
		must(s, m.line.WaitScreen(m.ctx, func(now vm.Screen) bool { return now.Contains(writing) || now.Contains("INSTALLED") }))
		wait = time.Duration((0.6 + s.random.Float64()*0.5) * float64(s.tail))
	}
	<-time.After(wait)
	must(s, m.Kill())
	must(s, m.Close())
	s.judge(m, before, time.Since(begin))
}

// judge looks at the disk as the cut left it.
func (s *series) judge(m *machine, before map[string]string, cut time.Duration) {
	s.Helper()
	after := slotsOf(s, s.disk, s.known)
	outcome := "slots as before"
	switch {
	case strings.Contains(string(m.line.Bytes()), "INSTALLED 0"):
		outcome = "installed before the cut"
	case after["active"] == m.installs.version:
		outcome = "slots changed already"
	case !maps.Equal(before, after):
		outcome = "slots between"
	}
	s.outcomes[outcome]++
	s.outcomes["started by "+m.way]++
	s.Logf("%s by %s (confirmed %v), cut after %v of installing %s: %s: %v", m.version, m.way, s.confirmed[max(0, len(s.confirmed)-2):],
		cut.Round(time.Millisecond), m.installs.version, outcome, after)
	if !holds(after, s.confirmed) {
		s.Errorf("no slot holds a confirmed image any more: %v before, %v after, confirmed %v, below system %v", before, after, s.confirmed, listOf(s, s.disk))
	}
}

// report prints what was seen.
func (s *series) report() {
	for _, name := range slices.Sorted(maps.Keys(s.outcomes)) {
		s.Logf("%3d %s", s.outcomes[name], name)
	}
}
