// Command stage is /init of the test machine: PID 1 as it is, with a console that does what the
// test types on ttyS1.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"holdfast/cmd/holdfast/pid1"
	"holdfast/cmd/holdfast/stage"
	"holdfast/flash/access"
	"holdfast/ops"
	"holdfast/ops/boot"
	begun "holdfast/ops/session"
)

func main() {
	switch args := strings.Join(os.Args[1:], " "); {
	case os.Getpid() == 1:
		pid1.Run("test")
	case args == "guard":
		_ = access.Guard()
		return
	case strings.HasPrefix(args, "console --stage"):
		console()
	case strings.HasPrefix(args, "console --plain --tty "):
		os.Exit(pid1.Menu(context.Background(), os.Stdin, os.Stdout, os.Args[4], "test"))
	}
	os.Exit(64)
}

// console says what it sees and does what it is told, a line each.
func console() {
	line, err := os.OpenFile("/dev/ttyS1", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		panic(err)
	}
	say := func(format string, args ...any) { fmt.Fprintf(line, format+"\n", args...) }
	say("CONSOLE up, session leader %v, arguments %q", syscall.Getpid() == must(syscall.Getpgid(0)), os.Args[1:])
	go func() {
		for i := range stage.Watch(context.Background()) {
			say("STATE %s flash=%s,%s,%s boot=%s,%s word=%s modules=%q problem=%q notice=%q",
				i.State, i.Flash.Device, i.Flash.Type, i.Flash.Dir, i.Boot.Device, i.Boot.Dir, i.Word, i.Modules, i.Problem, i.Notice)
		}
	}()
	lines := bufio.NewScanner(line)
	for lines.Scan() {
		command, argument, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		switch command {
		case "segv":
			// The Go runtime would make an exit of it.
			syscall.Exec("/bin/busybox", []string{"sh", "-c", "kill -SEGV $$"}, nil)
		case "panic":
			panic("as told")
		case "exit":
			os.Exit(must(strconv.Atoi(argument)))
		case "signal":
			n := must(strconv.Atoi(argument))
			say("SENT %d %v", n, syscall.Kill(1, syscall.Signal(n)))
		case "orphans":
			orphans(say)
		case "deaf":
			deaf(say)
		case "release":
			release(say)
		case "session":
			session(say)
		case "die":
			_, err := begin()
			say("DIES %v %s", err, flashMount())
			say("%v", syscall.Kill(os.Getpid(), syscall.SIGKILL))
		case "mount":
			say("MOUNT %s", flashMount())
		case "cat":
			b, err := os.ReadFile(argument)
			say("FILE %q %v", b, err)
		}
	}
}

// deaf does not heed that it shall end, nor does its child, which is on the flash.
func deaf(say func(string, ...any)) {
	signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
	_, err := os.StartProcess("/bin/busybox", []string{"sleep", "1000"}, &os.ProcAttr{Dir: stage.FlashDir})
	say("DEAF %v", err)
}

// orphans leaves processes to PID 1 and waits until nothing is left of them, not even a zombie.
func orphans(say func(string, ...any)) {
	const script = "for i in 1 2 3 4 5; do (/bin/busybox sleep 0.$i &) ; done"
	p, err := os.StartProcess("/bin/busybox", []string{"sh", "-c", script}, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err == nil {
		_, err = p.Wait()
	}
	seen := len(named("busybox")) + len(named("sleep"))
	for len(named("busybox"))+len(named("sleep")) > 0 {
		runtime.Gosched()
	}
	say("ORPHANS were there %v, gone %v", seen > 0, err)
}

// named lists the processes of that name, zombies included.
func named(name string) []string {
	var list []string
	comms, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, file := range comms {
		if b, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(b)) == name {
			list = append(list, file)
		}
	}
	return list
}

// release gives the machine away and takes it back.
func release(say func(string, ...any)) {
	state := func() string {
		_, flash := os.Stat("/flash/cfg")
		_, grub := os.Stat("/boot/boot/grub")
		levels, err := stage.Levels()
		return fmt.Sprintf("flash=%v boot=%v printk=%.1s %v", flash == nil, grub == nil, levels, err)
	}
	say("BEFORE %s", state())
	restore, err := stage.Machine{}.Release(boot.Plan{})
	say("RELEASED %s %v", state(), err)
	say("RESTORED %v %s", restore(), state())
	say("JUMP %v", errors.Is(stage.Machine{}.Jump(), syscall.EINVAL))
}

// begin begins a session as the console does.
func begin() (*begun.Session, error) {
	info, err := stage.Read()
	if err != nil {
		return nil, err
	}
	t, _ := info.Target()
	return begun.Begin(context.Background(), t, begun.Options{Guard: []string{"/proc/self/exe", "guard"}}, ops.Discard)
}

// session writes to the flash.
func session(say func(string, ...any)) {
	say("BEFORE %s", flashMount())
	s, err := begin()
	if err != nil {
		say("NO SESSION %v", err)
		return
	}
	say("WITHIN %s", flashMount())
	s.Log("from the stage")
	say("ENDED %v %s", s.End(), flashMount())
}

// flashMount is how the flash is mounted.
func flashMount() string {
	b, err := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); f[1] == stage.FlashDir {
			return f[3]
		}
	}
	return fmt.Sprint("not at all ", err)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
