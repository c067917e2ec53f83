package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

const (
	answer = "\n" // of the guard when it is there, and to what asks for one

	freezeLimit = 30 * time.Second // who freezes longer is taken for dead
	thawAgain   = time.Second      // between two attempts to thaw: a freeze may be on its way still
	lastWait    = 10 * time.Second // for what a dead process, or another one, keeps busy
)

// Guard is the life of the other process: it reads from its standard input what there is to undo, and
// undoes it when that ends without a good-bye.
func Guard() error {
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE)
	w := watch{answers: os.Stdout, limit: freezeLimit}
	return w.run(os.Stdin)
}

// watch is what the guard knows.
type watch struct {
	answers io.Writer
	limit   time.Duration
	steps   []step
	frozen  *os.File // open only as long as it is: it would keep the file system busy
	bye     bool
}

// run watches until in ends.
func (w *watch) run(in io.Reader) error {
	messages := make(chan message)
	var read error
	go func() {
		defer close(messages)
		for d := json.NewDecoder(in); ; {
			var m message
			if read = d.Decode(&m); read != nil {
				return
			}
			messages <- m
		}
	}()
	late := time.NewTimer(w.limit)
	late.Stop()
	fmt.Fprint(w.answers, answer)
	for {
		select {
		case m, more := <-messages:
			if !more {
				if errors.Is(read, io.EOF) {
					read = nil
				}
				return errors.Join(read, w.last())
			}
			w.heed(m, late)
		case <-late.C:
			if w.thaw() != nil {
				late.Reset(thawAgain)
			} else {
				w.release()
			}
		}
	}
}

func (w *watch) heed(m message, late *time.Timer) {
	switch {
	case m.Push != nil:
		w.steps = append(w.steps, *m.Push)
	case m.Pop && len(w.steps) > 0:
		w.steps = w.steps[:len(w.steps)-1]
	case m.Freeze != "":
		dir, err := os.Open(m.Freeze)
		if err != nil {
			return // no answer: nothing is frozen then
		}
		w.frozen = dir
		late.Reset(w.limit)
		fmt.Fprint(w.answers, answer)
	case m.Thawed:
		late.Stop()
		w.release()
		fmt.Fprint(w.answers, answer)
	case m.Bye:
		w.bye = true
	}
}

func (w *watch) release() {
	if w.frozen != nil {
		w.frozen.Close()
		w.frozen = nil
	}
}

// thaw thaws what is frozen. That it is not frozen, or not yet, is an error.
func (w *watch) thaw() error {
	if w.frozen == nil {
		return nil
	}
	return unix.IoctlSetInt(int(w.frozen.Fd()), fiThaw, 0)
}

// last is what is done when the other process has ended: thaw first, as all else would wait for that.
func (w *watch) last() error {
	if w.bye {
		return nil
	}
	_ = w.thaw() // mostly it was not frozen
	w.release()
	var errs []error
	for i := len(w.steps) - 1; i >= 0; i-- {
		errs = append(errs, w.steps[i].undo(lastWait))
	}
	return errors.Join(errs...)
}
