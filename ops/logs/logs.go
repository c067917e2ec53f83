// Package logs reads the logs an operator asks for. So far that is the kernel's.
package logs

import "time"

// Line is one message of a log.
type Line struct {
	At    time.Duration // since the kernel started
	Level int           // as syslog counts: 0 emergency ... 7 debug
	Text  string        // one line, printable
}
