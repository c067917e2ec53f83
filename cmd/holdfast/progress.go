package main

import (
	"fmt"
	"io"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"holdfast/ops"
)

// redraw is how often a progress line is written anew.
const redraw = 200 * time.Millisecond

// apply runs an operation and shows how it goes.
func (a *app) apply(operation func(ops.Reporter) error) error {
	outliveReaders()
	out := a.out
	if a.json { // which has standard output to itself
		out = a.err
	}
	p := &progress{out: out, live: isTerminal(out)}
	defer p.done()
	return operation(p)
}

// outliveReaders keeps a command from being killed because whoever read its output has gone: what has
// begun to write finishes, and a good boot is confirmed although the log's program has died.
func outliveReaders() { signal.Ignore(syscall.SIGPIPE) }

// progress shows how an operation goes: on a terminal by a line that is written over, elsewhere
// only what is finished.
type progress struct {
	mu    sync.Mutex
	out   io.Writer
	live  bool
	drawn time.Time // when the line was last written; zero while there is none
}

func (p *progress) Progress(now ops.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.live || time.Since(p.drawn) < redraw {
		return
	}
	p.drawn = time.Now()
	line := progressLine(now)
	if width := columns(p.out); width > 0 { // one that wraps could not be written over
		cells := []rune(line)
		line = string(cells[:min(len(cells), width-1)])
	}
	fmt.Fprintf(p.out, "\r%s\x1b[K", line)
}

func (p *progress) Log(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.drawn.IsZero() {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = time.Time{}
	}
	fmt.Fprintln(p.out, line)
}

// done takes the progress line away.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.drawn.IsZero() {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// progressLine is a step with how far it is, how fast it goes and how long it will take, as far as
// that is known.
func progressLine(p ops.Progress) string {
	line := p.Step
	if p.Done > 0 {
		line += fmt.Sprintf("  %s", mib(p.Done))
	}
	if p.Total > 0 {
		line += fmt.Sprintf(" of %s", mib(p.Total))
	}
	rate := float64(p.Done) / p.Since.Seconds()
	if p.Done == 0 || p.Since < time.Second { // what fills a pipe first is no rate
		return line
	}
	line += fmt.Sprintf("  %s/s", mib(int64(rate)))
	if left := p.Total - p.Done; left > 0 {
		line += fmt.Sprintf("  %.0f s left", float64(left)/rate)
	}
	return line
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
