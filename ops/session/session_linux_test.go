package session

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/flash"
	"holdfast/flash/store"
	"holdfast/ops"
	"holdfast/ops/grubdefault"
	"holdfast/ops/mkdisk"
	"holdfast/ops/status"
)

// setDefault sets the boot default within a session.
func setDefault(s *Session, slot string, rep ops.Reporter) error {
	p, err := grubdefault.Request{Report: s.Report, Slot: slot, Locked: true}.Plan()
	if err != nil {
		return err
	}
	return p.Apply(context.Background(), rep)
}

// TestDisks has a session on image files: what is written through the mount, and the saved default on the
// same partition or on another one, are in the image then.
func TestDisks(t *testing.T) {
	for _, loader := range []mkdisk.Loader{mkdisk.GRUBLegacy, mkdisk.GRUB2} {
		for name, make := range map[string]func() string{
			"two partitions":     func() string { return makeDisk(t, loader) },
			"one partition ext2": func() string { return makeOne(t, loader, "ext2") },
			"one partition ext4": func() string { return makeOne(t, loader, "ext4") },
		} {
			t.Run(string(loader)+" "+name, func(t *testing.T) {
				disk := make()
				tg := target(t, disk)
				before, err := status.Read(tg)
				if err != nil {
					t.Fatal(err)
				}
				rep := &said{}
				s, err := Begin(t.Context(), tg, options(t), rep)
				if err != nil {
					t.Fatal(err)
				}
				defer s.End()
				if s.Report.Default() != "active" || before.Default() != "active" || fmt.Sprint(names(s.Report)) != fmt.Sprint(names(before)) {
					t.Errorf("the report says %s, %v, before %s, %v", s.Report.Default(), names(s.Report), before.Default(), names(before))
				}
				if n := s.Report.Target; n.Word != tg.Word || n.Name != tg.Name || n.Access != "rw" || n.Type != tg.Type {
					t.Errorf("the target became %+v", n)
				}
				if err := setDefault(s, "backup", rep); err != nil {
					t.Fatal(err)
				}
				if err := s.Look(); err != nil || s.Report.Default() != "backup" {
					t.Errorf("Look = %v, the default is %s", err, s.Report.Default())
				}
				s.Log("test: %s", "done")
				dir := s.Dir
				if err := s.End(); err != nil {
					t.Fatal(err)
				}
				if err := s.End(); err != nil {
					t.Errorf("End again = %v", err)
				}
				if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is left: %v", dir, err)
				}
				if by := tell(t, "mount", "losetup", "-j", disk); by != "" {
					t.Errorf("stays attached: %s", by)
				}
				after, err := status.Read(target(t, disk))
				if err != nil || after.Default() != "backup" {
					t.Errorf("the default on the disk is %s, %v", after.Default(), err)
				}
				log, err := fs.ReadFile(after.Target.FS, "cfg/holdfast.log")
				if err != nil || !strings.HasSuffix(string(log), " test: done\n") || !strings.Contains(string(log), " default: done: ") {
					t.Errorf("the log says %q, %v", log, err)
				}
			})
		}
	}
}

func names(r *status.Report) []string {
	var all []string
	for _, i := range r.Images {
		all = append(all, i.Name, i.Version, i.Broken)
	}
	return all
}

// TestRecovers has what a crash left put right, and told.
func TestRecovers(t *testing.T) {
	disk := makeOne(t, mkdisk.GRUBLegacy, "ext4")
	for _, command := range []string{"mkdir system/incoming", "mkdir system/trash"} {
		tell(t, "e2fsprogs", "debugfs", "-w", "-R", command, disk+"?offset=1048576")
	}
	tg := target(t, disk)
	rep := &said{}
	s, err := Begin(t.Context(), tg, options(t), rep)
	if err != nil {
		t.Fatal(err)
	}
	defer s.End()
	if len(s.Report.Left) != 0 || len(rep.lines) == 0 {
		t.Errorf("left %v, said %v", s.Report.Left, rep)
	}
	log, err := os.ReadFile(filepath.Join(s.Dir, "cfg/holdfast.log"))
	for _, line := range rep.lines {
		if err != nil || !strings.Contains(string(log), " repair: "+line+"\n") {
			t.Errorf("the log says %q, %v, want %q", log, err, line)
		}
	}
	if err := os.RemoveAll(filepath.Join(s.Dir, "cfg/holdfast.log")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.Dir, "cfg/holdfast.log"), 0o755); err != nil {
		t.Fatal(err)
	}
	was := len(rep.lines)
	s.Log("one")
	s.Log("two")
	if len(rep.lines) != was+1 || !strings.HasPrefix(rep.lines[was], "not in the log: ") {
		t.Errorf("said %v of a log that cannot be written, want one line more", rep)
	}
}

