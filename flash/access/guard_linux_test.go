package access

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/flash/volume"
)

// phases are where a process can be killed. Each goes on to there, and then says so and waits.
var phases = map[string]func(v *volume.Volume, guard []string, here func(*Access)) error{
	"open": func(v *volume.Volume, guard []string, here func(*Access)) error {
		a, err := Open(v, guard)
		if err == nil {
			here(a)
		}
		return err
	},
	"told": func(v *volume.Volume, guard []string, here func(*Access)) error {
		a := &Access{Dir: v.Dir, guard: newGuard(guard, nil)}
		return a.do(step{Kind: readonly, Dir: v.Dir, Flags: still}, func() error { here(a); return nil })
	},
	"writing": func(v *volume.Volume, guard []string, here func(*Access)) error {
		a, err := Open(v, guard)
		if err != nil {
			return err
		}
		f, err := os.Create(filepath.Join(a.Dir, "cfg/half"))
		if err == nil {
			_, err = f.Write(make([]byte, mib))
		}
		here(a)
		return errors.Join(err, f.Close())
	},
	"anew": func(v *volume.Volume, guard []string, here func(*Access)) error {
		a := &Access{Dir: v.Dir, guard: newGuard(guard, nil)}
		s := step{Kind: restore, Dir: v.Dir, Device: v.Device, Type: "ext4", Flags: still | unix.MS_RELATIME, Data: "noload"}
		return a.do(s, func() error {
			err := unmount(v.Dir, patience)
			here(a)
			return err
		})
	},
	"freezing": func(v *volume.Volume, guard []string, here func(*Access)) error {
		a, err := Open(v, guard)
		if err == nil {
			err = a.guard.ask(message{Freeze: a.Dir})
		}
		here(a)
		return err
	},
	"frozen": func(v *volume.Volume, guard []string, here func(*Access)) error {
		a, err := Open(v, guard)
		if err == nil {
			err = a.guard.ask(message{Freeze: a.Dir})
		}
		if err != nil {
			return err
		}
		dir, err := os.Open(a.Dir)
		if err == nil {
			err = freeze(dir)
		}
		here(a)
		return err
	},
	"undone": func(v *volume.Volume, guard []string, here func(*Access)) error {
		a, err := Open(v, guard)
		if err == nil {
			err = a.undo[len(a.undo)-1].undo(patience)
		}
		here(a)
		return err
	},
}

// child runs up to a phase and waits there for its end.
func child(target, phase string) {
	v, err := volume.Open(target)
	if err == nil {
		err = phases[phase](v, []string{os.Args[0], "guard"}, func(a *Access) {
			guard := 0
			if a.guard.process != nil {
				guard = a.guard.process.Process.Pid
			}
			fmt.Printf("at %s %d\n", a.Dir, guard)
			io.Copy(io.Discard, os.Stdin)
		})
	}
	fmt.Printf("ends: %v\n", err)
	os.Exit(3)
}

// parent is a process that waits in a phase.
type parent struct {
	t     *testing.T
	cmd   *exec.Cmd
	dir   string // its flash
	guard int    // the guard's process
}

func startParent(t *testing.T, target, phase string) parent {
	t.Helper()
	words := program(t, "child", target, phase)
	cmd := exec.Command(words[0], words[1:]...)
	if _, err := cmd.StdinPipe(); err != nil { // stays open
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	// The guard becomes our child when the process is gone.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := parent{t: t, cmd: cmd}
	line, err := bufio.NewReader(out).ReadString('\n')
	if _, scan := fmt.Sscanf(line, "at %s %d", &p.dir, &p.guard); err != nil || scan != nil {
		cmd.Process.Kill()
		t.Fatalf("the process says %q, %v", line, err)
	}
	return p
}

func (p parent) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	_ = p.cmd.Wait() // killed
	var status unix.WaitStatus
	if _, err := unix.Wait4(p.guard, &status, 0, nil); err != nil || status != 0 {
		p.t.Errorf("the guard ended with %#x, %v", status, err)
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waits in vain: %s", what)
		}
	}
}

