package vm

import (
	"context"
	"errors"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// script is /init of the test machine: it draws on both consoles, then says which bytes each of its
// keyboards sends, a line a key.
const script = `#!/bin/busybox sh
/bin/busybox mkdir -p /dev /proc
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox --install -s /bin
exec </dev/ttyS0 >/dev/ttyS0 2>&1
echo 1 >/proc/sys/kernel/printk
echo "MARKER $(cat /proc/cmdline)"
i=0; while [ $i -lt 300 ]; do echo "filler $i"; i=$((i+1)); done >/dev/tty1
printf '\033[2J\033[H\033%%G┌─ VGA ─┐ \033[1mbold\033[m äöü\033[10;5H' >/dev/tty1
stty raw -echo
printf '\033[2J\033[H┌─ SERIAL ─┐\033[12;10Habcdef\033[12;10H\033[4hINS\033[4l\033[6n'
head -c 8 >/answer
stty sane -echo
tr '\033' '^' </answer | sed 's/^/\nanswer /'
echo
exec 3</dev/tty1
stty -echo <&3
echo READY
(while read -r line <&3; do echo "keyboard <$line>"; echo "vga <$line>" >/dev/tty1; done) &
while read -r line; do echo "line <$line>"; [ "$line" = off ] && poweroff -f; done
`

// initrd makes a newc archive of busybox and script.
func initrd(t *testing.T) string {
	t.Helper()
	const busybox = "/usr/bin/busybox"
	binary, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal("busybox is missing: apt-get install busybox-static")
	}
	if _, err := exec.LookPath("cpio"); err != nil {
		t.Fatal("cpio is missing: apt-get install cpio")
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"init": []byte(script), "bin/busybox": binary} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("cpio", "-o", "-H", "newc", "--quiet")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader("init\nbin\nbin/busybox\n")
	archive, err := cmd.Output()
	if err != nil {
		t.Fatalf("cpio: %v", err)
	}
	path := filepath.Join(t.TempDir(), "initrd")
	if err := os.WriteFile(path, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// kernel is the test kernel that .ci/kernel fetches.
func kernel(t *testing.T) string {
	t.Helper()
	found, _ := filepath.Glob("../../../.cache/kernel/boot/vmlinuz-*")
	if len(found) != 1 {
		t.Fatal("the test kernel is missing: run .ci/kernel")
	}
	return found[0]
}

func start(t *testing.T, ctx context.Context, cfg Config) *Machine {
	t.Helper()
	m, err := Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(m.dir); !os.IsNotExist(err) {
			t.Errorf("the sockets remain in %s", m.dir)
		}
	})
	return m
}

// TestMachine boots once and looks at everything in turn.
func TestMachine(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m := start(t, ctx, Config{
		Kernel: kernel(t), Initrd: initrd(t), Append: "console=tty0 console=ttyS0,115200 word=1",
		Serials: 1, VGA: true,
	})
	serial := m.Serial(0)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	check(serial.Expect(ctx, "MARKER console=tty0 console=ttyS0,115200 word=1"))
	check(serial.Wait(ctx, "READY"))
	screen := serial.Screen()
	for _, want := range []string{"┌─ SERIAL ─┐", "         INSabcdef", "answer ^[12;13R"} {
		if !screen.Contains(want) {
			t.Errorf("the serial screen lacks %q:\n%s", want, screen.boxed())
		}
	}
	marker, _ := serial.Arrived("MARKER")
	ready, ok := serial.Arrived("READY")
	if !ok || !marker.Before(ready) {
		t.Errorf("MARKER arrived at %v, READY at %v", marker, ready)
	}
	if _, ok := serial.Arrived("NEVER"); ok {
		t.Error("what was never sent has arrived")
	}

	check(serial.Type("hello\r"))
	check(serial.Wait(ctx, "line <hello>"))
	check(serial.Press("x", "y", "enter"))
	check(serial.Wait(ctx, "line <xy>"))
	long := strings.Repeat("0123456789", 20)
	check(serial.Type(long + "\r"))
	check(serial.Expect(ctx, "line <"+long+">"))
	if err := serial.Press("up", "no-such-key"); err == nil {
		t.Error("an unknown key is pressed without an error")
	}

	check(m.SendText(ctx, "aZ 1/-_\"~\n"))
	check(serial.Wait(ctx, `keyboard <aZ 1/-_"~>`))
	check(m.WaitVGA(ctx, `vga <aZ 1/-_"~>`))
	vga, err := m.VGA(ctx)
	check(err)
	if got, want := strings.TrimRight(vga.Rows[0], " "), "┌─ VGA ─┐ bold äöü"; got != want {
		t.Errorf("row 0 of the VGA screen is %q, want %q", got, want)
	}
	if row, _ := vga.Find("vga <"); row != strings.TrimRight(vga.Rows[vga.Y-1], " ") || vga.X != 0 {
		t.Errorf("the VGA cursor is at %d,%d in\n%s", vga.X, vga.Y, vga.boxed())
	}
	if err := m.SendKey(ctx, "no_such_key"); err == nil || !strings.Contains(err.Error(), "no_such_key") {
		t.Errorf("SendKey(no_such_key) = %v, want an error that names it", err)
	}
	picture := filepath.Join(t.TempDir(), "vga.png")
	check(m.Screendump(ctx, picture))
	lit(t, picture)

	short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	for name, err := range map[string]error{
		"Wait":    serial.Wait(short, "what never comes"),
		"WaitVGA": m.WaitVGA(short, "what never comes"),
		"m.Wait":  m.Wait(short),
	} {
		for _, want := range []string{"deadline exceeded", "| ┌─ SERIAL ─┐", `line <xy>\r\n`} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the error of %s lacks %q: %v", name, want, err)
			}
		}
	}
	check(m.SendKey(ctx, "a")) // the machine runs on

	check(m.Reset(ctx))
	check(serial.Expect(ctx, "MARKER"))
	check(serial.Expect(ctx, "READY"))
	check(serial.Type("off\r"))
	check(m.Wait(ctx))
	if err := serial.Wait(ctx, "what never comes"); !errors.Is(err, ErrExited) {
		t.Errorf("Wait on a machine that has ended = %v, want %v", err, ErrExited)
	}
	if err := m.WaitVGA(ctx, "what never comes"); !errors.Is(err, ErrExited) {
		t.Errorf("WaitVGA on a machine that has ended = %v, want %v", err, ErrExited)
	}
}

