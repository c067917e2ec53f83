package grubdefault

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/initramfs"
	"holdfast/ops/bench/vm"
)

// boot runs testdata/machine on these disks, the first with sectors of 4096 bytes if so asked, and
// gives what it says. kernel is a directory of .cache.
func boot(t *testing.T, kernel, words string, large bool, disks ...*fixture) []string {
	t.Helper()
	root := "../../.cache/" + kernel
	found, _ := filepath.Glob(root + "/boot/vmlinuz-*")
	if len(found) != 1 {
		t.Fatalf("the test kernel is missing in %s: make kernel", root)
	}
	cfg := vm.Config{
		Kernel: found[0], Initrd: machineArchive(t, root), Append: "console=ttyS0 quiet panic=-1 " + words,
		Memory: 256, Serials: 1, NoReboot: true,
	}
	for _, f := range disks {
		cfg.Disks = append(cfg.Disks, vm.Disk{Path: f.path, Bus: vm.Virtio})
	}
	if large {
		cfg.Disks = cfg.Disks[1:]
		cfg.Extra = []string{"-drive", "format=raw,if=none,id=large,file=" + disks[0].path,
			"-device", "virtio-blk-pci,drive=large,logical_block_size=4096,physical_block_size=4096"}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	m, err := vm.Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	m.Close() // the line has given its last byte
	var lines []string
	for line := range strings.Lines(string(m.Serial(0).Bytes())) {
		line = strings.TrimRight(line, "\r\n")
		if said, ok := strings.CutPrefix(line, "init: "); ok {
			lines = append(lines, regexp.MustCompile(`sector,? \d+`).ReplaceAllStringFunc(said, func(s string) string {
				return strings.TrimRight(s, "0123456789") + "N"
			}))
		} else {
			t.Log(line)
		}
	}
	return lines
}

func machineArchive(t *testing.T, kernel string) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", filepath.Join(dir, "init"), "./testdata/machine")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	plan, err := initramfs.Request{Init: filepath.Join(dir, "init"), KernelModules: kernel, Modules: []string{"virtio_blk", "vfat"}}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	archive, err := os.Create(filepath.Join(dir, "initrd"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	if err := plan.Write(archive); err != nil {
		t.Fatal(err)
	}
	return archive.Name()
}

// whole is a disk that is one file system, without a table.
func (f *fixture) whole() *fixture {
	f.path = f.part
	return f
}

