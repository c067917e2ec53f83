package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"holdfast/flash/volume"
	"holdfast/kexec/kexectest"
	"holdfast/ops"
	"holdfast/ops/status"
)

// lookDisk makes a disk image as disk create makes it, of kernels that are none: it is for looking at.
func lookDisk(t testing.TB, loader string) string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"disk", "create", "--menu-timeout", "0", "-o", filepath.Join(dir, "disk.img"), "--loader", loader, "--size", "64M",
		"--kernel", filepath.Join(dir, "kernel"), "--console", made.console}
	must(t, os.WriteFile(filepath.Join(dir, "kernel"), kexectest.Kernel("6.1.0-stage"), 0o644))
	for _, slot := range []string{"active", "backup"} {
		kernel, archive := filepath.Join(dir, "kernel."+slot), filepath.Join(dir, slot+".tgz")
		must(t, os.WriteFile(kernel, kexectest.Kernel("6.1.0-"+slot), 0o644))
		holdfast(t, "image", "pack", "--kernel", kernel, "--version", "1-"+slot, "--args", "quiet slot="+slot, "-o", archive)
		args = append(args, "--image", slot+"="+archive)
	}
	holdfast(t, args...)
	return filepath.Join(dir, "disk.img")
}

// document is what a command with --json prints, by its own names.
func document(t testing.TB, args ...string) status.Document {
	t.Helper()
	code, out, errs := cli(append(args, "--json")...)
	if code != 0 || errs != "" {
		t.Fatalf("holdfast %s: exit %d: %s", strings.Join(args, " "), code, errs)
	}
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	var doc status.Document
	must(t, d.Decode(&doc))
	return doc
}

// whole is a document with all that its pointers point to.
func whole(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return string(b)
}

// TestStatusOfDisk compares the place of the saved default with what another program says of it.
func TestStatusOfDisk(t *testing.T) {
	for _, loader := range []struct {
		name, form, file string
		sector           func(t testing.TB, disk, file string) string
	}{
		{"grub-legacy", "grub-legacy", "/boot/grub/default", blocklist},
		{"grub2", "grubenv", "/boot/grub/grubenv", bmap},
	} {
		t.Run(loader.name, func(t *testing.T) {
			disk := lookDisk(t, loader.name)
			place := loader.sector(t, disk, loader.file)
			doc := document(t, "status", "--flash", disk)
			want := fmt.Sprintf(`{"form":%q,"device":%q,"partition":1,%s,"entry":"0","title":"Active image","slot":"active"}`,
				loader.form, disk, place)
			if got := whole(t, doc.BootDefault); got != want {
				t.Errorf("boot_default %s, want %s", got, want)
			}
			if got, want := whole(t, doc.NextBoot), `["active","active","backup","backup","maintenance"]`; got != want {
				t.Errorf("next_boot %s, want %s", got, want)
			}
			active := `{"name":"active","present":true,"version":"1-active","kernel":"6.1.0-active","size":` + whole(t, doc.Slots[0].Size) +
				`,"integrity":"intact","signer":null,"state":"unknown","tries_left":null,"arguments":"quiet slot=active","problems":[]}`
			if got := whole(t, doc.Slots[0]); got != active {
				t.Errorf("active %s, want %s", got, active)
			}
			f := doc.Flash
			if len(doc.Problems) > 0 || f.Target != disk+":2" || *f.FSType != "ext2" || *f.Size <= *f.Free || *f.Free <= 0 || *doc.Slots[0].Size < 1000 {
				t.Errorf("flash %s, problems %q", whole(t, f), doc.Problems)
			}
			_, out, _ := cli("status", "--flash", disk)
			for _, line := range []string{"default  entry 0, Active image: active", "next     active, active, backup, backup, maintenance", "no problems"} {
				if !strings.Contains(out, line+"\n") {
					t.Errorf("status does not say %q:\n%s", line, out)
				}
			}
		})
	}
}

