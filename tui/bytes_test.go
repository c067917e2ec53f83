package tui

import (
	"fmt"
	"testing"
	"time"

	"holdfast/ops/logs"
)

// quiet waits until nothing more is sent for a while, and gives the number of bytes so far.
func (c *cable) quiet() int {
	last, since := -1, time.Now()
	for time.Since(since) < 120*time.Millisecond {
		c.mu.Lock()
		n := c.sent.Len()
		c.mu.Unlock()
		if n != last {
			last, since = n, time.Now()
		}
		time.Sleep(5 * time.Millisecond)
	}
	return last
}

// BenchmarkBytes counts what goes over a serial line of 80x24: bytes/op, for the first screen with
// everything checked, for one selection move, for one line of the log, for a second of the countdown.
func BenchmarkBytes(b *testing.B) {
	setUp := func(b *testing.B, o Options) (*cable, *console) {
		c := newCable(b, "ttyS0", 80, 24, true)
		run := runOn(b, o, c)
		return c, run
	}
	b.Run("first", func(b *testing.B) {
		total := 0
		for range b.N {
			c, run := setUp(b, options())
			c.shows(b, "4.2 KiB  intact")
			total += c.quiet()
			run.cancel()
			<-run.end
		}
		b.ReportMetric(float64(total)/float64(b.N), "bytes/op")
	})
	each := func(name string, o Options, begin string, step func(c *cable, run *console, i int)) {
		b.Run(name, func(b *testing.B) {
			c, run := setUp(b, o)
			c.shows(b, begin)
			before := c.quiet()
			for i := range b.N {
				step(c, run, i)
			}
			b.ReportMetric(float64(c.quiet()-before)/float64(b.N), "bytes/op")
		})
	}
	each("move", options(), "4.2 KiB  intact", func(c *cable, _ *console, i int) {
		c.master.WriteString([]string{"j", "k"}[i%2])
		c.quiet()
	})
	// The text of a line is 47 bytes here, its time and mark another 11.
	each("log", options(), "4.2 KiB  intact", func(c *cable, run *console, i int) {
		run.log <- logs.Line{At: time.Duration(i) * time.Second, Level: 6, Text: fmt.Sprintf("usb 1-1: new high-speed device, number %8d", i)}
		c.quiet()
	})
	auto := options()
	auto.Autoboot = time.Hour
	each("second", auto, "Press Space", func(c *cable, _ *console, i int) { time.Sleep(time.Second) })
}
