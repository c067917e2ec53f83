package pid1

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"holdfast/cmd/holdfast/stage"
)

// board holds what is known of the stage and puts every change into the file that the others read.
type board struct {
	mu   sync.Mutex
	info stage.Info
	said string // by PID 1 last, of its own doing
	file string
	log  kernelLog
}

func newBoard(file string, log kernelLog, info stage.Info) *board {
	b := &board{file: file, log: log, info: info}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		log.printf("%v", err)
	}
	b.change(func(*stage.Info) {})
	return b
}

// change changes what is known, and publishes it.
func (b *board) change(f func(*stage.Info)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.info)
	b.info.Notice = noticeOf(b.said, b.info)
	if err := b.info.WriteFile(b.file); err != nil {
		b.log.printf("%v", err)
	}
}

// notice puts a line where the consoles show it.
func (b *board) notice(line string) {
	b.change(func(*stage.Info) { b.said = line })
}

// noticeOf is what the operator must see on every screen, in one line.
func noticeOf(said string, i stage.Info) string {
	var parts []string
	if said != "" {
		parts = append(parts, said)
	}
	if i.Taken != "" {
		parts = append(parts, i.Taken)
	}
	if i.State == stage.Found && i.Flash.Unclean {
		parts = append(parts, "the flash was not unmounted cleanly")
	}
	switch n := len(i.Modules); {
	case n == 1:
		parts = append(parts, "1 kernel module did not load: see the log")
	case n > 1:
		parts = append(parts, fmt.Sprintf("%d kernel modules did not load: see the log", n))
	}
	return strings.Join(parts, "; ")
}

func (b *board) get() stage.Info {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.info
}

// kernelLog takes the messages of PID 1: the kernel's log keeps them, and they tear no screen.
type kernelLog struct{ w io.Writer }

// printf logs each line of the text. A message below the level of an error, "<5>" is a notice.
func (l kernelLog) printf(format string, args ...any) {
	for _, line := range strings.Split(fmt.Sprintf(format, args...), "\n") {
		if line != "" {
			fmt.Fprintf(l.w, "<5>holdfast: %s\n", line)
		}
	}
}
