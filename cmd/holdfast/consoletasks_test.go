package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"holdfast/ops/bench/vm"
)

// stick makes a disk without partitions that holds a file.
func stick(t *testing.T, file string) string {
	t.Helper()
	disk := filepath.Join(t.TempDir(), "stick.img")
	must(t, os.WriteFile(disk, nil, 0o644))
	must(t, os.Truncate(disk, 64<<20))
	tool(t, "dosfstools", "", "mkfs.vfat", "-n", "STICK", disk)
	tool(t, "mtools", "", "mcopy", "-i", disk, file, "::"+filepath.Base(file))
	return disk
}

// plansInstall connects a stick to the machine and chooses its only archive on the serial line: what is
// shown then is the plan.
func plansInstall(t *testing.T, ctx context.Context, m *vm.Machine, archive string) {
	t.Helper()
	line := m.Serial(0)
	must(t, line.WaitScreen(ctx, showsAll(append(imagesShown, imagesFooter)...)))
	must(t, m.Plug(ctx, "stick", stick(t, archive)))
	must(t, line.Press("i"))
	name := "> " + filepath.Base(archive)
	for { // the kernel takes a moment to see the stick
		must(t, line.WaitScreen(ctx, func(s vm.Screen) bool { return s.Contains(name) || s.Contains("No archive was found") }))
		if line.Screen().Contains(name) {
			break
		}
		must(t, line.Press("s"))
		time.Sleep(time.Second) // keys pressed while it searches wait, each for a search of its own
	}
	must(t, line.WaitScreen(ctx, showsAll("vda (STICK)", "Enter shows the plan")))
	must(t, line.Press("enter"))
	must(t, line.WaitScreen(ctx, showsAll("on trial with 3 tries", "y installs it")))
}

// TestInstallFromStick installs from a stick that is connected while the console runs, sees it on the
// other console, and boots the new image, which costs it a try.
func TestInstallFromStick(t *testing.T) {
	t.Parallel()
	disk := makeDisk(t, "grub-legacy", bothConsoles)
	ctx, m := bootDisk(t, disk)
	line := m.Serial(0)
	plansInstall(t, ctx, m, packImage(t, "new", "1.3.125", "marker=new"))
	must(t, line.Press("y"))
	must(t, m.WaitVGA(ctx, "ttyS0 installs vda:/new.tgz"))
	must(t, line.WaitScreen(ctx, showsAll("active 1.3.125 is on trial, 3 tries left", "Esc goes back", "next boot  active")))
	must(t, m.WaitVGA(ctx, "last       active 1.3.125 is on trial, 3 tries left"))
	must(t, line.Press("esc"))
	must(t, line.WaitScreen(ctx, showsAll("> active   1.3.125", "trial 3 left, default", "  backup   1.3.124")))
	bootActiveFromSerial(t, ctx, m)
	hasWords(t, imageRuns(t, ctx, m), "marker=new", "img=active")
}

// TestRepairInStage pulls the plug in an install. The next start of the console undoes it, and says so on
// every console; after that it is another start like all.
func TestRepairInStage(t *testing.T) {
	t.Parallel()
	disk := makeDisk(t, "grub-legacy", bothConsoles)
	ctx, m := bootDisk(t, disk)
	plansInstall(t, ctx, m, packImage(t, "new", "1.3.125", ""))
	must(t, m.Serial(0).Press("y"))
	// Before its first file is synced, a cut leaves nothing to repair, or on an ext2 a directory that nobody can read.
	synced := regexp.MustCompile(`/100644/\d+/\d+/kernel[^/]+/[1-9]`)
	for place := partition(t, disk, 2); !synced.MatchString(tool(t, "e2fsprogs", "", "debugfs", "-R", "ls -p /system/incoming", place)); {
		must(t, ctx.Err())
	}
	must(t, m.Close())

	ctx, m = bootDisk(t, disk)
	said := showsAll("was interrupted before it changed", "Esc dismiss", "> active   1.3.124", "  backup   1.3.123")
	must(t, m.Serial(0).WaitScreen(ctx, said))
	must(t, m.WaitVGAScreen(ctx, said))
	must(t, m.Close())
	if text := holdfast(t, "repair", "--flash", disk, "--dry-run"); !strings.Contains(text, "nothing") {
		t.Errorf("after the start that repaired, repair --dry-run says\n%s", text)
	}
}

// TestTrialsRunOutInStage boots an image on its last try, which does not confirm: the next start boots the
// other one by itself, and says why.
func TestTrialsRunOutInStage(t *testing.T) {
	t.Parallel()
	disk := makeDisk(t, "grub-legacy", bothConsoles+" holdfast.autoboot=2")
	holdfast(t, "install", packImage(t, "new", "1.3.125", "marker=new"), "--flash", disk, "--yes")
	bootOnce(t, disk, "active")
	bootOnce(t, disk, "active")
	holdfast(t, "default", "set-entry", "4", "--flash", disk, "--yes") // through the console, as on machines where it chooses
	ctx, m := bootDisk(t, disk)
	hasWords(t, imageRuns(t, ctx, m), "marker=new", "img=active")
	must(t, m.Reset(ctx))
	const reason = "on backup because 1.3.125 did not confirm in 3 tries"
	must(t, m.Serial(0).WaitScreen(ctx, showsAll(reason, "Booting backup 1.3.124")))
	hasWords(t, imageRuns(t, ctx, m), "marker=active", "img=backup") // which was in active
	must(t, m.Close())
	if text := holdfast(t, "status", "--quick", "--flash", disk); !strings.Contains(text, "last     "+reason) {
		t.Errorf("status says\n%s", text)
	}
}
