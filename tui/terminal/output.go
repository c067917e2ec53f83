package terminal

import (
	"io"
	"time"
)

// Straighten takes back what would spoil a frame that is painted anew: a scroll region, attributes,
// lines that do not wrap, insert mode, other letters.
const Straighten = "\x1b[r\x1b[m\x1b[?7h\x1b[4l\x1b(B\x0f"

// Reset brings a terminal that a program left in any state back to plain text, with its cursor shown.
const Reset = Straighten + "\x1b[?25h"

// Clear empties the screen and puts the cursor at its top.
const Clear = "\x1b[H\x1b[2J"

// Probe asks a terminal for its size without changing what it shows: the cursor goes as far as it
// can, tells where it is, and comes back. The answer is a cursor position report. The scroll region
// is none of its business: a position counts from the screen's corner whatever the region is.
const Probe = "\x1b7\x1b[999;999H\x1b[6n\x1b8"

// Believed reports whether an answer to Probe can be a size.
func Believed(width, height int) bool { return believed(width, height) }

// Output is the writer for a full-screen program on t.
func (t *Tty) Output() io.Writer {
	return &filter{w: &pacer{w: t, baud: t.Baud(), wait: t.wait}, alt: t.Console.AltScreen}
}

// Leave is what ends a full-screen program's output, where the program's own end is not enough: a
// console without a second screen is emptied, since what it showed before cannot be brought back.
func (c Console) Leave() string {
	if c.AltScreen {
		return ""
	}
	return "\x1b[m" + Clear
}

func (t *Tty) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.stop:
	}
}

// pacer returns from Write only when the line had the time for the bytes. Else a serial driver's
// buffer (4 KiB, four seconds at 9600) fills with frames that are old when they are seen; made to
// wait, the program leaves frames out.
type pacer struct {
	w    io.Writer
	baud int // 0: do not pace
	wait func(time.Duration)
}

func (p *pacer) Write(b []byte) (int, error) {
	start := time.Now()
	n, err := p.w.Write(b)
	if p.baud > 0 {
		// A byte is ten bits on the line: start, eight, stop.
		need := time.Duration(n) * 10 * time.Second / time.Duration(p.baud)
		if rest := need - time.Since(start); rest > 0 {
			p.wait(rest)
		}
	}
	return n, err
}
