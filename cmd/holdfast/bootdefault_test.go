package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// bootDefault is what `status --json` says of the boot default, as its users decode it.
type bootDefault struct {
	BootDefault *struct {
		Form, Device, Entry, Title, Slot string
		Partition, Sector, Count         int
	} `json:"boot_default"`
	NextBoot []string `json:"next_boot"`
}

func defaultOf(t *testing.T, disk string) bootDefault {
	t.Helper()
	var d bootDefault
	if err := json.Unmarshal([]byte(holdfast(t, "--flash", disk, "--json", "status")), &d); err != nil {
		t.Fatal(err)
	}
	if d.BootDefault == nil {
		t.Fatal("status --json: no boot_default")
	}
	return d
}

// bootsImage starts the disk by GRUB, waits for the image's own mark, and stops the machine.
func bootsImage(t *testing.T, disk, image string) {
	t.Helper()
	ctx, m := bootDisk(t, disk)
	must(t, m.Serial(0).Wait(ctx, "THIS IS IMAGE "+image))
	hasWords(t, imageRuns(t, ctx, m), "img="+image)
	must(t, m.Close())
}

// TestDefaultOffline sets the default in an image file: GRUB itself boots the other slot. What GRUB
// then saves is what status shows.
func TestDefaultOffline(t *testing.T) {
	t.Run("grub-legacy", func(t *testing.T) {
		disk := makeDisk(t, "grub-legacy", bothConsoles)
		before := disk + ".before"
		tool(t, "coreutils", "", "cp", "--sparse=always", disk, before)
		holdfast(t, "--flash", disk, "--yes", "default", "set", "backup")
		if n := differing(t, before, disk); n != 1 {
			t.Errorf("%d sectors of the disk differ, want 1", n)
		}
		bootsImage(t, disk, "backup")
		d := defaultOf(t, disk)
		if d.BootDefault.Entry != "3" || d.BootDefault.Slot != "backup" || fmt.Sprint(d.NextBoot) != "[backup maintenance]" {
			t.Errorf("after a boot of backup: %+v, next %q", d.BootDefault, d.NextBoot)
		}
		if got, want := fmt.Sprintf("%d+%d", d.BootDefault.Sector, d.BootDefault.Count), blocklist(t, disk, "default"); got != want {
			t.Errorf("status has the default at %s, GRUB at %s", got, want)
		}
	})
	t.Run("grub2", func(t *testing.T) {
		disk := makeDisk(t, "grub2", bothConsoles)
		dir := t.TempDir()
		env := filepath.Join(dir, "env")
		editPartition(t, disk, 1, dir, "dump /boot/grub/grubenv env")
		tool(t, "grub-common", dir, "grub-editenv", env, "set", "zeta=1", `kernelopts=root=/dev/sda a\b`, "alpha=2")
		was := tool(t, "grub-common", dir, "grub-editenv", env, "list")
		editPartition(t, disk, 1, dir, "rm /boot/grub/grubenv", "write env /boot/grub/grubenv")
		holdfast(t, "--flash", disk, "--yes", "default", "set", "backup")
		if got, want := envOf(t, disk, dir), strings.Replace(was, "saved_entry=4", "saved_entry=2", 1); got != want || want == was {
			t.Errorf("grub-editenv list = %q, want %q", got, want)
		}
		bootsImage(t, disk, "backup")
		if got, want := envOf(t, disk, dir), strings.Replace(was, "saved_entry=4", "saved_entry=3", 1); got != want {
			t.Errorf("after GRUB wrote it, grub-editenv list = %q, want %q", got, want)
		}
		if d := defaultOf(t, disk); d.BootDefault.Form != "grubenv" || d.BootDefault.Entry != "3" || d.BootDefault.Count != 2 {
			t.Errorf("after a boot of backup: %+v", d.BootDefault)
		}
	})
}

func envOf(t *testing.T, disk, dir string) string {
	t.Helper()
	env := filepath.Join(dir, "now")
	os.Remove(env)
	editPartition(t, disk, 1, dir, "dump /boot/grub/grubenv now")
	return tool(t, "grub-common", dir, "grub-editenv", env, "list")
}

