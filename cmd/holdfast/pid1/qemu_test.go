package pid1

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/ops/bench/vm"
)

// need finds a tool of the test.
func need(t *testing.T, tool, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", tool, pkg)
	}
	return path
}

func run(t *testing.T, in io.Reader, dir, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdin = dir, in
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, &errs)
	}
	return out
}

// cache finds one file of the test kernel.
func cache(t *testing.T, pattern string) string {
	t.Helper()
	found, _ := filepath.Glob("../../../.cache/kernel/" + pattern)
	if len(found) != 1 {
		t.Fatal("the test kernel is missing: run .ci/kernel")
	}
	return found[0]
}

// writeFile writes a file of a tree, with the directories above it.
func writeFile(t *testing.T, root, name string, data []byte) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
}

// archive makes the test machine's initramfs: the program in testdata/stage as /init, busybox, and
// the modules of an IDE disk.
func archive(t *testing.T) string {
	t.Helper()
	need(t, "cpio", "cpio")
	busybox, err := os.ReadFile(need(t, "busybox", "busybox-static"))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	writeFile(t, root, "bin/busybox", busybox)
	writeFile(t, root, "etc/holdfast/modules", modules(t, root, "ata_piix", "sd_mod"))
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(root, "init"), "./testdata/stage")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	names := run(t, nil, root, "find", ".", "-mindepth", "1")
	path := filepath.Join(t.TempDir(), "initrd")
	if err := os.WriteFile(path, run(t, bytes.NewReader(names), root, "cpio", "-o", "-H", "newc", "--quiet"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// modules puts modules and what they need into the tree and gives the list in load order.
func modules(t *testing.T, root string, wanted ...string) []byte {
	t.Helper()
	dep := cache(t, "lib/modules/*/modules.dep")
	text, err := os.ReadFile(dep)
	if err != nil {
		t.Fatal(err)
	}
	list := "# in load order\n"
	for _, name := range wanted {
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
				path := filepath.Join("lib/modules", filepath.Base(file))
				writeFile(t, root, path, data)
				list += "/" + path + "\n" // twice for some: those are there already
			}
		}
	}
	return []byte(list)
}

const (
	mib       = 1 << 20
	partSize  = 8 * mib
	flashUUID = "0f5b3b0e-3f5c-4d4b-9d8e-6a1f6f1d2c3b"
)

