package volume

import (
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs/partition/gpt"
)

// cached finds one file of the test kernel.
func cached(t *testing.T, pattern string) string {
	t.Helper()
	found, _ := filepath.Glob("../../.cache/kernel/" + pattern)
	if len(found) != 1 {
		t.Fatal("the test kernel is missing: run .ci/kernel")
	}
	return found[0]
}

// archive makes the test machine's initramfs: the program in testdata/init, and the modules of a
// virtio disk in load order.
func archive(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", filepath.Join(root, "init"), "./testdata/init")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	dep := cached(t, "lib/modules/*/modules.dep")
	text, err := os.ReadFile(dep)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, name := range []string{"virtio_pci", "virtio_blk"} {
		for line := range strings.Lines(string(text)) {
			module, deps, _ := strings.Cut(line, ":")
			if filepath.Base(module) != name+".ko" {
				continue
			}
			all := append([]string{module}, strings.Fields(deps)...)
			slices.Reverse(all)
			for _, file := range all {
				data, err := os.ReadFile(filepath.Join(filepath.Dir(dep), file))
				if err != nil {
					t.Fatal(err)
				}
				if base := filepath.Base(file); !slices.Contains(list, base) {
					write(t, filepath.Join(root, "modules", base), string(data))
					list = append(list, base)
				}
			}
		}
	}
	write(t, filepath.Join(root, "modules/list"), strings.Join(list, "\n"))
	names := "init\nmodules\nmodules/list\nmodules/" + strings.Join(list, "\nmodules/") + "\n"
	initrd := filepath.Join(t.TempDir(), "initrd")
	tell(t, "cpio", "cpio", names, "-D", root, "--quiet", "-o", "-H", "newc", "-F", initrd)
	return initrd
}

// disksOf4096 are disks of 4096-byte sectors: one with an MBR, whose logical partition 5 holds a
// flash, and one with a GPT and nothing in its partitions.
func disksOf4096(t *testing.T) (mbr, table string) {
	t.Helper()
	dir := t.TempDir()
	mbr, table = filepath.Join(dir, "mbr"), filepath.Join(dir, "gpt")
	image := make([]byte, 16*mib)
	put := func(sector, slot int, kind byte, start, length uint32) {
		b := image[sector*4096:]
		b[510], b[511] = 0x55, 0xaa
		b = b[446+slot*16:]
		b[4] = kind
		binary.LittleEndian.PutUint32(b[8:], start)
		binary.LittleEndian.PutUint32(b[12:], length)
	}
	put(0, 0, 0x83, 256, 1024)
	put(0, 1, 0x05, 1536, 2048)
	put(1536, 0, 0x83, 256, 1024)
	put(1536, 1, 0x05, 1280, 512)
	put(1536+1280, 0, 0x83, 256, 256)
	copy(image[256*4096:], part{"ext2", "gr4b", grubTree}.make(t))
	copy(image[(1536+256)*4096:], part{"ext4", "four", flashTree}.make(t))
	write(t, mbr, string(image))

	write(t, table, "")
	f, err := os.OpenFile(table, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(16 * mib); err != nil {
		t.Fatal(err)
	}
	entries := gpt.Table{LogicalSectorSize: 4096, PhysicalSectorSize: 4096, ProtectiveMBR: true, Partitions: []*gpt.Partition{
		{Index: 1, Type: gpt.LinuxFilesystem, Start: 256, End: 511}, {Index: 4, Type: gpt.LinuxFilesystem, Start: 512, End: 4000},
	}}
	if err := entries.Write(f, 16*mib); err != nil {
		t.Fatal(err)
	}
	return mbr, table
}

// TestOnRealDisks opens real block devices in a virtual machine: mounted in every way, of 4096-byte
// sectors, and named as another kernel would. Without root there is no other way to mount.
func TestOnRealDisks(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Fatal("qemu-system-x86_64 is missing: apt-get install qemu-system-x86")
	}
	args := []string{"-accel", "tcg", "-m", "256", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
		"-kernel", cached(t, "boot/vmlinuz-*"), "-initrd", archive(t), "-append", "console=ttyS0 quiet loglevel=0 panic=-1"}
	mbr, table := disksOf4096(t)
	for n, d := range []string{makeDisk(t, "dos", grubPart, flashPart), mbr, table} {
		id := string(rune('a' + n))
		size := "4096"
		if n == 0 {
			size = "512"
		}
		args = append(args, "-drive", "if=none,format=raw,id="+id+",file="+d,
			"-device", "virtio-blk-pci,drive="+id+",logical_block_size="+size+",physical_block_size="+size)
	}
	out, err := exec.CommandContext(ctx, "qemu-system-x86_64", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("qemu: %v\n%s", err, out)
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		if line, ok := strings.CutPrefix(strings.TrimSpace(line), "PROOF "); ok {
			got = append(got, line)
		}
	}
	want, err := os.ReadFile("testdata/disks.golden")
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(got, "\n") + "\n"; text != string(want) {
		t.Errorf("the machine says\n%s\nwant\n%s", text, want)
	}
}
