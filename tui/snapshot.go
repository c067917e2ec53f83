package tui

import (
	"sync/atomic"

	"holdfast/ops/logs"
	"holdfast/ops/status"
)

// Snapshot is the state of the machine as the screens show it. It is never changed once published.
type Snapshot struct {
	Target    Target            // the last news of the flash
	Report    *status.Report    // nil while there is none
	Log       []logs.Line       // the kernel's and our own, oldest first
	LogFirst  int               // how many older ones were dropped
	Countdown *Countdown        // of the automatic boot; nil: none runs
	Autoboot  bool              // an automatic boot is to come, once the flash is found
	Action    *Action           // what is being done; nil: nothing
	Outcome   *Outcome          // what came of the last action, until somebody has read it; nil otherwise
	Archives  Archives          // that were found
	Drafts    map[string]*Draft // by console: the task that it asked to see
}

// Countdown is an automatic boot that has not begun.
type Countdown struct {
	Image string // what will be booted, as things are
	Why   string
	Left  int // seconds
}

// mailbox holds the latest snapshot for one console. Who puts never waits, and who is slow to
// collect misses what came between.
type mailbox struct {
	latest atomic.Pointer[Snapshot]
	news   chan struct{}
}

func newMailbox() *mailbox { return &mailbox{news: make(chan struct{}, 1)} }

func (m *mailbox) put(s *Snapshot) {
	m.latest.Store(s)
	select {
	case m.news <- struct{}{}:
	default:
	}
}

// ring keeps the last lines of the log. Snapshots share its lines: a line once written is never
// written again, the ring moves on to fresh memory instead.
type ring struct {
	lines   []logs.Line
	limit   int
	dropped int
}

func (r *ring) add(l logs.Line) {
	if len(r.lines) == r.limit {
		r.lines = r.lines[1:]
		r.dropped++
	}
	r.lines = append(r.lines, l)
}
