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
	if err := b.info.WriteFile(b.file); err != nil {
		b.log.printf("%v", err)
	}
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