// TestKilled kills a process in every phase of every kind of access.
func TestKilled(t *testing.T) {
	const (
		ro     = "ro,nosuid,nodev,noexec,relatime ro"
		noload = "ro,nosuid,nodev,noexec,relatime ro,norecovery"
	)
	for _, tt := range []struct{ how, phases, after string }{
		{"ro", "told open writing freezing frozen undone", ro},
		{"noload", "open writing anew frozen undone", noload},
		{"device", "open writing frozen undone", ""},
		{"image", "open writing frozen undone", ""},
	} {
		for phase := range strings.FieldsSeq(tt.phases) {
			t.Run(tt.how+" "+phase, func(t *testing.T) {
				image := makeImage(t, "-t", "ext4")
				target := image
				if tt.how == "noload" {
					soil(t, image)
				}
				if tt.how != "image" {
					target = attachTo(t, image)
				}
				switch tt.how {
				case "ro":
					target = mountAt(t, target, "ext4", still|unix.MS_RDONLY, "")
				case "noload":
					target = mountAt(t, target, "ext4", still|unix.MS_RDONLY, "noload")
				}
				p := startParent(t, target, phase)
				t.Cleanup(func() { // where the guard did not
					if tt.after == "" && mountLine(t, p.dir) != "" {
						unmountAll(t, p.dir)
						_ = os.Remove(p.dir)
					}
				})
				// What ends a whole group of processes does not end the guard, which would have to undo.
				for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE} {
					if err := syscall.Kill(p.guard, s); err != nil {
						t.Fatal(err)
					}
				}
				p.kill()
				if got := mountLine(t, p.dir); got != tt.after {
					t.Errorf("mounted %q, want %q", got, tt.after)
				}
				if _, err := os.Stat(p.dir); tt.after == "" && err == nil {
					t.Errorf("%s is left", p.dir)
				}
				if tt.how == "image" {
					until(t, "the loop device goes", func() bool { return loops(t, image) == "" })
				}
				a, err := Open(openVolume(t, target), nil)
				if err != nil {
					t.Fatal(err)
				}
				write(t, a.Dir, "cfg/next", "next")
				if err := a.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestFreezeLimit has somebody who freezes and lives on, and does nothing more.
func TestFreezeLimit(t *testing.T) {
	dir := mountAt(t, attachTo(t, makeImage(t, "-t", "ext4")), "ext4", 0, "")
	a := &Access{Dir: dir}
	if why, ok := a.MayFreeze(); !ok {
		t.Fatal(why)
	}
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	in, tell := io.Pipe()
	answers, out := io.Pipe()
	w := watch{answers: out, limit: 50 * time.Millisecond}
	done := make(chan error)
	go func() { done <- w.run(in) }()
	go fmt.Fprintf(tell, `{"freeze":%q}`, dir)
	if _, err := io.ReadFull(answers, make([]byte, 2)); err != nil { // that it is there, and that it watches
		t.Fatal(err)
	}
	if err := freeze(d); err != nil {
		t.Fatal(err)
	}
	defer thaw(d)
	write(t, dir, "cfg/new", "new") // waits for the thaw
	if err := thaw(d); err != nil {
		t.Errorf("thaw of what is thawed = %v", err)
	}
	tell.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestFreezeNeedsTheGuard: with a guard that died nothing is frozen.
func TestFreezeNeedsTheGuard(t *testing.T) {
	dir := mountAt(t, attachTo(t, makeImage(t, "-t", "ext4")), "ext4", unix.MS_RDONLY, "")
	a, err := Open(openVolume(t, dir), program(t, "guard"))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.guard.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := a.Freeze(); err == nil || !strings.Contains(err.Error(), "guard") {
		t.Errorf("Freeze = %v, want that there is no guard", err)
	} else if p := (*os.PathError)(nil); errors.As(err, &p) {
		t.Errorf("Freeze = %v, which is of no file of the flash: who names that file would leave out the guard", err)
	}
	write(t, dir, "cfg/new", "new") // or it waits for ever
	if err := a.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	if got := mountLine(t, dir); got != "ro,relatime ro" {
		t.Errorf("mounted %q", got)
	}
}

// TestProgramOnIt runs from the file system that is not to be frozen, and writes its output there.
func TestProgramOnIt(t *testing.T) {
	dir := mountAt(t, attachTo(t, makeImage(t, "-t", "ext4")), "ext4", 0, "")
	words := program(t, "mayfreeze", dir)
	b, err := os.ReadFile(words[0])
	if err != nil {
		t.Fatal(err)
	}
	tmp := mountAt(t, "tmpfs", "tmpfs", 0, "")
	for _, tt := range []struct{ program, output, want string }{
		{tmp, tmp, "true"}, {dir, tmp, "this program is on it false"}, {tmp, dir, "its output is on it false"},
	} {
		name := filepath.Join(tt.program, "program")
		if err := os.WriteFile(name, b, 0o755); err != nil {
			t.Fatal(err)
		}
		out, err := os.Create(filepath.Join(tt.output, "out"))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(name, words[1:]...)
		cmd.Stdout = out
		err = errors.Join(cmd.Run(), out.Close(), os.Remove(name))
		if got, _ := os.ReadFile(out.Name()); err != nil || strings.TrimSpace(string(got)) != tt.want {
			t.Errorf("%s: MayFreeze = %q, %v, want %s", name, got, err, tt.want)
		}
	}
}

// TestGuardIsThere: who cannot have a guard does not mount.
func TestGuardIsThere(t *testing.T) {
	dir := mountAt(t, attachTo(t, makeImage(t, "-t", "ext4")), "ext4", unix.MS_RDONLY, "")
	v := openVolume(t, dir)
	for _, command := range [][]string{{"/bin/false"}, {"/no/such/program"}} {
		if a, err := Open(v, command); a != nil || err == nil || !strings.Contains(err.Error(), "guard") {
			t.Errorf("%q: Open = %v", command, err)
		}
		if got := mountLine(t, dir); got != "ro,relatime ro" {
			t.Errorf("%q: mounted %q", command, got)
		}
	}
}
