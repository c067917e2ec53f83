package access

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// answerIn is how long the guard may take to answer, and to end.
const answerIn = 5 * time.Second

// message is what the guard is told. Exactly one field is set.
type message struct {
	Push   *step  `json:"push,omitempty"`   // is about to be done
	Pop    bool   `json:"pop,omitempty"`    // the last one is undone
	Freeze string `json:"freeze,omitempty"` // the file system on this directory is about to be frozen; is answered
	Thawed bool   `json:"thawed,omitempty"` // it is thawed; is answered
	Bye    bool   `json:"bye,omitempty"`    // nothing is left to do
}

// guard is the other process, as this one sees it. It is started when it is first told something: who
// changes nothing needs none. A nil guard takes everything and does nothing.
type guard struct {
	command []string
	locks   []*os.File // that it holds as well: nobody else begins before it is done
	process *exec.Cmd
	to      io.WriteCloser
	from    *os.File
}

func newGuard(command []string, locks []*os.File) *guard {
	if len(command) == 0 {
		return nil
	}
	return &guard{command: command, locks: locks}
}

// start starts it in a session of its own: what a terminal sends to our group does not reach it. It
// works in / and has nothing of ours open but the locks: it must not keep a file system busy. It is there, and
// deaf to signals, when start returns.
func (g *guard) start() error {
	if g.process != nil {
		return nil
	}
	cmd := exec.Command(g.command[0], g.command[1:]...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.ExtraFiles = g.locks
	// What a shell gave us for its own ends would live on there. Kernels before 5.11 have no way.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	to, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	from, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the guard: %w", err)
	}
	g.process, g.to, g.from = cmd, to, from.(*os.File)
	return g.listen()
}

// listen waits for an answer.
func (g *guard) listen() error {
	err := g.from.SetReadDeadline(time.Now().Add(answerIn))
	if err == nil {
		_, err = io.ReadFull(g.from, make([]byte, len(answer)))
	}
	if err != nil {
		return fmt.Errorf("the guard does not answer: %w", err)
	}
	return nil
}

// tell is done when the guard will read it, even if this process dies at once.
func (g *guard) tell(m message) error {
	if g == nil {
		return nil
	}
	if err := g.start(); err != nil {
		return err
	}
	text, err := json.Marshal(m)
	if err == nil {
		_, err = g.to.Write(text) // at once: less than the pipe takes as one
	}
	if err != nil {
		return fmt.Errorf("tell the guard, another process of this program: %v", err) // not as of a file of the flash
	}
	return nil
}

// ask tells it, and waits until it has done what it does about it.
func (g *guard) ask(m message) error {
	if g == nil {
		return nil
	}
	if err := g.tell(m); err != nil {
		return err
	}
	return g.listen()
}

// end ends it: with a good-bye, or without, for it to do what is left.
func (g *guard) end(clean bool) {
	if g == nil || g.process == nil {
		return
	}
	process := g.process
	if clean {
		_ = g.tell(message{Bye: true})
	}
	g.process = nil
	g.to.Close()
	if !clean {
		go func() { _ = process.Wait() }()
		return
	}
	late := time.AfterFunc(answerIn, func() { _ = process.Process.Kill() })
	defer late.Stop()
	_ = process.Wait() // nothing was left to it
}