// TestWays sets the default on mounted disks, in a virtual machine: what it says there is one half of
// the proof, what is on the disks afterwards the other.
func TestWays(t *testing.T) {
	twoSectors := with(legacyTree(), "boot/grub/default", "0\n"+strings.Repeat("#\n", 511))
	disks := []*fixture{
		newFixture(t, "-t ext2 -b 4096", legacyTree()).whole(),
		newFixture(t, "-t ext2 -I 128 -b 1024", legacyTree()).disk(),
		newFixture(t, "-t ext4", legacyTree()).whole(),
		newFixture(t, "-t ext3 -b 4096", legacyTree()).whole(),
		newFixture(t, "-t ext4", legacyTree()).whole(),
		newFixture(t, "vfat -F 16 -s 1", legacyTree()).whole(),
		newFixture(t, "-t ext2 -b 4096", twoSectors).whole(),
		newFixture(t, "-t ext4", legacyTree()).whole(),
	}
	var before [][]byte
	for _, f := range disks {
		before = append(before, f.bytes())
	}
	got := boot(t, "kernel", "test=ways", true, disks...)
	want := []string{
		`ro: shows "0\n#"`, // and is in memory
		`/ro: one sector, N of partition 1 of /dev/vdb (boot/grub/default), through the device`,
		`/ro: /dev/vdb partition 1 sector N: 0 -> 2`,
		`/ro: set backup: <nil>, exit 0`,
		`ro: shows "2\n#", 1 sectors written`,

		`rw: shows "0\n#"`,
		`/rw: one sector, N of /dev/vdc (boot/grub/default), through the file`,
		`/rw: /dev/vdc sector N: 0 -> 2`,
		`/rw: set backup: <nil>, exit 0`,
		`rw: shows "2\n#"`,

		`/dev/vdd: one sector, N of /dev/vdd (boot/grub/default), through the device`,
		`/dev/vdd: /dev/vdd sector N: 0 -> 2`,
		`/dev/vdd: set backup: <nil>, exit 0`,
		`/dev/vdd: set active: /dev/vdd: /dev/vdd is in use: mounted elsewhere, or a part of a RAID or of another volume, exit 6`,
		`/dev/vdd: set active: /dev/vdd: permission denied, exit 4`,

		`/view: set backup: /view: this is a read-only view of a file system that is mounted for writing, exit 6`,
		`/dev/vde: one sector, N of /dev/vde (boot/grub/default), through the file`,
		`/dev/vde: /dev/vde sector N: 0 -> 2`,
		`/dev/vde: set backup: <nil>, exit 0`,

		`/anew: one sector, N of /dev/vde (boot/grub/default), through the file`,
		`/anew: /dev/vde sector N: 0 -> 2`,
		`/anew: set backup: <nil>, exit 0`,
		`anew: GRUB sees "2\n#"`,
		`/anew: set backup: boot/grub/default: GRUB does not see this file: on the disk it is in sector N, not in sector N, exit 6`,
		`/anew: set active: boot/grub/default: GRUB does not see this file: on the disk it is in sector N, not in sector N, exit 6`,
		`fat: shows "0\n#"`,
		`/fat: one sector, N of /dev/vdf (boot/grub/default), through the device`,
		`/fat: /dev/vdf sector N: 0 -> 2`,
		`/fat: set backup: <nil>, exit 0`,
		`fat: shows "2\n#"`,

		`stale: shows "0\n#"`, // though the disk says 7
		`stale: shows "7\n#"`,

		`/journal: one sector, N of /dev/vdh (boot/grub/default), through the file`,
		`/journal: /dev/vdh sector N: 0 -> 2`,
		`/journal: set backup: <nil>, exit 0`,

		`4kn: shows "0\n#"`,
		`/4kn: one sector, N of /dev/vda (boot/grub/default), through the device, in a block of 4096 bytes that stay as they are otherwise`,
		`/4kn: /dev/vda sector N: 0 -> 2`,
		`/4kn: set backup: <nil>, exit 0`,
		`4kn: shows "2\n#", 8 sectors written`,
		"end",
	}
	if !slices.Equal(got, want) {
		t.Fatalf("the machine says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for i, f := range disks {
		mkfs := "-t ext4"
		if i == 5 {
			mkfs = "vfat"
		}
		text := "2" + legacyTree()["boot/grub/default"][1:]
		if i == 6 {
			text = "7" + twoSectors["boot/grub/default"][1:512] + "N" + twoSectors["boot/grub/default"][513:]
		}
		if got := f.cat(mkfs, "boot/grub/default"); got != text {
			t.Errorf("disk %d: the file holds %q, want %q", i, got, text)
		}
		f.check(mkfs)
		raw := slices.Contains([]int{0, 1, 3, 5}, i) // written below a read-only mount, or without one
		if list := changed(before[i], f.bytes()); raw && len(list) != 1 {
			t.Errorf("disk %d: changed sectors %v, want one", i, list)
		}
	}
	putBack(t, disks[2])
}

// putBack does what the log of a flash says about getting the old default back.
func putBack(t *testing.T, f *fixture) {
	t.Helper()
	log := strings.Split(f.cat("", "cfg/holdfast.log"), "\n")
	if len(log) != 3 || !strings.HasSuffix(log[1], " default: done: /dev/vdc sector "+sectorOf(log[0])+": 0 -> 2") {
		t.Fatalf("the log of the flash says %q", log)
	}
	_, command, ok := strings.Cut(log[0], "to put the old sector back: ")
	if !ok {
		t.Fatalf("the log of the flash says %q", log[0])
	}
	run(t, "dash", strings.ReplaceAll(command, "of=/dev/vdc ", "of="+f.path+" ")+"\n", "sh")
	if got, want := f.cat("", "boot/grub/default"), legacyTree()["boot/grub/default"]; got != want {
		t.Errorf("the file holds %q, want the old text %q", got, want)
	}
}

func sectorOf(line string) string {
	found := regexp.MustCompile(` sector (\d+): `).FindStringSubmatch(line)
	if found == nil {
		return "?"
	}
	return found[1]
}

// TestRefusingKernel has a kernel that lets nobody write to a mounted device, as from 6.8 on without
// CONFIG_BLK_DEV_WRITE_MOUNTED.
func TestRefusingKernel(t *testing.T) {
	disks := []*fixture{
		newFixture(t, "-t ext4", legacyTree()).disk(),
		newFixture(t, "-t ext4", legacyTree()).whole(),
		newFixture(t, "-t ext4", with(legacyTree(), "boot/grub/default", "")).disk(),
	}
	disks[2].overwrite(1024, stage2Sector(0))
	noJournal := newFixture(t, "-t ext2", legacyTree()).whole()
	before := [][]byte{nil, disks[1].bytes(), disks[2].bytes()}
	got := boot(t, "kernel-6.12", "test=refusing bdev_allow_write_mounted=0", false, append(disks, noJournal)...)
	want := []string{
		`refusing: shows "0\n#", ro,nosuid,nodev,noexec,relatime ro`,
		`/ro: one sector, N of partition 1 of /dev/vda (boot/grub/default), through the device`,
		`/ro: the kernel lets nobody write to /dev/vda1 while it is mounted: /ro is mounted for writing meanwhile`,
		`/ro: /dev/vda partition 1 sector N: 0 -> 2`,
		`/ro: set backup: <nil>, exit 0`,
		`refusing: shows "2\n#", ro,nosuid,nodev,noexec,relatime ro`,
		`/noload: one sector, N of /dev/vdb (boot/grub/default), through the device`,
		`/noload: set backup: /noload: mounted without its journal, and the kernel lets nobody write to its device; GRUB still finds 0 "Active image" (active), exit 4`,
		`/dev/vdb: one sector, N of /dev/vdb (boot/grub/default), through the device`,
		`/dev/vdb: /dev/vdb sector N: 0 -> 2`,
		`/dev/vdb: set backup: <nil>, exit 0`,
		`/stage2: one sector, N of /dev/vdc (behind the MBR), through the device`,
		`/stage2: /dev/vdc sector N: 0 -> 2`,
		`/stage2: set backup: <nil>, exit 0`,
		`/nojournal: one sector, N of /dev/vdd (boot/grub/default), through the device`,
		`/nojournal: the kernel lets nobody write to /dev/vdd while it is mounted: /nojournal is mounted for writing meanwhile`,
		`/nojournal: /dev/vdd sector N: 0 -> 2`,
		`/nojournal: set backup: <nil>, exit 0`,
		`refusing: shows "2\n#", ro,relatime ro,norecovery`,
		"end",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the machine says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for i, f := range disks {
		f.check("-t ext4")
		if list := changed(before[i], f.bytes()); i > 0 && len(list) != 1 {
			t.Errorf("disk %d: changed sectors %v, want one", i, list)
		}
	}
	for _, f := range disks[:2] {
		if got := f.cat("-t ext4", "boot/grub/default"); !strings.HasPrefix(got, "2\n#") {
			t.Errorf("the file holds %q", got)
		}
	}
	noJournal.check("-t ext2")
	if got := disks[2].bytes()[1024:1536]; string(got) != string(stage2Sector(2)) {
		t.Errorf("sector 2 holds %q", got)
	}
}
