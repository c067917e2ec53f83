package grubdefault

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/flash/grub"
	"holdfast/flash/volume"
	"holdfast/kexec/kexectest"
	"holdfast/ops"
	"holdfast/ops/status"
)

// The test disk: one partition, from 1 MiB on.
const (
	partStart = 1 << 20
	partSize  = 8 << 20
)

// legacyMenu is a menu with retries as Formilux had it; backup has one entry, and nobody made factory.
const legacyMenu = `default saved
timeout 1
fallback 1 2 3 4
title Active image
	root (hd0,0)
	kernel /system/active/kernel.img img=active
	savedefault 1
title Active image (retry)
	root (hd0,0)
	kernel /system/active/kernel.img img=active
	savedefault 2
title Backup image
	root (hd0,0)
	kernel /system/backup/kernel.img img=backup
	savedefault 3
title Maintenance
	root (hd0,0)
	kernel /firmware/kernel.img img=maint
	savedefault 3
title Factory image
	root (hd0,0)
	kernel /system/factory/kernel.img img=factory
	savedefault 3
title Other system
	rootnoverify (hd1,0)
	chainloader +1
`

const grub2Menu = `load_env
if [ "${next_entry}" ] ; then
  set default="${next_entry}"
  set next_entry=
  save_env next_entry
else
  set default="${saved_entry}"
fi
menuentry "Active image" --id active {
	linux /system/active/kernel.img img=active
}
menuentry "Backup image" --id backup {
	linux /system/backup/kernel.img img=backup
}
menuentry "Maintenance" --id maintenance {
	linux /firmware/kernel.img img=maint
}
`

// grubenv is an environment block with these lines.
func grubenv(lines ...string) string {
	text := "# GRUB Environment Block\n" + strings.Join(lines, "\n") + "\n"
	return text + strings.Repeat("#", max(0, 1024-len(text)))
}

// legacyTree and grub2Tree are the files of a flash with GRUB on it.
func legacyTree() map[string]string {
	return map[string]string{
		"boot/grub/menu.lst": legacyMenu,
		"boot/grub/default":  string(must(grub.NewDefaultFile(0).Encode())),
	}
}

func grub2Tree(env string) map[string]string {
	return map[string]string{"boot/grub/grub.cfg": grub2Menu, "boot/grub/grubenv": env}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// need finds a tool of the test.
func need(t testing.TB, tool, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", tool, pkg)
	}
	return path
}

// run runs a program, which must succeed, and gives what it says.
func run(t testing.TB, pkg, in, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(need(t, name, pkg), args...)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// fixture is a disk image in the making: the partition's file system is in a file of its own.
type fixture struct {
	t    testing.TB
	part string
	kind byte   // of the partition: GRUB Legacy reads no FAT in one for Linux
	path string // of the disk, once made
	from int64  // bytes: where the partition begins on it
}

// newFixture makes a file system with the images active and backup, a maintenance kernel and files.
// mkfs is mke2fs's arguments, or "vfat" with those of mkfs.fat.
func newFixture(t testing.TB, mkfs string, files map[string]string) *fixture {
	t.Helper()
	tree := t.TempDir()
	all := map[string]string{
		"system/active/kernel.img": string(kexectest.Kernel("6.1.0-a")),
		"system/backup/kernel.img": string(kexectest.Kernel("6.1.0-b")),
		"firmware/kernel.img":      string(kexectest.Kernel("6.1.0-m")),
		"cfg/system.arg":           "",
	}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f := &fixture{t: t, part: filepath.Join(t.TempDir(), "part"), kind: 0x83}
	if args, fat := strings.CutPrefix(mkfs, "vfat "); fat {
		f.kind = 0x06
		if err := os.WriteFile(f.part, make([]byte, partSize), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "dosfstools", "", "mkfs.fat", append(strings.Fields(args), f.part)...)
		for _, dir := range []string{"boot", "system", "firmware", "cfg"} {
			run(t, "mtools", "", "mcopy", "-s", "-i", f.part, filepath.Join(tree, dir), "::")
		}
		return f
	}
	args := append(strings.Fields("-q -F "+mkfs), "-d", tree, f.part, fmt.Sprint(partSize>>10)+"k")
	run(t, "e2fsprogs", "", "mke2fs", args...)
	return f
}

// debugfs changes the file system behind its back.
func (f *fixture) debugfs(script string) string {
	f.t.Helper()
	return run(f.t, "e2fsprogs", script+"\nquit\n", "debugfs", "-w", "-f", "-", f.part)
}

// disk puts the partition on a disk.
func (f *fixture) disk() *fixture {
	f.t.Helper()
	data, err := os.ReadFile(f.part)
	if err != nil {
		f.t.Fatal(err)
	}
	image := make([]byte, partStart, partStart+partSize)
	// Entry of the partition table: type, start and length in sectors (PC master boot record).
	image[446+4] = f.kind
	binary.LittleEndian.PutUint32(image[446+8:], partStart/512)
	binary.LittleEndian.PutUint32(image[446+12:], partSize/512)
	image[510], image[511] = 0x55, 0xAA
	f.path, f.from = filepath.Join(f.t.TempDir(), "disk.img"), partStart
	if err := os.WriteFile(f.path, append(image, data...), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return f
}

// report reports on the disk as the commands do.
func (f *fixture) report() *status.Report {
	f.t.Helper()
	r, err := openReport(f.path)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func openReport(name string) (*status.Report, error) {
	v, err := volume.Open(name)
	if err != nil {
		return nil, err
	}
	place := status.Place{FS: v.FS(), Volume: v}
	return status.Read(status.Target{FS: v.FS(), Volume: v, Name: name, GRUB: place})
}

func (f *fixture) bytes() []byte {
	f.t.Helper()
	b, err := os.ReadFile(f.path)
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

// partition is the disk's partition as a file, for tools.
func (f *fixture) partition() string {
	f.t.Helper()
	name := filepath.Join(f.t.TempDir(), "part")
	if err := os.WriteFile(name, f.bytes()[f.from:], 0o600); err != nil {
		f.t.Fatal(err)
	}
	return name
}

// changed are the sectors of the disk that differ.
func changed(before, after []byte) []int {
	var list []int
	if len(before) != len(after) {
		return []int{-1}
	}
	for i := 0; i < len(before); i += 512 {
		if !bytes.Equal(before[i:i+512], after[i:i+512]) {
			list = append(list, i/512)
		}
	}
	return list
}

// said is a Reporter that keeps what it is told.
type said []string

func (*said) Progress(ops.Progress) {}
func (s *said) Log(line string)     { *s = append(*s, line) }

// apply plans and carries out.
func apply(t testing.TB, r Request) (Plan, []string, error) {
	t.Helper()
	p, err := r.Plan()
	if err != nil {
		return p, nil, err
	}
	var log said
	err = p.Apply(t.Context(), &log)
	return p, log, err
}
