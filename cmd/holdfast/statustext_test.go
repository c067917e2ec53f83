package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"holdfast/ops"
	"holdfast/ops/status"
)

const demoStatus = `flash    demonstration, in memory, ro, holdfast layout
last     active 1.3.124 was installed and has confirmed (2026-11-03T22:14:00Z)

image    version  kernel               size     state
active   1.3.124  6.1.0-56-appliance   4.0 MiB  intact, confirmed
backup   1.3.121  6.1.0-49-appliance   4.0 MiB  intact, confirmed
factory  1.2.0    5.10.0-21-appliance  4.0 MiB  intact
1.3.125  1.3.125  6.1.0-57-appliance   4.0 MiB  damaged, staged

default  entry 0, Active image: active
file     boot/grub/default (grub-legacy)
next     active, active, backup, backup, maintenance
configs  cur  13 bytes, damaged
         bak  none
         fac  13 bytes, damaged

problems
  1.3.125: initrd.img: hash differs
  cfg/config.cur: neither a tar nor a cpio archive
  cfg/config.fac: neither a tar nor a cpio archive
`

func TestStatusText(t *testing.T) {
	r, err := status.Read(demoTarget())
	must(t, err)
	r, err = r.VerifyAll(context.Background(), ops.Discard)
	must(t, err)
	var b bytes.Buffer
	must(t, printStatus(&b, r))
	if b.String() != demoStatus {
		t.Errorf("status of the demonstration:\n%s\nwant\n%s", &b, demoStatus)
	}
	for line := range strings.Lines(demoStatus) {
		if len(line) > 81 {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
}

// TestStatusQuick hashes nothing, and says so.
func TestStatusQuick(t *testing.T) {
	r, err := status.Read(demoTarget())
	must(t, err)
	var b bytes.Buffer
	must(t, printStatus(&b, r))
	if !strings.Contains(b.String(), "6.1.0-57-appliance   4.0 MiB  not checked, staged\n") || !strings.HasSuffix(b.String(), "\n\nno problems\n") {
		t.Errorf("status --quick of the demonstration:\n%s", &b)
	}
}

// TestStatusOfEvilDisk: what is on a disk does not drive the terminal.
func TestStatusOfEvilDisk(t *testing.T) {
	target := demoTarget()
	m := target.FS.(fstest.MapFS)
	m["boot/grub/menu.lst"].Data = []byte("default saved\ntitle \x1b[2Jgone\nkernel /system/backup/kernel.img\n")
	m["system/backup/kernel.img"].Data = nil
	r, err := status.Read(target)
	must(t, err)
	var b bytes.Buffer
	must(t, printStatus(&b, r))
	for _, l := range append(defaultLines(r), entryLines(r.Boot)...) {
		b.WriteString(l.String())
	}
	if strings.Contains(b.String(), "\x1b") || !strings.Contains(b.String(), `entry 0, "\x1b[2Jgone": backup`) {
		t.Errorf("status:\n%q", &b)
	}
}
