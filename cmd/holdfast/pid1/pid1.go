// Package pid1 is the first process of the kexec stage. It mounts what the others need, quiets the
// kernel, starts the console, and only then loads modules and looks for the flash, so that the
// first screen is there at once. From then on it keeps the console alive, or plain menus when the
// console cannot be kept alive, and reaps orphans. It never ends, for the kernel would panic.
//
// What it decides is in policy.go (which processes run) and search.go (which volume is the flash),
// and runs on any directory; mounts, signals and processes are in the _linux files.
package pid1

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"holdfast/cmd/holdfast/stage"
)

// process is PID 1.
type process struct {
	version  string
	line     string // the kernel's command line
	log      kernelLog
	children *children
	board    *board
	signals  <-chan os.Signal
	autoboot bool // no console ran yet: the first one may boot by itself

	// wiped are the terminals on which something else was started since the console had them; nil
	// before the console had any.
	wiped map[string]bool
}

// Run is /init. It never returns. version is the program's own, for people.
func Run(version string) {
	signals, child := catch()
	p := &process{version: version, signals: signals, children: newChildren(), autoboot: true}
	problems := mountAll(mounts())
	problems = append(problems, keepCtrlAltDel()...)
	p.log = openKernelLog()
	p.line = stage.CommandLine()
	p.board = newBoard(stage.InfoFile, p.log, stage.Info{
		Version: version,
		State:   stage.Searching,
		Printk:  quietKernel(),
	})
	for _, err := range problems {
		p.log.printf("%v", err)
	}
	p.forever("reap", func() {
		for range child {
			p.children.reap()
		}
	})
	var once sync.Once
	for plain := false; ; plain = true {
		p.life(plain, p.start, func() {
			once.Do(func() {
				p.forever("prepare", p.prepare)
				p.forever("trim the console's log", trimForever)
			})
		})
		time.Sleep(time.Second) // a life that ends at once must not keep the machine busy
	}
}

// life supervises until the end of the stage, and ends it. It returns only after something that
// should not happen, and leaves a notice of it: a panic, or a kernel that does not reboot. started is
// called when the first process runs.
func (p *process) life(plain bool, start func(job) (handle, error), started func()) {
	defer func() {
		if r := recover(); r != nil {
			p.log.printf("internal error: %v\n%s", r, debug.Stack())
			p.board.notice(fmt.Sprintf("internal error in PID 1: %v", r))
			p.children.stopAll(endGrace) // the next life starts its own
		}
	}()
	s := &supervisor{
		policy:  newPolicy(terminals(stage.ActiveFile, "/dev")),
		start:   start,
		now:     time.Now,
		signals: p.signals,
		report:  func(line string) { p.log.printf("%s", line) },
		crashed: p.board.notice,
	}
	end := s.run(p.first(s.policy, plain), started)
	if err := p.end(end); err != nil {
		p.log.printf("%v: %v", end, err)
		p.board.notice(fmt.Sprintf("%v: %v", end, err))
	}
}

// first is what a life starts with.
func (p *process) first(policy *policy, plain bool) []order {
	if plain {
		p.autoboot = false
		return policy.beginPlain()
	}
	if _, ok := stage.Argument(p.line, "holdfast.shell"); !ok {
		return policy.begin("")
	}
	if _, _, err := stage.ShellCommand(); err != nil {
		p.board.notice("holdfast.shell: " + err.Error())
		return policy.begin("")
	}
	return policy.begin(policy.terminals[len(policy.terminals)-1])
}

// forever runs f in the background, and again when it panics: PID 1 goes on whatever is wrong.
func (p *process) forever(what string, f func()) {
	go func() {
		for done := false; !done; {
			func() {
				defer p.recover(what)
				f()
				done = true
			}()
			time.Sleep(time.Second)
		}
	}()
}

// terminals names the consoles that get a plain menu: all that the kernel writes to and that have a
// device node, in its order, so that the last one is /dev/console.
func terminals(active, dev string) []string {
	b, _ := os.ReadFile(active)
	var list []string
	for _, name := range strings.Fields(string(b)) {
		if _, err := os.Stat(dev + "/" + name); err == nil {
			list = append(list, name)
		}
	}
	if list == nil {
		return []string{"console"}
	}
	return list
}