// blocklist asks GRUB Legacy where a file of the first partition lies.
func blocklist(t testing.TB, disk, file string) string {
	t.Helper()
	devices := filepath.Join(t.TempDir(), "devices")
	must(t, os.WriteFile(devices, []byte("(hd0) "+disk+"\n"), 0o644))
	out := tool(t, "grub-legacy", "", "sh", "-c", "printf 'blocklist (hd0,0)"+file+"\nquit\n' | grub --batch --no-floppy --device-map="+devices)
	found := regexp.MustCompile(`(?m)^ *\(hd0,0\)(\d+)\+(\d+)`).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("grub's blocklist says %s", out)
	}
	return fmt.Sprintf(`"sector":%s,"count":%s`, found[1], found[2])
}

// bmap asks debugfs for the same of a file of two sectors.
func bmap(t testing.TB, disk, file string) string {
	t.Helper()
	device := partition(t, disk, 1)
	number := func(pattern, request string) int {
		out := tool(t, "e2fsprogs", "", "debugfs", "-R", request, device)
		var n int
		if found := regexp.MustCompile(pattern).FindStringSubmatch(out); found == nil {
			t.Fatalf("debugfs %s says %s", request, out)
		} else if _, err := fmt.Sscan(found[1], &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	size := number(`Block size: +(\d+)`, "stats -h")
	return fmt.Sprintf(`"sector":%d,"count":2`, number(`(?m)^(\d+)$`, "bmap "+file+" 0")*size/512)
}

// partition is one of the disk's partitions, counted from 1, as the programs of e2fsprogs take it.
func partition(t testing.TB, disk string, number int) string {
	t.Helper()
	var table struct {
		PartitionTable struct{ Partitions []struct{ Start int64 } }
	}
	must(t, json.Unmarshal([]byte(tool(t, "fdisk", "", "sfdisk", "-J", disk)), &table))
	return fmt.Sprintf("%s?offset=%d", disk, table.PartitionTable.Partitions[number-1].Start*512)
}

// TestDefaultBehindMBR is a disk as Formilux made it: the number in sector 2, the menu in the loader.
func TestDefaultBehindMBR(t *testing.T) {
	disk := lookDisk(t, "grub-legacy")
	for _, file := range []string{"default", "menu.lst"} {
		tool(t, "e2fsprogs", "", "debugfs", "-w", "-R", "rm /boot/grub/"+file, partition(t, disk, 1))
	}
	sector := make([]byte, 512)
	copy(sector[6:], "\x03\x02\xff\xff\xff\x00\x03") // version, install partition, saved entry
	copy(sector[0x12:], "0.96")
	f, err := os.OpenFile(disk, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt(sector, 1024)
	must(t, errors.Join(err, f.Close()))

	flags := []string{"--flash", disk, "--grub", disk + ":1"} // no file tells that GRUB is there
	doc := document(t, append([]string{"status"}, flags...)...)
	want := fmt.Sprintf(`{"form":"stage2","device":%q,"partition":null,"sector":2,"count":1,"entry":"3","title":null,"slot":null}`, disk)
	if got := whole(t, doc.BootDefault); got != want || len(doc.NextBoot) != 0 || len(doc.Problems) != 0 {
		t.Errorf("boot_default %s, next_boot %q, problems %q; want %s", got, doc.NextBoot, doc.Problems, want)
	}
	if _, out, _ := cli(append([]string{"default"}, flags...)...); !strings.Contains(out, "\nplace    sector 2+1 of "+disk+" (stage2)\n") {
		t.Errorf("default says\n%s", out)
	}
	for _, c := range []struct {
		line, args string
		code       ops.Kind
		entry      string
	}{
		{"img=backup GRUB_ENTRY=3", "", ops.Refused, "3"},
		{"img=backup GRUB_ENTRY=3", "--retries 2", 0, "2"},
		{"img=backup GRUB_ENTRY=3", "--retries 2", 0, "2"},
		{"img=active", "--retries 4", 0, "0"},
	} {
		code, text := confirmAfter(c.line, append(strings.Fields(c.args), flags...)...)
		if entry := *document(t, append([]string{"default"}, flags...)...).BootDefault.Entry; code != int(c.code) || entry != c.entry {
			t.Errorf("confirm %s after %q: exit %d, entry %s; want %d, %s\n%s", c.args, c.line, code, entry, c.code, c.entry, text)
		}
	}
}

// confirmAfter runs confirm on a system whose kernel was started with a command line.
func confirmAfter(line string, args ...string) (code int, text string) {
	var out bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, err: &out, commandLine: func() string { return line }}
	code = a.run(context.Background(), append([]string{"confirm"}, args...))
	return code, out.String()
}

// TestDefaultOfDisk changes a disk image, and looks at every sector of it.
func TestDefaultOfDisk(t *testing.T) {
	for _, loader := range []string{"grub-legacy", "grub2"} {
		disk := lookDisk(t, loader)
		steps := []struct {
			args  string
			entry string // that is saved afterwards
		}{
			{"default set backup --yes", "2"},
			{"default set backup", "2"}, // nothing to ask
			{"default set-entry 3 --yes", "3"},
			{"default set-entry -2 --yes", "2"},
			{"--yes default set-entry -16", "0"},
			{"default set maintenance --yes", "4"},
			{"confirm --slot active", "0"},
			{"confirm --slot active", "0"},
			{"default set backup --yes --dry-run", "0"},
		}
		for _, s := range steps {
			before := readFile(t, disk)
			was := document(t, "default", "--flash", disk).BootDefault
			code, out, errs := cli(append(strings.Fields(s.args), "--flash", disk)...)
			now := document(t, "default", "--flash", disk).BootDefault
			if code != 0 || *now.Entry != s.entry {
				t.Errorf("%s: %s: exit %d, entry %s, want %s\n%s%s", loader, s.args, code, *now.Entry, s.entry, out, errs)
			}
			want := 1
			if *was.Entry == s.entry {
				want = 0
			}
			after := readFile(t, disk)
			if want == 1 && strings.HasPrefix(s.args, "confirm") { // it marks the image too, on the flash
				flash := document(t, "status", "--flash", disk).Slots[0]
				if flash.State != "confirmed" {
					t.Errorf("%s: %s: active is %s", loader, s.args, flash.State)
				}
				before, after = before[:secondPartition(t, disk)], after[:secondPartition(t, disk)]
			}
			if n := sectorsThatDiffer(before, after); n != want {
				t.Errorf("%s: %s: %d sectors differ, want %d", loader, s.args, n, want)
			}
		}
	}
}

// secondPartition is where the flash of a disk begins, in bytes.
func secondPartition(t testing.TB, name string) int64 {
	t.Helper()
	v, err := volume.Open(name + ":2")
	must(t, err)
	defer v.Close()
	return v.Start
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	must(t, err)
	return b
}

func sectorsThatDiffer(a, b []byte) int {
	n := max(len(a), len(b)) - min(len(a), len(b))
	for at := 0; at+512 <= min(len(a), len(b)); at += 512 {
		if !bytes.Equal(a[at:at+512], b[at:at+512]) {
			n++
		}
	}
	return n
}

// TestConfirmByCommandLine gives the words that the appliance's kernel was started with.
func TestConfirmByCommandLine(t *testing.T) {
	disk := lookDisk(t, "grub-legacy")
	tests := []struct {
		line  string
		saved string // as GRUB left it
		entry string // that is saved afterwards
		code  ops.Kind
		says  string
	}{
		{"quiet img=active GRUB_ENTRY=0", "1", "0", 0, ""},
		{"quiet img=active GRUB_ENTRY=1", "2", "0", 0, ""},
		{"quiet img=active GRUB_ENTRY=1", "0", "0", 0, "already confirmed: the boot default is entry 0\n"},
		{"img=backup GRUB_ENTRY=3", "4", "2", 0, ""},
		{"img=backup", "0", "2", 0, ""},
		{"img=backup GRUB_ENTRY=0", "1", "1", ops.Refused, "hint: say what was booted: --slot active\n"},
		{"console=ttyS0", "4", "4", ops.Refused, "holdfast: confirm: the kernel's command line has neither img= nor GRUB_ENTRY=\n"},
		{"img=1.3.125", "4", "4", ops.Refused, "nothing to confirm"},
	}
	for _, tt := range tests {
		holdfast(t, "default", "set-entry", tt.saved, "--yes", "--flash", disk)
		code, text := confirmAfter(tt.line, "--flash", disk)
		now := document(t, "default", "show", "--flash", disk).BootDefault
		if code != int(tt.code) || *now.Entry != tt.entry || !strings.Contains(text, tt.says) {
			t.Errorf("confirm after %q: exit %d, entry %s, want %d, %s saying %q\n%s", tt.line, code, *now.Entry, tt.code, tt.entry, tt.says, text)
		}
	}
}

// TestErrorsNameTheCommand: what fails when a default is set is said by the command that was given.
func TestErrorsNameTheCommand(t *testing.T) {
	disk := lookDisk(t, "grub-legacy")
	spoil(t, disk, "default saved", "default 00000")
	for command, args := range map[string]string{
		"confirm": "--slot active", "default set": "active --yes", "default set-entry": "0 --yes",
	} {
		_, _, errs := cli(strings.Fields(command + " " + args + " --flash " + disk)...)
		if want := "holdfast: " + command + ": boot/grub/menu.lst: this menu does not boot the saved default\n"; !strings.HasPrefix(errs, want) {
			t.Errorf("%s says %q, want %q", command, errs, want)
		}
	}
}

// TestDefaultShow shows a person the menu to choose from.
func TestDefaultShow(t *testing.T) {
	disk := lookDisk(t, "grub-legacy")
	place := document(t, "default", "--flash", disk).BootDefault
	want := fmt.Sprintf(`default  entry 0, Active image: active
file     boot/grub/default (grub-legacy)
place    sector %d+%d of partition 1 of %s
next     active, active, backup, backup, maintenance
menu     0    Active image: active
         1    Active image (retry): active
         2    Backup image: backup
         3    Backup image (retry): backup
         4    Maintenance console: maintenance
`, *place.Sector, *place.Count, disk)
	if code, out, errs := cli("default", "show", "--flash", disk); code != 0 || out != want {
		t.Errorf("exit %d: %s%s\nwant\n%s", code, out, errs, want)
	}
}

// spoil changes a text on the flash of a disk image to another of the same length.
func spoil(t *testing.T, disk, old, new string) {
	t.Helper()
	image := readFile(t, disk)
	at := bytes.LastIndex(image, []byte(old))
	if at < 0 || len(old) != len(new) {
		t.Fatalf("%q is not on the disk, or is no %q", old, new)
	}
	copy(image[at:], new)
	must(t, os.WriteFile(disk, image, 0o644))
}

// TestDefaultOfDamagedImage: whether an image is whole only its hashes tell, and they are asked before
// it becomes the default.
func TestDefaultOfDamagedImage(t *testing.T) {
	disk := lookDisk(t, "grub-legacy")
	spoil(t, disk, "quiet slot=backup", "quiet slot=bAckup")
	before := readFile(t, disk)
	for _, args := range []string{"default set backup --yes", "default set-entry 3 --yes", "default set backup --dry-run"} {
		code, _, errs := cli(append(strings.Fields(args), "--flash", disk)...)
		if code != int(ops.Refused) || !strings.Contains(errs, "kernel.arg: hash differs") || !bytes.Equal(before, readFile(t, disk)) {
			t.Errorf("%s: exit %d, want %d and the same disk\n%s", args, code, ops.Refused, errs)
		}
	}
}

// TestDefaultShowTellsWhy: a saved default that is not heeded looks like one that is.
func TestDefaultShowTellsWhy(t *testing.T) {
	disk := lookDisk(t, "grub-legacy")
	spoil(t, disk, "default saved\n", "default 0    \n")
	if _, out, _ := cli("default", "--flash", disk); !strings.Contains(out, "\nproblem  boot/grub/menu.lst does not heed what is saved\n") {
		t.Errorf("default says\n%s", out)
	}
}

// TestReaderGone: a log that nobody reads any more keeps no good boot from being confirmed.
func TestReaderGone(t *testing.T) {
	disk := lookDisk(t, "grub-legacy")
	reader, writer, err := os.Pipe()
	must(t, err)
	must(t, reader.Close())
	cmd := exec.CommandContext(t.Context(), made.binary, "confirm", "--slot", "backup", "--flash", disk)
	cmd.Stdout, cmd.Stderr = writer, writer
	err = errors.Join(cmd.Run(), writer.Close())
	if now := *document(t, "default", "--flash", disk).BootDefault.Entry; err != nil || now != "2" {
		t.Errorf("%v, entry %s, want 2", err, now)
	}
}

// TestNobodyToAsk: /dev/null is no terminal.
func TestNobodyToAsk(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), made.binary, "default", "set", "backup", "--flash", lookDisk(t, "grub-legacy"))
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != int(ops.NotConfirmed) || bytes.Contains(out, []byte("Type yes")) {
		t.Errorf("%v:\n%s", err, out)
	}
}

