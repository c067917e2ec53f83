package vfatlab

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"holdfast/ops/bench/crashlab"
)

// pair says which version is whole under active and under backup: "" for none or an empty slot, "?" for
// a directory that holds something else.
type pair struct{ active, backup string }

// seen is what mtools, which is nobody's relative here, reads on a disk as it is.
type seen struct {
	pair
	saved     int      // entry that the saved default names; -1 when it is no number
	left      []string // directories below system that are no slots
	appliance string   // what is in the file that the appliance writes
}

// images are those that the lab knows, by their versions.
var images = sync.OnceValue(func() map[string]crashlab.Image {
	all := map[string]crashlab.Image{}
	for _, v := range []string{"v0", "v1", "v2", "v3", "v4", "v5"} {
		all[v] = crashlab.NewImage(v)
	}
	return all
})

// look reads a disk by mtools, into dir.
func look(t testing.TB, disk, dir string) seen {
	t.Helper()
	must(t, os.RemoveAll(dir))
	must(t, os.MkdirAll(dir, 0o755))
	// One by one, as mcopy stops at what it cannot read: that is absent afterwards, or cut off.
	for _, name := range []string{"::/system/active", "::/system/backup", "::/boot/grub/default", "::/cfg/appliance"} {
		mtools(t, "mcopy", "-s", "-n", "-i", disk, name, dir)
	}
	s := seen{pair: pair{versionIn(t, dir+"/active"), versionIn(t, dir+"/backup")}, saved: -1}
	for line := range strings.Lines(mtools(t, "mdir", "-b", "-i", disk, "::/system")) {
		name := path.Base(strings.TrimSpace(line))
		// An empty incoming stays on vfat: a directory cannot be made there without the danger of a cut.
		waiting := name == "incoming" && mtools(t, "mdir", "-b", "-i", disk, "::/system/incoming") == ""
		if !waiting && !slices.Contains([]string{"active", "backup", "factory"}, name) {
			s.left = append(s.left, name)
		}
	}
	text, _ := os.ReadFile(filepath.Join(dir, "default"))
	settings, _ := os.ReadFile(filepath.Join(dir, "appliance"))
	s.appliance = string(settings)
	digits := len(text) - len(bytes.TrimLeft(text, "0123456789"))
	if n, err := strconv.Atoi(string(text[:digits])); err == nil {
		s.saved = n
	}
	return s
}

// mtools runs one of them on a disk that may be damaged, and gives what it says.
func mtools(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1")
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState == nil {
		t.Fatalf("%s is missing: apt-get install mtools: %v", name, err)
	}
	return string(out)
}

func versionIn(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		return ""
	}
	files := crashlab.Image{}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			return "?"
		}
	}
	for v, image := range images() {
		if maps.EqualFunc(files, image, bytes.Equal) {
			return v
		}
	}
	return "?"
}

// boots is the model of GRUB Legacy with crashlab.Menu: the saved entry, and where it cannot be loaded
// the entries of the fallback list. It gives the version that runs; "" for the maintenance kernel.
func (s seen) boots() string {
	bySlot := []string{s.active, s.active, s.backup, s.backup}
	for _, entry := range []int{max(s.saved, 0), 1, 2, 3} {
		if entry < len(bySlot) && bySlot[entry] != "" && bySlot[entry] != "?" {
			return bySlot[entry]
		}
	}
	return ""
}

// raw judges a disk with GRUB's eye: "" when nothing is wrong.
func (s seen) raw(st step) string {
	switch {
	case !slices.Contains(st.confirmed, s.active) && !slices.Contains(st.confirmed, s.backup):
		return fmt.Sprintf("no confirmed image is whole: %+v", s)
	case s.boots() == "":
		return fmt.Sprintf("GRUB reaches no image: %+v", s)
	}
	return ""
}

// recovered judges a disk after Linux and our recovery had it.
func (s seen) recovered(st step, returned bool) string {
	legal := []pair{st.before, st.after}
	if returned {
		legal = legal[1:]
	}
	switch {
	case !slices.Contains(legal, s.pair):
		return fmt.Sprintf("recovery ends with %+v, want one of %+v", s, legal)
	case len(s.left) > 0:
		return fmt.Sprintf("recovery leaves %v", s.left)
	case s.boots() == "":
		return fmt.Sprintf("GRUB reaches no image: %+v", s)
	}
	return ""
}

// harmless is what fsck.fat says after a power cut without anything being wrong with what is reachable:
// clusters that belong to nobody, a count that is a hint, and the mark that the power was cut.
var harmless = []string{"fsck.fat ", "Dirty bit is set", "Automatically removing dirty bit", "Reclaimed ", "Free cluster summary wrong",
	"Auto-correcting", "FATs differ", "Using first FAT", "Leaving filesystem unchanged", " files, ",
	// The mark is in the boot sector of a FAT32, not in its copy.
	"There are differences between boot sector and its backup.", "This is mostly harmless. Differences:", "65:01/00", "Not automatically fixing this."}

// fsck is what else fsck.fat has to say.
func fsck(t testing.TB, disk string) string {
	t.Helper()
	cmd := exec.Command("fsck.fat", "-n", disk)
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal("fsck.fat is missing: apt-get install dosfstools")
	}
	var bad []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line != "" && !slices.ContainsFunc(harmless, func(h string) bool { return strings.Contains(line+" ", h) }) {
			bad = append(bad, line)
		}
	}
	return strings.Join(bad, "; ")
}

func tool(t testing.TB, pkg, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