// lit fails unless the picture is one of 80x25 characters with something on it.
func lit(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	bounds, bright := picture.Bounds(), 0
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			if r, _, _, _ := picture.At(x, y).RGBA(); r > 0x8000 {
				bright++
			}
		}
	}
	if bounds.Dx() != 720 || bounds.Dy() != 400 || bright < 500 {
		t.Errorf("the picture is %v with %d bright points, want 720x400 and at least 500", bounds.Size(), bright)
	}
}

// TestDisks boots from the boot sector of a disk: it prints by the BIOS and writes a sector.
func TestDisks(t *testing.T) {
	for _, disk := range []Disk{{Bus: IDE}, {Bus: Virtio}, {Bus: IDE, Snapshot: true}} {
		t.Run(fmt.Sprintf("%+v", disk), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			disk.Path = filepath.Join(t.TempDir(), "a,b.img")
			if err := os.WriteFile(disk.Path, bootDisk("HELLO FROM DISK"), 0o600); err != nil {
				t.Fatal(err)
			}
			m := start(t, ctx, Config{Disks: []Disk{disk}, VGA: true})
			if err := m.WaitVGA(ctx, "HELLO FROM DISK"); err != nil {
				t.Fatal(err)
			}
			if err := m.Kill(); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(disk.Path)
			if err != nil {
				t.Fatal(err)
			}
			written := string(data[512:512+len("HELLO")]) == "HELLO"
			if written == disk.Snapshot {
				t.Errorf("the second sector starts with %q, with Snapshot %v", data[512:520], disk.Snapshot)
			}
			if err := m.Wait(ctx); !errors.Is(err, ErrExited) {
				t.Errorf("Wait after Kill = %v, want %v", err, ErrExited)
			}
		})
	}
}

// bootDisk is a disk whose boot sector copies text, at its offset 64, to the second sector, prints
// it, and halts.
func bootDisk(text string) []byte {
	disk := make([]byte, 1<<20)
	copy(disk, []byte{
		0x31, 0xc0, // xor ax, ax
		0x8e, 0xd8, 0x8e, 0xc0, // mov ds, ax; mov es, ax
		0xb8, 0x01, 0x03, // mov ax, 0x0301: write one sector
		0xbb, 0x40, 0x7c, // mov bx, 0x7c40
		0xb9, 0x02, 0x00, // mov cx, 2: cylinder 0, sector 2
		0xb6, 0x00, // mov dh, 0: of the boot disk, in dl
		0xcd, 0x13, // int 0x13
		0xbe, 0x40, 0x7c, // mov si, 0x7c40
		0xac,       // print: lodsb
		0x84, 0xc0, // test al, al
		0x74, 0x06, // jz halt
		0xb4, 0x0e, // mov ah, 0x0e
		0xcd, 0x10, // int 0x10
		0xeb, 0xf5, // jmp print
		0xf4,       // halt: hlt
		0xeb, 0xfd, // jmp halt
	})
	copy(disk[64:], text)
	disk[510], disk[511] = 0x55, 0xaa
	return disk
}

func TestEnds(t *testing.T) {
	t.Run("bad argument", func(t *testing.T) {
		_, err := Start(t.Context(), Config{Extra: []string{"-no-such-option"}})
		if !errors.Is(err, ErrExited) || !strings.Contains(err.Error(), "no-such-option") {
			t.Errorf("Start = %v, want %v with QEMU's own words", err, ErrExited)
		}
	})
	t.Run("time limit", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		m := start(t, ctx, Config{Serials: 2})
		err := m.Serial(1).Wait(t.Context(), "what never comes") // without a limit of its own
		if !errors.Is(err, ErrExited) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait = %v, want %v and %v", err, ErrExited, context.DeadlineExceeded)
		}
	})
	t.Run("quit", func(t *testing.T) {
		m := start(t, t.Context(), Config{})
		if err := m.Quit(t.Context()); err != nil {
			t.Errorf("Quit = %v", err)
		}
		if err := m.Reset(t.Context()); !errors.Is(err, ErrExited) {
			t.Errorf("Reset after Quit = %v, want %v", err, ErrExited)
		}
	})
	t.Run("QEMU is missing", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		_, err := Start(t.Context(), Config{})
		if err == nil || !strings.Contains(err.Error(), "apt-get install qemu-system-x86") {
			t.Errorf("Start = %v, want what to install", err)
		}
	})
}
