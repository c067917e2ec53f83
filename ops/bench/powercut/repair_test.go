package powercut

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/flash"
	"holdfast/ops/bench/vm"
)

// TestCutRepair pulls the plug while the console repairs what an earlier cut left: an installation with
// one of its two exchanges done, and every directory of an operation full.
func TestCutRepair(t *testing.T) {
	t.Parallel()
	p, err := made()
	must(t, err)
	number := cmp.Or(*seed, uint64(time.Now().UnixNano()))
	t.Logf("seed %d", number)
	random := rand.New(rand.NewPCG(number, 0))
	known, disk := p.interrupted(t)
	whole := disk + ".copy"
	tool(t, "coreutils", "cp", "--sparse=always", disk, whole)
	_, took := console(t, whole, 0)
	t.Logf("from the start of /init to the end of the repair: %v", took.Round(time.Millisecond))
	for range 3 {
		wait := max(time.Millisecond, time.Duration(random.Float64()*1.1*float64(took)))
		done, _ := console(t, disk, wait)
		slots := slotsOf(t, disk, known)
		t.Logf("cut after %v (repaired: %v): %v, below system %v", wait.Round(time.Millisecond), done, slots, listOf(t, disk))
		if !holds(slots, []string{"1.0.2"}) {
			t.Errorf("no slot holds the confirmed image any more: %v", slots)
		}
	}
	console(t, disk, 0)
	settled(t, p, disk)
	if slots := slotsOf(t, disk, known); slots["active"] != "1.0.2" || slots["backup"] != "1.0.1" {
		t.Errorf("the repair ends with %v", slots)
	}
	for _, name := range []string{"incoming", "hold", "trash"} {
		if slices.Contains(listOf(t, disk), name) {
			t.Errorf("the repair leaves %s", name)
		}
	}
}

// interrupted makes a disk as a power cut leaves it between the two exchanges of an installation of
// 1.0.3: active is still 1.0.2, which is confirmed, backup the new one, and incoming 1.0.1.
func (p product) interrupted(t *testing.T) (known map[string]archive, disk string) {
	t.Helper()
	disk, known = filepath.Join(t.TempDir(), "disk.img"), map[string]archive{}
	for _, version := range []string{"1.0.1", "1.0.2", "1.0.3"} {
		known[version] = p.image(t, version)
	}
	_, err := p.run("disk", "create", "--menu-timeout", "0", "-o", disk, "--kernel", p.kernel, "--console", p.console, "--size", "200M", "--default", "maintenance",
		"--image", "active="+known["1.0.2"].path, "--image", "backup="+known["1.0.3"].path, "--console-args", "console=tty0 console=ttyS0,115200")
	must(t, err)
	id := func(version string) flash.ID {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(known[version].path), "content", "SHA256SUMS"))
		must(t, err)
		return sha256.Sum256(text)
	}
	record, err := flash.Record{Seq: 1, Entries: []flash.Entry{
		{ID: id("1.0.2"), State: flash.Confirmed, Since: time.Unix(1<<30, 0)}, {ID: id("1.0.3"), State: flash.Trial, Tries: 3, Since: time.Unix(1<<30, 0)},
	}, Pending: &flash.Pending{Op: flash.Installing, Before: flash.Pair{Active: id("1.0.2"), Backup: id("1.0.1")},
		After: flash.Pair{Active: id("1.0.3"), Backup: id("1.0.2")}}}.Encode()
	must(t, err)
	dir := t.TempDir()
	write(t, dir+"/slots0", string(record))
	write(t, dir+"/slots1", string(make([]byte, flash.RecordSize)))
	commands := []string{"cd /cfg", "rm slots0", "rm slots1", "write " + dir + "/slots0 slots0", "write " + dir + "/slots1 slots1"}
	for name, version := range map[string]string{"incoming": "1.0.1", "trash": "1.0.3"} {
		commands = append(commands, "cd /system", "mkdir "+name, "cd "+name)
		for file := range known[version].content {
			commands = append(commands, fmt.Sprintf("write %s/content/%s %s", filepath.Dir(known[version].path), file, file))
		}
	}
	write(t, dir+"/commands", strings.Join(commands, "\n")+"\n")
	tool(t, "e2fsprogs", "debugfs", "-w", "-f", dir+"/commands", flashPlace(t, disk))
	if code := fsck(t, disk, "-fn"); code != 0 {
		t.Fatalf("e2fsck -fn says %d of the disk to begin with", code)
	}
	return known, disk
}

// repairedText is what the first screen says when the repair is done.
const repairedText = "was interrupted and undone"

// console starts the maintenance console from the disk. With a time it pulls the plug that long after
// /init has started; without, when the repair is done, and it gives the time that this took. done says
// whether the screen had told of it.
func console(t *testing.T, disk string, cut time.Duration) (done bool, took time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m, err := vm.Start(ctx, vm.Config{Serials: 1, VGA: true, NoReboot: true, Disks: []vm.Disk{{Path: disk, Bus: vm.Virtio}}})
	must(t, err)
	defer m.Close()
	line := m.Serial(0)
	must(t, line.Expect(ctx, "Run /init as init process"))
	start := time.Now()
	if cut > 0 {
		<-time.After(cut)
	} else {
		must(t, line.Wait(ctx, repairedText))
	}
	done, took = line.Screen().Contains(repairedText), time.Since(start)
	must(t, m.Kill())
	for _, word := range dead {
		if text := string(line.Bytes()); strings.Contains(text, word) {
			t.Errorf("the machine says %q:\n%s", word, text)
		}
	}
	return done, took
}
