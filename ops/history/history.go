// Package history keeps cfg/holdfast.log, which says what Holdfast did to a flash: one line an event,
// rotated at 256 KiB, with one old file kept beside it.
//
// A power cut loses at most the event that was being written: a line that it tore is ended before the
// next one, and the old file gets its other name whole or not at all.
//
// On vfat the log is made once, of 64 KiB, and never grows: see fixed. What is not written yet is zeros there, and
// when it is full, the older half goes; a power cut in that moment may leave some lines of it twice.
package history

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	name    = "holdfast.log"
	oldName = "holdfast.log.1"

	maxSize   = 256 << 10 // bytes: what would grow beyond is rotated
	fixedSize = 64 << 10  // bytes on vfat: all of the flash may be 16 MiB
)

// line is an event as one line of the log: the time in UTC, then the text.
func line(now time.Time, event string) string {
	return now.UTC().Format(time.RFC3339) + " " + escape(event) + "\n"
}

// escape writes what is no printable character as Go has it in a string: "\n", "\x1b".
func escape(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) {
			quoted := strconv.QuoteToASCII(s[:size])
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}
