package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"holdfast/kexec/kexectest"
	"holdfast/ops"
)

// hangsUp is standard input whose sender is stopped by an operator after half of it.
type hangsUp struct {
	r    io.Reader
	stop context.CancelFunc
}

func (h hangsUp) Read(b []byte) (int, error) {
	n, err := h.r.Read(b)
	if err == io.EOF {
		h.stop()
		select {} // as a pipe nobody writes to
	}
	return n, err
}

// TestStoppedIsSaid: an install that an operator stops is no failure, and leaves the flash as it was.
func TestStoppedIsSaid(t *testing.T) {
	s := newShelf(t, "ext2", "8M", 1200<<10)
	_, before := s.tree(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	archive := readFile(t, s.archives["1.3.125"])
	in := hangsUp{bytes.NewReader(archive[:len(archive)*9/10]), stop}
	var out, errs strings.Builder
	code := run(ctx, []string{"install", "-", "--yes", "--flash", s.flash}, in, &out, &errs)
	if code != int(ops.Internal) || !strings.Contains(errs.String(), "holdfast: install: interrupted; nothing is left half done\n") {
		t.Errorf("exit %d\n%s%s", code, &out, &errs)
	}
	dir, after := s.tree(t)
	log := string(readFile(t, filepath.Join(dir, "cfg/holdfast.log")))
	if !strings.HasSuffix(log, " install: standard input: stopped\n") || strings.Contains(log, "failed") {
		t.Errorf("the log says\n%s", log)
	}
	for name, hash := range before {
		if after[name] != hash {
			t.Errorf("%s was changed", name)
		}
	}
}

// TestInterruptedAndWorse: what could not be cleaned up is told.
func TestInterruptedAndWorse(t *testing.T) {
	var errs strings.Builder
	report(&errs, "install", errors.Join(context.Canceled, errors.New("delete what was written: input/output error")))
	if !strings.Contains(errs.String(), "input/output error") || strings.Contains(errs.String(), "nothing is left") {
		t.Errorf("says %q", errs.String())
	}
}

// TestProgressKeepsToItsLine: what wraps cannot be written over.
func TestProgressKeepsToItsLine(t *testing.T) {
	master, slave, err := pty.Open()
	must(t, err)
	defer master.Close()
	defer slave.Close()
	must(t, pty.Setsize(slave, &pty.Winsize{Rows: 10, Cols: 40}))
	p := &progress{out: slave, live: true}
	p.Progress(ops.Progress{Step: "unpack initrd.img of a long name", Done: 8 << 20, Total: 28 << 20, Since: 3 * time.Second})
	buf := make([]byte, 200)
	n, err := master.Read(buf)
	must(t, err)
	line := strings.TrimSuffix(strings.TrimPrefix(string(buf[:n]), "\r"), "\x1b[K")
	if len(line) != 39 || !strings.HasPrefix(line, "unpack initrd.img of a long name  8.0 M") {
		t.Errorf("%d cells: %q", len(line), line)
	}
}

// TestInitrdOfMenu: the menu of a disk does not change with its images, and GRUB stops at an initrd that is
// not there.
func TestInitrdOfMenu(t *testing.T) {
	dir := t.TempDir()
	kernel := filepath.Join(dir, "kernel")
	must(t, os.WriteFile(kernel, kexectest.Kernel("6.1.0-bare"), 0o644))
	bare, with := filepath.Join(dir, "bare.tgz"), packed(t, dir, "1.3.125", 2<<20)
	holdfast(t, "image", "pack", "--kernel", kernel, "--version", "1.4.0", "-o", bare)
	disk := filepath.Join(dir, "disk.img")
	holdfast(t, "disk", "create", "-o", disk, "--size", "64M", "--kernel", kernel, "--console", made.console, "--image", "active="+with)
	const lacks, loads = "warning  GRUB cannot boot it: its menu loads /system/active/initrd.img", "warning  GRUB's menu loads no initrd"
	for _, tt := range []struct{ disk, line, says, not string }{
		{disk, "install " + bare + " --dry-run", lacks, loads},
		{disk, "install " + bare + " --stage-only --dry-run", "staged", "warning"},
		{disk, "install " + packed(t, dir, "1.3.126", 2<<20) + " --dry-run", "1.3.126", "warning"},
		{lookDisk(t, "grub2"), "install " + with + " --dry-run", loads, lacks},
		{disk, "install " + bare + " --yes", lacks, loads},
		{disk, "rotate --yes", "1.3.125 is active", "warning"},
		{disk, "rotate --dry-run", lacks, loads},
	} {
		code, out, errs := cli(append(strings.Fields(tt.line), "--flash", tt.disk)...)
		if code != 0 || !strings.Contains(out, tt.says) || strings.Contains(out, tt.not) {
			t.Errorf("%s: exit %d\n%s%s\nwant %q and no %q", tt.line, code, out, errs, tt.says, tt.not)
		}
	}
}

// TestUnsignedPlan: a plan that will be refused for want of a signature says so.
func TestUnsignedPlan(t *testing.T) {
	s := newShelf(t, "ext2", "12M", 2<<20)
	trust := filepath.Join(s.dir, "trust")
	must(t, os.Mkdir(trust, 0o755))
	must(t, os.WriteFile(filepath.Join(trust, "require-signature"), nil, 0o644))
	const warning = "warning  no signature was seen"
	line := "install " + s.archives["1.3.125"] + " --dry-run"
	if said := s.do(t, line+" --trust "+trust); !strings.Contains(said, warning) {
		t.Errorf("says\n%s", said)
	}
	if said := s.do(t, line); strings.Contains(said, warning) {
		t.Errorf("says\n%s", said)
	}
}

// TestStatusTellsWhatIsLeft: a flash on which an operation was cut off has no problem, and something to do.
func TestStatusTellsWhatIsLeft(t *testing.T) {
	flash := demoFlash(t)
	const line = "left     an operation is under way or was interrupted (incoming 1.3.126); to put it right: holdfast repair\n"
	if _, out, _ := cli("status", "--quick", "--flash", flash); strings.Contains(out, "left  ") {
		t.Errorf("says\n%s", out)
	}
	incoming := filepath.Join(flash, "system/incoming")
	must(t, os.Mkdir(incoming, 0o755))
	must(t, os.WriteFile(filepath.Join(incoming, "kernel.ver"), []byte("1.3.126\n"), 0o644))
	if code, out, errs := cli("status", "--quick", "--flash", flash); code != 0 || !strings.Contains(out, line) {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}