// TestKeepsHashes: what was hashed stays known where it is, and says nothing of the same image elsewhere: active is
// found damaged, and its twin in backup is whole.
func TestKeepsHashes(t *testing.T) {
	tg := target(t, makeOne(t, mkdisk.GRUBLegacy, "ext4"))
	s, err := Begin(t.Context(), tg, options(t), ops.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer s.End()
	dir := filepath.Join(s.Dir, "system")
	for _, name := range []string{"kernel.img", "kernel.ver"} {
		b, err := os.ReadFile(filepath.Join(dir, "active", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "backup", name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	look := func(active, backup flash.Integrity) {
		t.Helper()
		if err := s.Look(); err != nil {
			t.Fatal(err)
		}
		a, _ := s.Report.Image("active")
		b, _ := s.Report.Image("backup")
		if a.ID != b.ID || a.Integrity != active || b.Integrity != backup || (a.Broken != "") != (active == flash.Damaged) {
			t.Errorf("active is %+v, backup %+v, want %v and %v", a, b, active, backup)
		}
	}
	look(flash.Unknown, flash.Unknown)
	for name, what := range map[string]flash.Integrity{"active": flash.Damaged, "backup": flash.Intact} {
		img, _ := s.Report.Image(name)
		if img.Integrity = what; what == flash.Damaged {
			img.Broken = "kernel.img is damaged"
		}
		s.Report = s.Report.Verified(img)
	}
	look(flash.Damaged, flash.Intact)
	for _, pair := range [][2]string{{"active", "x"}, {"backup", "active"}, {"x", "backup"}} {
		if err := os.Rename(filepath.Join(dir, pair[0]), filepath.Join(dir, pair[1])); err != nil {
			t.Fatal(err)
		}
	}
	look(flash.Unknown, flash.Unknown)
}

// TestAdvise: the kernel takes blocks out of use whose bitmaps do not fit, and says that the disk is full, with
// megabytes free. One that is full is told as such.
func TestAdvise(t *testing.T) {
	for _, fits := range []bool{true, false} {
		disk := makeOne(t, mkdisk.GRUBLegacy, "ext2")
		for _, group := range []string{"0", "1"} {
			if !fits {
				tell(t, "e2fsprogs", "debugfs", "-w", "-R", "set_bg "+group+" free_blocks_count 77", disk+"?offset=1048576")
			}
		}
		s, err := Begin(t.Context(), target(t, disk), options(t), ops.Discard)
		if err != nil {
			t.Fatal(err)
		}
		defer s.End()
		err = os.WriteFile(filepath.Join(s.Dir, "cfg/more"), make([]byte, 1<<20), 0o644)
		if fits {
			err = syscall.ENOSPC
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("WriteFile = %v, want ENOSPC", err)
		}
		err = s.Advise(&ops.Error{Kind: ops.NoSpace, Err: errors.New("the flash is full"), Hint: "remove something"})
		want := "remove something"
		if !fits {
			want = "it needs a check: e2fsck -y '" + disk + "?offset=1048576' while it is not mounted"
		}
		var known *ops.Error
		if !errors.As(err, &known) || known.Kind != ops.NoSpace || known.Hint != want {
			t.Errorf("Advise = %#v, want the hint %q", err, want)
		}
		err = s.Advise(fmt.Errorf("rename: %w", syscall.EROFS))
		if !errors.As(err, &known) || known.Kind != ops.NotWritable || !strings.Contains(known.Hint, "e2fsck -y") || !errors.Is(err, syscall.EROFS) {
			t.Errorf("Advise of what became read-only = %#v", err)
		}
		if err := s.Advise(context.Canceled); err != context.Canceled {
			t.Errorf("Advise = %v", err)
		}
	}
}

// TestExclude has two sessions of one process, and a change of the boot default.
func TestExclude(t *testing.T) {
	disk := makeDisk(t, mkdisk.GRUBLegacy)
	first, err := Begin(t.Context(), target(t, disk), options(t), ops.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer first.End()
	o := options(t)
	o.NoWait = true
	rep := &said{}
	_, err = Begin(t.Context(), target(t, disk), o, rep)
	if ops.ExitCode(err) != int(ops.Refused) || !strings.Contains(err.Error(), fmt.Sprintf("another holdfast is at work there (pid %d)", os.Getpid())) {
		t.Errorf("Begin, NoWait = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	rep.first = cancel
	if _, err = Begin(ctx, target(t, disk), options(t), rep); !errors.Is(err, context.Canceled) {
		t.Errorf("Begin, cancelled while it waits = %v", err)
	}
	rep = &said{first: func() { go first.End() }}
	second, err := Begin(t.Context(), target(t, disk), options(t), rep)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf(`["waiting for %s: another holdfast is at work there (pid %d)"]`, disk, os.Getpid()); rep.String() != want {
		t.Errorf("said %v, want %s", rep, want)
	}
	r, err := status.Read(target(t, disk))
	if err != nil {
		t.Fatal(err)
	}
	p, err := grubdefault.Request{Report: r, Slot: "backup"}.Plan()
	if err != nil {
		t.Fatal(err)
	}
	rep = &said{first: func() { go second.End() }}
	if err := p.Apply(t.Context(), rep); err != nil || !strings.Contains(rep.String(), "waiting for "+disk+": ") {
		t.Errorf("set the default = %v, said %v", err, rep)
	}
}

// TestByAnotherName: what is mounted for the session is locked by that name too.
func TestByAnotherName(t *testing.T) {
	s, err := Begin(t.Context(), target(t, makeOne(t, mkdisk.GRUBLegacy, "ext4")), options(t), ops.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer s.End()
	o := Options{NoWait: true}
	if _, err := Begin(t.Context(), target(t, s.Dir), o, ops.Discard); ops.ExitCode(err) != int(ops.Refused) {
		t.Errorf("Begin of the mount = %v, want that it is locked", err)
	}
}

func TestRefuses(t *testing.T) {
	if _, err := Begin(t.Context(), status.Target{}, Options{}, ops.Discard); ops.ExitCode(err) != int(ops.Refused) {
		t.Errorf("Begin of a demonstration = %v", err)
	}
	disk := makeOne(t, mkdisk.GRUBLegacy, "ext4")
	device := tell(t, "mount", "losetup", "--show", "-f", disk)
	defer tell(t, "mount", "losetup", "-d", device)
	_, err := Begin(t.Context(), target(t, disk), Options{}, ops.Discard)
	if ops.ExitCode(err) != int(ops.NotWritable) || !strings.Contains(err.Error(), "is attached to "+device) {
		t.Errorf("Begin of what is attached = %v", err)
	}
	unlock, err := store.Lock(t.Context(), disk, func() {})
	if err != nil {
		t.Fatalf("the lock is left: %v", err)
	}
	unlock()
}

// TestPanic ends a session by its defer.
func TestPanic(t *testing.T) {
	disk := makeOne(t, mkdisk.GRUBLegacy, "ext4")
	func() {
		defer func() { _ = recover() }()
		s, err := Begin(t.Context(), target(t, disk), options(t), ops.Discard)
		if err != nil {
			t.Fatal(err)
		}
		defer s.End()
		panic("as told")
	}()
	if by := tell(t, "mount", "losetup", "-j", disk); by != "" {
		t.Errorf("stays attached: %s", by)
	}
}

// child has a session until it is killed.
func child(args []string) {
	t := &testing.T{}
	s, err := Begin(context.Background(), target(t, args[0]), options(t), ops.Discard)
	if err != nil {
		fmt.Println("ends:", err)
		os.Exit(3)
	}
	fmt.Println("at", s.Dir)
	io.Copy(io.Discard, os.Stdin)
	os.Exit(3)
}

// TestDirectory has a session of an ordinary user on a directory of his, beside another one's.
func TestDirectory(t *testing.T) {
	top, err := os.MkdirTemp("", "session")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(top)
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	var targets []string
	for _, name := range []string{"one", "two"} {
		dir := filepath.Join(top, name)
		for _, file := range []string{"cfg/system.arg", "boot/grub/menu.lst", "boot/grub/default", "system/active/kernel.ver"} {
			writeFile(t, filepath.Join(dir, file), []byte("0\n"))
		}
		tell(t, "coreutils", "chown", "-R", fmt.Sprint(nobody), dir)
		targets = append(targets, dir)
	}
	other, err := Begin(t.Context(), target(t, targets[1]), options(t), ops.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer other.End()
	program := filepath.Join(top, "program")
	tell(t, "coreutils", "cp", options(t).Guard[0], program)
	cmd := exec.Command(program, "child", targets[0])
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	cmd.Dir = "/"
	if out, _ := cmd.CombinedOutput(); string(out) != "at "+targets[0]+"\n" {
		t.Errorf("a session of an ordinary user says %q", out)
	}
}

// TestKilled kills a process in a session while another one waits for it.
func TestKilled(t *testing.T) {
	disk := makeDisk(t, mkdisk.GRUBLegacy)
	cmd := exec.Command(options(t).Guard[0], "child", disk)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	var dir string
	if _, scan := fmt.Sscanf(line, "at %s", &dir); err != nil || scan != nil {
		t.Fatalf("the process says %q, %v", line, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	rep := &said{first: func() { _ = cmd.Process.Kill() }}
	s, err := Begin(ctx, target(t, disk), options(t), rep)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("another holdfast is at work there (pid %d)", cmd.Process.Pid); !strings.Contains(rep.String(), want) {
		t.Errorf("said %v, want %s", rep, want)
	}
	if err := s.End(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", dir, err)
	}
}
