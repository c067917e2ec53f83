package logs

import (
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// parseRecord reads one record of /dev/kmsg: "prio,seq,usec,flags[,...];text", then lines that start
// with a space and hold the record's dictionary, which nobody here needs. The kernel writes
// backslash and what is not printable as \xHH. Source: Documentation/ABI/testing/dev-kmsg and
// msg_add_ext_text in kernel/printk/printk.c.
func parseRecord(record string) (Line, error) {
	head, text, ok := strings.Cut(record, ";")
	if !ok {
		return Line{}, errors.New("kernel log record: no ';'")
	}
	fields := strings.Split(head, ",")
	if len(fields) < 3 {
		return Line{}, errors.New("kernel log record: fewer than three numbers")
	}
	prio, err := strconv.ParseUint(fields[0], 10, 32)
	if err != nil {
		return Line{}, errors.New("kernel log record: no priority")
	}
	usec, err := strconv.ParseUint(fields[2], 10, 53)
	if err != nil {
		return Line{}, errors.New("kernel log record: no time")
	}
	text, _, _ = strings.Cut(text, "\n")
	return Line{
		At:    time.Duration(usec) * time.Microsecond,
		Level: int(prio & 7), // the rest is the facility
		Text:  printable(unescape(text)),
	}, nil
}

// unescape undoes \xHH; a backslash that starts nothing of the kind stays.
func unescape(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		if len(s) >= 4 && s[:2] == `\x` {
			if v, err := strconv.ParseUint(s[2:4], 16, 8); err == nil {
				b.WriteByte(byte(v))
				s = s[4:]
				continue
			}
		}
		b.WriteByte(s[0])
		s = s[1:]
	}
	return b.String()
}

// printable makes text of anything: a tab becomes a space, what drives a terminal is left out, and
// what is no UTF-8 becomes a question mark. No log line may touch the screen around it.
func printable(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteByte('?')
		case r == '\t' || r == '\n':
			b.WriteByte(' ')
		case drives(r):
		default:
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return strings.TrimRight(b.String(), " ")
}

// drives reports whether a terminal takes the character as a command: the two control ranges, and
// the marks that turn the direction of what follows.
func drives(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r < 0xa0:
		return true
	case r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfeff:
		return true
	}
	return false
}