// TestSavedefaultFallback has GRUB Legacy save the next entry of its fallback list, as the appliances
// before Holdfast do, and status show that.
func TestSavedefaultFallback(t *testing.T) {
	disk := makeDisk(t, "grub-legacy", bothConsoles)
	dir := t.TempDir()
	editPartition(t, disk, 1, dir, "dump /boot/grub/menu.lst menu.lst")
	menu := string(read(t, filepath.Join(dir, "menu.lst")))
	menu = regexp.MustCompile(`savedefault [0-3]\n`).ReplaceAllString(menu, "savedefault fallback\n")
	menu = regexp.MustCompile(`(?m)^fallback .*$`).ReplaceAllString(menu, "fallback 1 2 3 4")
	must(t, os.WriteFile(filepath.Join(dir, "menu.lst"), []byte(menu), 0o644))
	editPartition(t, disk, 1, dir, "rm /boot/grub/menu.lst", "write menu.lst /boot/grub/menu.lst")
	holdfast(t, "--flash", disk, "--yes", "default", "set", "active")
	if d := defaultOf(t, disk); fmt.Sprint(d.NextBoot) != "[active active backup backup maintenance]" {
		t.Errorf("next boots %q", d.NextBoot)
	}
	bootsImage(t, disk, "active")
	if d := defaultOf(t, disk); d.BootDefault.Entry != "1" || d.BootDefault.Slot != "active" || fmt.Sprint(d.NextBoot) != "[active backup backup maintenance]" {
		t.Errorf("after a boot of active: %+v, next %q", d.BootDefault, d.NextBoot)
	}
}

// blocklist is where GRUB Legacy's shell finds a file of boot/grub: "1064+1".
func blocklist(t *testing.T, disk, file string) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "map"), []byte("(hd0) "+disk+"\n"), 0o644))
	script := filepath.Join(dir, "script")
	must(t, os.WriteFile(script, []byte("blocklist (hd0,0)/boot/grub/"+file+"\nquit\n"), 0o644))
	out := tool(t, "grub-legacy", dir, "sh", "-c", "grub --batch --no-floppy --device-map=map < script")
	list := regexp.MustCompile(`(?m)^\(hd0,0\)(\d+\+\d+)\s*$`).FindStringSubmatch(out)
	if list == nil {
		t.Fatalf("grub's blocklist prints %q", out)
	}
	return list[1]
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	must(t, err)
	return b
}

// differing counts the 512-byte sectors that are not the same, as cmp sees them.
func differing(t *testing.T, a, b string) int {
	t.Helper()
	out, err := exec.Command("cmp", "-l", a, b).Output()
	if exit := new(exec.ExitError); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		t.Fatalf("cmp: %v", err)
	}
	sectors := map[int]bool{}
	for line := range strings.Lines(string(out)) {
		at, err := strconv.Atoi(strings.Fields(line)[0])
		must(t, err)
		sectors[(at-1)/512] = true
	}
	return len(sectors)
}

// editPartition runs debugfs commands on one of the disk's partitions, in dir.
func editPartition(t *testing.T, disk string, partition int, dir string, commands ...string) {
	t.Helper()
	script := filepath.Join(dir, "commands")
	must(t, os.WriteFile(script, []byte(strings.Join(commands, "\n")+"\n"), 0o644))
	at := fmt.Sprintf("%s?offset=%d", disk, partitionOffset(t, disk, partition))
	tool(t, "e2fsprogs", dir, "debugfs", "-w", "-f", script, at)
}

// partitionOffset is where a partition begins, in bytes, as sfdisk reads it.
func partitionOffset(t *testing.T, disk string, partition int) int {
	t.Helper()
	start := regexp.MustCompile(fmt.Sprintf(`(?m)disk\.img%d : start= *(\d+)`, partition)).FindStringSubmatch(tool(t, "fdisk", "", "sfdisk", "-d", disk))
	if start == nil {
		t.Fatalf("sfdisk finds no partition %d", partition)
	}
	sector, err := strconv.Atoi(start[1])
	must(t, err)
	return 512 * sector
}