// makeDisk makes a disk of two partitions: GRUB's, ext2, and the flash of that type.
func makeDisk(t *testing.T, flashType string) string {
	t.Helper()
	mke2fs := need(t, "mke2fs", "e2fsprogs")
	grub, flash := t.TempDir(), t.TempDir()
	writeFile(t, grub, "boot/grub/menu.lst", nil)
	writeFile(t, flash, "system/active/kernel.ver", []byte("1.2.3\n"))
	writeFile(t, flash, "system/active/kernel.img", []byte("no kernel\n"))
	writeFile(t, flash, "cfg/system.arg", nil)
	image := make([]byte, mib, mib+2*partSize)
	for n, part := range []struct{ fstype, tree string }{{"ext2", grub}, {flashType, flash}} {
		file := filepath.Join(t.TempDir(), "part")
		run(t, nil, "", mke2fs, "-q", "-t", part.fstype, "-I", "128", "-U", flashUUID[:35]+fmt.Sprint(n),
			"-L", fmt.Sprintf("part%d", n+1), "-d", part.tree, file, fmt.Sprint(partSize>>10)+"k")
		if part.fstype == "ext4" {
			soil(t, file)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// Entry of the partition table: type Linux, start and length in sectors (PC master boot record).
		entry := image[446+16*n:]
		entry[4] = 0x83
		binary.LittleEndian.PutUint32(entry[8:], uint32(len(image)/512))
		binary.LittleEndian.PutUint32(entry[12:], partSize/512)
		image = append(image, data...)
	}
	image[510], image[511] = 0x55, 0xAA
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// soil leaves an ext4 as a power cut may: a transaction waits in the journal, and the orphan list
// names a file that was deleted while it was open.
func soil(t *testing.T, image string) {
	t.Helper()
	debugfs := need(t, "debugfs", "e2fsprogs")
	block := filepath.Join(t.TempDir(), "block")
	if err := os.WriteFile(block, bytes.Repeat([]byte("J"), 1024), 0o600); err != nil {
		t.Fatal(err)
	}
	script := "write " + block + " orphan\nsif orphan links_count 0\nssv last_orphan 20\n" +
		"jo\njw -b 7000 " + block + "\njc\nquit\n"
	run(t, strings.NewReader(script), "", debugfs, "-w", "-f", "-", image)
	super := string(run(t, nil, "", need(t, "dumpe2fs", "e2fsprogs"), "-h", image))
	for _, want := range []string{"needs_recovery", "First orphan inode:"} {
		if !strings.Contains(super, want) {
			t.Fatalf("the soiled file system has no %s:\n%s", want, super)
		}
	}
}

func boot(t *testing.T, ctx context.Context, image, words string) *vm.Machine {
	t.Helper()
	m, err := vm.Start(ctx, vm.Config{
		Kernel: cache(t, "boot/vmlinuz-*"), Initrd: archive(t),
		Append:  "console=tty0 console=ttyS0,115200 panic=-1 " + words,
		Disks:   []vm.Disk{{Path: image}},
		Serials: 2, VGA: true, NoReboot: true, Memory: 256,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// TestStage is the life of a stage: the flash is found, the console crashes and comes back, crashes
// too often, and the plain menus come; nothing ends PID 1 but the wish to reboot.
func TestStage(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m := boot(t, ctx, makeDisk(t, "ext2"), "")
	line, control := m.Serial(0), m.Serial(1)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tell := func(command, answer string) {
		t.Helper()
		check(control.Type(command + "\r"))
		check(control.Expect(ctx, answer))
	}
	const up = `CONSOLE up, session leader true, arguments ["console" "--stage"]`

	// The automatic boot is for the first console only.
	check(control.Expect(ctx, `CONSOLE up, session leader true, arguments ["console" "--stage" "--autoboot"]`))
	check(control.Expect(ctx, `STATE found flash=sda2,ext2,/flash boot=sda1,/boot word=sda2 modules=[] problem=""`))
	for _, sig := range []int{1, 3, 6, 11, 13, 14} { // HUP QUIT ABRT SEGV PIPE ALRM
		tell(fmt.Sprintf("signal %d", sig), fmt.Sprintf("SENT %d <nil>", sig))
	}
	tell("orphans", "ORPHANS were there true, gone <nil>")
	tell("release", "BEFORE flash=true boot=true printk=1")
	check(control.Expect(ctx, "RELEASED flash=false boot=false printk=7 <nil> <nil>"))
	check(control.Expect(ctx, "RESTORED <nil> flash=true boot=true printk=1"))
	check(control.Expect(ctx, "JUMP true"))

	tell("panic", up)
	tell("cat /run/holdfast/console.log.1", "panic: as told")
	tell("segv", up)
	check(control.Type("segv\r"))
	check(line.Expect(ctx, "the console ended 3 times within 1m0s, the last time: killed by: segmentation fault"))
	check(line.Expect(ctx, "flash sda2 (ext2, ro)"))
	check(line.Wait(ctx, "1  boot active   1.2.3"))
	check(m.WaitVGA(ctx, "plain menu on tty0"))
	check(m.WaitVGA(ctx, "Number, or Enter for the menu:"))

	check(line.Type("1\r"))
	check(line.Expect(ctx, "not booted: active: kernel.img: not a bzImage"))
	check(line.Type("6\r"))
	check(line.Expect(ctx, "holdfast: console: killed by: segmentation fault"))
	check(line.Type("q\r7\r"))
	check(line.Expect(ctx, "holdfast# "))
	check(line.Type("busybox sh -c 'echo here; exec busybox sleep 1000'\r"))
	check(line.Expect(ctx, "\nhere\r\n"))
	check(line.Type("\x03")) // ends the sleep: the terminal is the shell's own
	check(line.Expect(ctx, "holdfast# "))
	check(line.Type("echo $?-$(busybox tty)\r"))
	check(line.Expect(ctx, "130-/dev/ttyS0"))
	check(line.Type("exit\r"))
	check(line.Expect(ctx, "plain menu on ttyS0"))
	check(m.SendText(ctx, "10\n")) // on the keyboard: the full-screen console again
	check(control.Expect(ctx, up))
	tell("segv", up)
	check(control.Type("signal 15\r"))
	check(m.Wait(ctx))
}

// TestStageLeavesTheDiskAlone looks at a flash that a power cut left behind, named by flash=.
func TestStageLeavesTheDiskAlone(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	image := makeDisk(t, "ext4")
	before := sum(t, image)
	word := "UUID=" + flashUUID[:35] + "1"
	m := boot(t, ctx, image, "holdfast.shell flash="+word)
	line, control := m.Serial(0), m.Serial(1)
	for _, err := range []error{
		line.Expect(ctx, "holdfast# "), // the last console
		line.Type("exit\r"),
		control.Expect(ctx, "STATE found flash=sda2,ext4,/flash boot=sda1,/boot word="+word+
			` modules=[] problem="" notice="the flash was not unmounted cleanly"`),
		control.Type("deaf\r"), // what does not end by itself does not keep the machine
		control.Expect(ctx, "DEAF <nil>"),
		m.SendKey(ctx, "ctrl-alt-delete"),
		m.Wait(ctx),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if after := sum(t, image); after != before {
		t.Errorf("sha256 of the disk = %x, want %x as before", after, before)
	}
}

// TestStageWrites has sessions on a flash that was left clean, and on one that a power cut left: it is
// mounted as before then, also when the console is killed in one.
func TestStageWrites(t *testing.T) {
	for fstype, how := range map[string]string{"ext3": "ro,nosuid,nodev,noexec,relatime", "ext4": "ro,nosuid,nodev,noexec,relatime,norecovery"} {
		t.Run(fstype, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			image := makeDisk(t, fstype)
			m := boot(t, ctx, image, "")
			control := m.Serial(1)
			const up = "CONSOLE up, session leader true, arguments [\"console\" \"--stage\"]"
			for _, err := range []error{
				control.Expect(ctx, "STATE found flash=sda2,"+fstype),
				control.Type("session\r"),
				control.Expect(ctx, "BEFORE "+how+"\r"),
				control.Expect(ctx, "WITHIN rw,nosuid,nodev,noexec,relatime\r"),
				control.Expect(ctx, "ENDED <nil> "+how+"\r"),
				control.Type("die\r"),
				control.Expect(ctx, "DIES <nil> rw,nosuid,nodev,noexec,relatime\r"),
				control.Expect(ctx, up),
				control.Type("session\r"), // waits for the guard
				control.Expect(ctx, "ENDED <nil> "+how+"\r"),
				control.Type("release\r"),
				control.Expect(ctx, "RELEASED flash=false boot=false"),
				control.Expect(ctx, "RESTORED <nil> flash=true boot=true"),
				control.Type("mount\r"),
				control.Expect(ctx, "MOUNT "+how+"\r"),
				control.Type("signal 15\r"),
				m.Wait(ctx),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			log := run(t, nil, "", need(t, "debugfs", "e2fsprogs"), "-R", "cat cfg/holdfast.log", fmt.Sprintf("%s?offset=%d", image, mib+partSize))
			if n := strings.Count(string(log), " from the stage\n"); n != 2 {
				t.Errorf("the log of the flash says %q", log)
			}
		})
	}
}

func sum(t *testing.T, name string) [sha256.Size]byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(data)
}