// TestNoRoomForOutput: what was not printed was not shown.
func TestNoRoomForOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	must(t, err)
	defer full.Close()
	disk := lookDisk(t, "grub-legacy")
	for _, args := range [][]string{{"default"}, {"default", "--json"}, {"status"}} {
		if code := run(context.Background(), append(args, "--flash", disk), strings.NewReader(""), full, io.Discard); code != int(ops.Internal) {
			t.Errorf("%s: exit %d, want %d", args, code, ops.Internal)
		}
	}
}

// TestDefaultOfOtherFlash is a disk with a second flash, whose images have the paths of the first's:
// GRUB's menu boots none of them.
func TestDefaultOfOtherFlash(t *testing.T) {
	for _, loader := range []string{"grub-legacy", "grub2"} {
		disk := lookDisk(t, loader)
		image := readFile(t, disk)
		copy(image[446+32:], image[446+16:446+32])
		must(t, os.WriteFile(disk, image, 0o644))
		other := disk + ":3"
		for args, says := range map[string]string{
			"default set backup --yes": `2 "Backup image" (backup of partition 2)`,
			"confirm --slot backup":    "no entry of boot/grub/",
		} {
			code, _, errs := cli(append(strings.Fields(args), "--flash", other)...)
			if code != int(ops.Refused) || !strings.Contains(errs, says) || !bytes.Equal(image, readFile(t, disk)) {
				t.Errorf("%s: %s: exit %d, want %d and the same disk\n%s", loader, args, code, ops.Refused, errs)
			}
		}
		want := `boot default: entry 0, "Active image": boots active of partition 2, which is not this flash`
		if doc := document(t, "status", "--quick", "--flash", other); doc.BootDefault.Slot != nil || !slices.Contains(doc.Problems, want) {
			t.Errorf("%s: problems %q, want %q", loader, doc.Problems, want)
		}
	}
}

// TestConfirmKeepsOnce: who has asked for one other boot since the good one gets it.
func TestConfirmKeepsOnce(t *testing.T) {
	disk := lookDisk(t, "grub2")
	const once = "next_entry=4\n"
	spoil(t, disk, "saved_entry=0\n"+strings.Repeat("#", len(once)), "saved_entry=0\n"+once)
	for _, tt := range []struct{ args, says, next string }{
		{"confirm --slot backup", "alone: stays\n", "maintenance"},
		{"confirm --slot backup", "already confirmed", "maintenance"},
		{"default set active --yes", "alone: forgotten\n", "active"},
	} {
		code, out, errs := cli(append(strings.Fields(tt.args), "--flash", disk)...)
		if next := document(t, "default", "--flash", disk).NextBoot[0]; code != 0 || !strings.Contains(out, tt.says) || next != tt.next {
			t.Errorf("%s: exit %d, next %s, want %q, next %s\n%s%s", tt.args, code, next, tt.says, tt.next, out, errs)
		}
	}
}
