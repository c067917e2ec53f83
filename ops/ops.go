// Package ops holds what every operation shares: how it reports, and how it fails. The operations
// themselves are the packages below this one. An operation reads in Plan and writes in Apply; it
// never prints, logs to a screen, or ends the process.
package ops

import "time"

// Progress is one step of an operation on its way. Done and Total are bytes; Total is 0 when it is
// not known.
type Progress struct {
	Step  string        // what is being done, as a phrase: "hash kernel.img"
	Done  int64         // bytes
	Total int64         // bytes, 0 when unknown
	Since time.Duration // time spent in this step
}

// Reporter is told how an operation goes. Its methods may be called from any goroutine and must
// not block for long.
type Reporter interface {
	Progress(Progress)
	// Log is one finished fact, a line without a newline: "loaded by kexec_file_load".
	Log(line string)
}

// Discard is a Reporter that nobody listens to.
var Discard Reporter = discard{}

type discard struct{}

func (discard) Progress(Progress) {}
func (discard) Log(string)        {}
