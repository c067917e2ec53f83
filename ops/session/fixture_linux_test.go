package session

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"holdfast/flash/access"
	"holdfast/flash/volume"
	"holdfast/initramfs/newc"
	"holdfast/kexec/kexectest"
	"holdfast/ops"
	"holdfast/ops/mkdisk"
	"holdfast/ops/pack"
	"holdfast/ops/status"
)

// TestMain is the guard, or another process, when told so.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "guard":
			_ = access.Guard()
			os.Exit(0)
		case "child":
			child(os.Args[2:])
		}
	}
	os.Exit(m.Run())
}

// options are those of a session that has this test as its guard.
func options(t testing.TB) Options {
	t.Helper()
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Options{Guard: []string{name, "guard"}}
}

// tell runs a program of a package, also one that is not in an ordinary user's path.
func tell(t testing.TB, pkg, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// writeFile writes a file and the directories above it.
func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// archive is an initramfs that nobody will start.
func archive(t testing.TB) string {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal("busybox is missing: apt-get install busybox-static")
	}
	program, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "initrd"))
	if err != nil {
		t.Fatal(err)
	}
	w := newc.NewWriter(f)
	for _, h := range []newc.Header{
		{Name: "dev", Mode: newc.TypeDir | 0o755, Ino: 1, NLink: 2},
		{Name: "dev/console", Mode: newc.TypeChar | 0o600, Ino: 2, NLink: 1, RdevMajor: 5, RdevMinor: 1},
		{Name: "init", Mode: newc.TypeRegular | 0o755, Ino: 3, NLink: 1, Size: uint32(len(program))},
	} {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	_, err = w.Write(program)
	if err := errors.Join(err, w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// makeDisk makes a disk with GRUB on partition 1 and a flash with active and backup on partition 2.
func makeDisk(t testing.TB, loader mkdisk.Loader) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("run these tests as root: they mount")
	}
	dir, initrd := t.TempDir(), archive(t)
	kernel := writeFile(t, filepath.Join(dir, "kernel"), kexectest.Kernel("6.1.0-m"))
	r := mkdisk.Request{Output: filepath.Join(dir, "disk.img"), Loader: loader, Kernel: kernel, Console: initrd, Images: map[string]string{}, Size: 64 << 20}
	for slot, version := range map[string]string{"active": "1.3.124", "backup": "1.3.123"} {
		p := pack.Request{Kernel: kernel, Version: version, Args: "quiet", Output: filepath.Join(dir, slot+".tgz")}
		plan, err := p.Plan()
		if err == nil {
			err = plan.Apply(t.Context(), ops.Discard)
		}
		if err != nil {
			t.Fatal(err)
		}
		r.Images[slot] = p.Output
	}
	plan, err := r.Plan(t.Context())
	if err == nil {
		err = plan.Apply(t.Context(), ops.Discard)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r.Output
}

const legacyMenu = `default saved
title Active image
	root (hd0,0)
	kernel /system/active/kernel.img img=active
	savedefault 1
title Backup image
	root (hd0,0)
	kernel /system/backup/kernel.img img=backup
	savedefault 1
`

const grub2Menu = `load_env
set default="${saved_entry}"
menuentry "Active image" {
	set root='hd0,msdos1'
	linux /system/active/kernel.img img=active
}
menuentry "Backup image" {
	set root='hd0,msdos1'
	linux /system/backup/kernel.img img=backup
}
`

// makeOne makes a disk with one partition, that holds GRUB and the flash.
func makeOne(t testing.TB, loader mkdisk.Loader, fstype string) string {
	t.Helper()
	tree, dir := t.TempDir(), t.TempDir()
	files := map[string]string{"boot/grub/menu.lst": legacyMenu, "boot/grub/default": "0\n" + strings.Repeat("#\n", 10)}
	if loader == mkdisk.GRUB2 {
		env := "# GRUB Environment Block\nsaved_entry=0\n"
		files = map[string]string{"boot/grub/grub.cfg": grub2Menu, "boot/grub/grubenv": env + strings.Repeat("#", 1024-len(env))}
	}
	files["cfg/system.arg"] = ""
	for _, slot := range []string{"active", "backup"} {
		files["system/"+slot+"/kernel.img"] = string(kexectest.Kernel("6.1.0-" + slot))
		files["system/"+slot+"/kernel.ver"] = slot + "\n"
	}
	for name, text := range files {
		writeFile(t, filepath.Join(tree, name), []byte(text))
	}
	part := filepath.Join(dir, "part")
	tell(t, "e2fsprogs", "mke2fs", "-q", "-F", "-t", fstype, "-I", "128", "-d", tree, part, "16M")
	data, err := os.ReadFile(part)
	if err != nil {
		t.Fatal(err)
	}
	disk := writeFile(t, filepath.Join(dir, "disk.img"), append(make([]byte, 1<<20), data...))
	cmd := exec.Command("/sbin/sfdisk", "-q", disk)
	cmd.Stdin = strings.NewReader("label: dos\nstart=2048, type=83\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk (apt-get install fdisk): %v\n%s", err, out)
	}
	return disk
}

// target opens a flash as the commands do.
func target(t testing.TB, name string) status.Target {
	t.Helper()
	v, err := volume.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	tg := status.Target{FS: v.FS(), Volume: v, Name: v.Name, Type: v.Type, Access: "ro", Word: "LABEL=x"}
	g, err := volume.GRUB(v)
	if err != nil {
		tg.GRUB.Problem = err.Error()
		return tg
	}
	if g != v {
		t.Cleanup(func() { g.Close() })
	}
	tg.GRUB = status.Place{FS: g.FS(), Volume: g}
	return tg
}

// said is a Reporter that keeps what it is told.
type said struct {
	mu    sync.Mutex
	lines []string
	first func() // called with the first line; may be nil
}

func (s *said) Progress(ops.Progress) {}

func (s *said) Log(line string) {
	s.mu.Lock()
	s.lines = append(s.lines, line)
	first := s.first
	s.first = nil
	s.mu.Unlock()
	if first != nil {
		first()
	}
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("%q", s.lines)
}
