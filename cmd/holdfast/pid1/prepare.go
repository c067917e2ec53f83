package pid1

import (
	"cmp"
	"os"
	"time"

	"holdfast/cmd/holdfast/stage"
	"holdfast/flash/volume"
	"holdfast/initramfs"
)

// The pace of the search. Disks appear within milliseconds of their driver or, on a bus of their
// own, seconds later; who says which disk the flash is on need not wait for others to turn up.
const (
	searchFast   = 15 * time.Millisecond
	searchFor    = 10 * time.Second
	searchSlow   = time.Second
	searchSettle = 200 * time.Millisecond
)

// behind is how much prepare stands back for the console, in steps of nice(2): on a machine with one
// processor the first screen would else wait for the modules.
const behind = 10

// prepare loads the modules and finds the flash, while the console is already on the screen.
func (p *process) prepare() {
	standBack(behind, p.log)
	errs := loadModules(initramfs.ModuleListPath, loadModule)
	if len(errs) > 0 {
		p.board.change(func(i *stage.Info) {
			i.Modules = nil
			for _, err := range errs {
				i.Modules = append(i.Modules, err.Error())
				p.log.printf("%v", err)
			}
		})
	}
	word, _ := stage.Argument(p.line, "flash")
	p.find(volume.NewFinder(), word)
}

// find searches until the flash is found and mounted. After searchFor it says that there is none,
// or several, and goes on: a disk may come, or go.
func (p *process) find(f *volume.Finder, word string) {
	start := time.Now()
	latest := start // when something last came or went
	for {
		changed, err := f.Pass()
		if err != nil {
			p.log.printf("search for the flash: %v", err)
		}
		if changed {
			latest = time.Now()
		}
		v := decide(f.Volumes(), word)
		early := time.Since(start) < searchFor
		settled := !v.settles(word) || time.Since(latest) >= searchSettle
		switch {
		case v.state == stage.Found && settled:
			if p.found(v, word) {
				return
			}
		case v.state == stage.Several && settled, v.state == stage.None && !early:
			p.board.publish(v)
		}
		time.Sleep(pace(early))
	}
}

func pace(early bool) time.Duration {
	if early {
		return searchFast
	}
	return searchSlow
}

// found mounts the flash and GRUB's partition and tells everybody. Not so when the flash cannot be
// mounted.
func (p *process) found(v verdict, word string) bool {
	flash, boot := v.choice.Flash, v.choice.Boot
	m, err := place(flash, stage.FlashDir)
	if err != nil {
		v.state, v.problem = stage.None, err.Error()
		p.board.publish(v)
		return false
	}
	mounts := []stage.Mount{m}
	at := mounted(flash, stage.FlashDir)
	var bootAt stage.Volume
	switch {
	case boot == nil:
	case boot.Name == flash.Name:
		bootAt = at
	default:
		bootAt = described(*boot)
		m, err := place(*boot, stage.BootDir)
		if err != nil {
			p.log.printf("%v", err)
			break
		}
		mounts, bootAt = append(mounts, m), mounted(*boot, stage.BootDir)
	}
	p.log.printf("the flash is %s (%s)", flash.Name, flash.Type)
	p.log.printf("%s", v.choice.Note)
	p.board.change(func(i *stage.Info) {
		i.State, i.Problem, i.Taken = stage.Found, "", v.choice.Note
		i.Flash, i.Boot, i.Candidates = at, bootAt, v.candidates
		i.Word, i.Mounts = cmp.Or(word, flash.Name), mounts
	})
	return true
}

// publish tells everybody that there is no flash so far, and why. It writes only what is new.
func (b *board) publish(v verdict) {
	if i := b.get(); i.State == v.state && i.Problem == v.problem {
		return
	}
	b.log.printf("%s", v.problem)
	b.change(func(i *stage.Info) { i.State, i.Problem, i.Candidates = v.state, v.problem, v.candidates })
}

// What the console writes to its log between two starts is bounded: it lies in memory.
const (
	logLimit = 1 << 20
	logCheck = 10 * time.Second
)

func trimForever() {
	for range time.Tick(logCheck) {
		trim(stage.ConsoleLog, logLimit)
	}
}

// trim empties a log that grew beyond the limit. Its writer appends, and so goes on at its start.
func trim(name string, limit int64) {
	if info, err := os.Stat(name); err == nil && info.Size() > limit {
		_ = os.Truncate(name, 0)
	}
}
