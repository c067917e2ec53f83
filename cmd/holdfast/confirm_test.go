package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/ops/bench/vm"
)

// appliance is the boot script of a running appliance: it confirms twice in each of the ways its
// flash may be mounted, and has the kernel show afterwards what is saved. Between them the default is
// what GRUB leaves when it boots entry 2.
const appliance = `#!/bin/busybox sh
busybox() { /bin/busybox "$@"; }
busybox mkdir -p /proc /sys /dev /boot /flash
busybox ln -s /init /bin/holdfast
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs dev /dev
for module in $(busybox cat /etc/holdfast/modules); do busybox insmod $module; done
attach() { busybox mount -o $1 -t ext2 /dev/vda1 /boot && busybox mount -o $1 -t ext2 /dev/vda2 /flash; }
detach() { busybox umount /boot && busybox umount /flash; }
saved() { busybox head -n 1 /boot/boot/grub/default; }
confirm() {
	echo "SAYS $1 $(/bin/holdfast confirm 2>&1 | busybox tail -n 1)"
	text=$(/bin/holdfast confirm 2>&1)
	echo "SAYS $1 again, exit $?: $text"
}
state() { /bin/holdfast status --quick | busybox grep '^backup' | busybox sed 's/.*, //'; }
echo "SAYS state $(state)"
confirm unmounted
echo "SAYS state $(state)"
attach ro && echo "SAYS unmounted saved $(saved)"; detach
/bin/holdfast --yes default set-entry 3 >/dev/null 2>&1
attach ro && echo "SAYS before ro saved $(saved)"
confirm ro
echo "SAYS ro saved $(saved)"; detach
/bin/holdfast --yes default set-entry 3 >/dev/null 2>&1
attach rw && echo "SAYS before rw saved $(saved)"
confirm rw
echo "SAYS rw saved $(saved)"
echo "SAYS log $(busybox grep -c 'default: done' /flash/cfg/holdfast.log)"; detach
echo "SAYS end"
busybox poweroff -f
`

// TestConfirmOnRunningSystem runs confirm as an appliance does after a good boot: nothing but the
// kernel's command line tells it where the flash is and what was booted. The image in backup is on trial;
// that its kernel is the one that runs, the machine can tell.
func TestConfirmOnRunningSystem(t *testing.T) {
	t.Parallel()
	disk, dir := lookDisk(t, "grub-legacy"), t.TempDir()
	image := filepath.Join(dir, "image.tgz")
	holdfast(t, "image", "pack", "--kernel", made.kernel, "--version", "2", "-o", image)
	holdfast(t, "install", image, "--slot", "backup", "--yes", "--flash", disk)
	holdfast(t, "default", "set-entry", "3", "--yes", "--flash", disk)
	script, initrd := filepath.Join(dir, "appliance"), filepath.Join(dir, "initrd")
	must(t, os.WriteFile(script, []byte(appliance), 0o755))
	holdfast(t, "initramfs", "create", "-o", initrd, "--busybox", busybox, "--add", script+":/bin/appliance",
		"--kernel-modules", made.modules, "--module", "virtio_blk", "--compress", "none")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	m, err := vm.Start(ctx, vm.Config{
		Kernel: made.kernel, Initrd: initrd, Disks: []vm.Disk{{Path: disk, Bus: vm.Virtio}}, Serials: 1, NoReboot: true,
		Append: "console=ttyS0 quiet loglevel=0 panic=-1 rdinit=/bin/appliance flash=LABEL=" + flashLabel(t, disk) + " img=backup GRUB_ENTRY=2",
	})
	must(t, err)
	defer m.Close()
	must(t, m.Wait(ctx))
	must(t, m.Close()) // the line has given its last byte
	var got []string
	for line := range strings.Lines(string(m.Serial(0).Bytes())) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "SAYS "); ok {
			got = append(got, regexp.MustCompile(`sector \d+`).ReplaceAllString(text, "sector N"))
		}
	}
	want := []string{
		"state 3 left",
		"unmounted /dev/vda partition 1 sector N: 3 -> 2",
		"unmounted again, exit 0: already confirmed: the boot default is entry 2",
		"state confirmed",
		"unmounted saved 2",
		"before ro saved 3",
		"ro /dev/vda partition 1 sector N: 3 -> 2",
		"ro again, exit 0: already confirmed: the boot default is entry 2",
		"ro saved 2",
		"before rw saved 3",
		"rw /dev/vda partition 1 sector N: 3 -> 2",
		"rw again, exit 0: already confirmed: the boot default is entry 2",
		"rw saved 2",
		"log 2",
		"end",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the machine says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
