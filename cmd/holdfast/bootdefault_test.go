package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"holdfast/ops/bench/vm"
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
	t.Parallel()
	t.Run("grub-legacy", func(t *testing.T) {
		t.Parallel()
		disk := makeDisk(t, "grub-legacy", bothConsoles)
		before := readFile(t, disk)
		holdfast(t, "--flash", disk, "--yes", "default", "set", "backup")
		if n := sectorsThatDiffer(before, readFile(t, disk)); n != 1 {
			t.Errorf("%d sectors of the disk differ, want 1", n)
		}
		bootsImage(t, disk, "backup")
		d := defaultOf(t, disk)
		if d.BootDefault.Entry != "3" || d.BootDefault.Slot != "backup" || fmt.Sprint(d.NextBoot) != "[backup maintenance]" {
			t.Errorf("after a boot of backup: %+v, next %q", d.BootDefault, d.NextBoot)
		}
	})
	t.Run("grub2", func(t *testing.T) {
		t.Parallel()
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
	t.Parallel()
	disk := makeDisk(t, "grub-legacy", bothConsoles)
	dir := t.TempDir()
	editPartition(t, disk, 1, dir, "dump /boot/grub/menu.lst menu.lst")
	menu := string(readFile(t, filepath.Join(dir, "menu.lst")))
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

// editPartition runs debugfs commands on one of the disk's partitions, in dir.
func editPartition(t *testing.T, disk string, number int, dir string, commands ...string) {
	t.Helper()
	script := filepath.Join(dir, "commands")
	must(t, os.WriteFile(script, []byte(strings.Join(commands, "\n")+"\n"), 0o644))
	tool(t, "e2fsprogs", dir, "debugfs", "-w", "-f", script, partition(t, disk, number))
}

// TestDefaultFromStage sets the default on the console, where the boot partition is mounted
// read-only: its file shows the new value although the old one was in the page cache, and after a
// reset GRUB boots it.
func TestDefaultFromStage(t *testing.T) {
	t.Parallel()
	for loader, file := range map[string]string{"grub-legacy": "default", "grub2": "grubenv"} {
		t.Run(loader, func(t *testing.T) {
			t.Parallel()
			disk := makeDisk(t, loader, bothConsoles)
			ctx, m := bootDisk(t, disk)
			line := m.Serial(0)
			must(t, line.WaitScreen(ctx, showsAll("next boot  maintenance", imagesFooter)))
			must(t, line.Press("d"))
			must(t, line.WaitScreen(ctx, showsAll("> active", "Enter shows the plan")))
			must(t, line.Press("down"))
			must(t, line.WaitScreen(ctx, showsAll("> backup")))
			must(t, line.Press("enter"))
			must(t, line.WaitScreen(ctx, showsAll("(maintenance) -> 2", "one sector", "y writes")))
			must(t, line.Press("y"))
			must(t, line.WaitScreen(ctx, showsAll("read back", "next boot  backup")))
			must(t, m.WaitVGA(ctx, "next boot  backup"))

			toLeave(t, ctx, line, "shell on this console")
			must(t, line.Press("enter"))
			must(t, line.Expect(ctx, "# "))
			must(t, line.Type("grep -a -o -m1 '^[a-z_]*=*[0-9]' /boot/boot/grub/"+file+"; echo E''ND; exit\r"))
			must(t, line.Expect(ctx, map[string]string{"default": "2\r\n", "grubenv": "saved_entry=2\r\n"}[file]+"END"))

			must(t, line.WaitScreen(ctx, showsAll("next boot  backup")))
			toLeave(t, ctx, line, "reboot")
			must(t, line.Press("enter"))
			must(t, line.WaitScreen(ctx, showsAll("Reboot the machine?")))
			must(t, line.Press("y"))
			must(t, line.Wait(ctx, "THIS IS IMAGE backup"))
			must(t, m.Close())
		})
	}
}

// toLeave goes to the screen with the ways out, and to one of them.
func toLeave(t *testing.T, ctx context.Context, line *vm.Serial, way string) {
	t.Helper()
	must(t, line.Press("q"))
	must(t, line.WaitScreen(ctx, showsAll("> back to the images", way)))
	must(t, line.Press("down"))
	if way == "reboot" {
		must(t, line.Press("down"))
	}
	must(t, line.WaitScreen(ctx, showsAll("> "+way)))
}
