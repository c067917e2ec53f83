package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"

	"holdfast/tui/terminal"
)

const (
	fps      = 60          // the first frame waits for one tick; a slow line skips frames
	patience = time.Second // for a program to end by itself, before its line is cut
	retryMin = 250 * time.Millisecond
	retryMax = 8 * time.Second
)

// session keeps one console: it takes it, runs a program on it, and does so again when the line was
// lost or a shell has been on it.
type session struct {
	console terminal.Console
	options Options
	hub     *hub
	mail    *mailbox
	crashes int
	asked   bool // its size is what the terminal answered, if it did
}

// ending is why a program ended.
type ending int

const (
	ended   ending = iota // we were told to
	toShell               // the operator wants a shell
	lost                  // the line was hung up, or the program crashed
)

// run is the session's life, until ctx ends.
func (s *session) run(ctx context.Context) {
	wait, said := retryMin, false
	for ctx.Err() == nil {
		begun := time.Now()
		why, err := s.show(ctx)
		switch {
		case why == toShell:
			s.request(request{kind: stopCountdown}) // somebody works here
			s.shell(ctx)
			s.request(request{kind: shellEnded})
			continue
		case why == ended:
			return
		case !s.options.Stage || errors.Is(err, tea.ErrProgramPanic) && s.crashed():
			s.hub.fail(fmt.Errorf("console %s: %w", s.console.Name, err))
			return
		}
		var held *terminal.HeldError
		if time.Since(begun) > retryMax {
			wait, said = retryMin, false
		} else if errors.As(err, &held) {
			wait = retryMin // a person is about to end that shell, and looks at the screen
		}
		if !said { // a line that nobody has plugged in fails for ever
			s.hub.tell("%s: %v; it is tried again", s.console.Name, err)
			said = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, retryMax)
	}
}

// crashed counts the program's own failures: who starts us has another console to offer when this
// one does not work.
func (s *session) crashed() bool {
	s.crashes++
	return s.crashes >= 3
}

func (s *session) shell(ctx context.Context) {
	s.hub.tell("%s: shell", s.console.Name)
	if err := terminal.RunShell(ctx, s.console, s.options.Shell); err != nil {
		s.hub.tell("%s: %v", s.console.Name, err)
	}
}

// show takes the console and runs one program on it.
func (s *session) show(ctx context.Context) (ending, error) {
	tty, err := terminal.Open(s.console)
	if err != nil {
		return lost, err
	}
	defer tty.Close()
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	var size window
	w, h, known := tty.Size()
	size.set(w, h)
	model := newRoot(s.console, s.options, s.request)
	if !known || s.asked {
		s.asked = true
		model.probe = func(w, h int) {
			size.set(w, h)
			tty.SetSize(w, h)
			// A shell, and the next program after it, find the line without a size again.
			s.console.Width, s.console.Height = w, h
		}
	}
	p := tea.NewProgram(model,
		tea.WithContext(inner),
		tea.WithInput(terminal.Input(tty, func(err error) { cancel(fmt.Errorf("read: %w", err)) })),
		tea.WithOutput(tty.Output()),
		// SSH_TTY keeps bubbletea from asking for modes that no plain terminal has.
		tea.WithEnvironment([]string{"TERM=" + s.console.Term, "SSH_TTY=1"}),
		tea.WithColorProfile(profile(s.console)),
		tea.WithWindowSize(w, h),
		tea.WithFPS(fps),
		tea.WithoutSignalHandler(),
		tea.WithFilter(size.filter),
	)
	if s.options.Stage { // whatever GRUB, a kernel or a cut connection left the terminal in
		_ = tty.WriteLimited(terminal.Reset, patience)
	}
	err = s.drive(inner, p, tty, &size)
	_ = tty.WriteLimited(s.console.Leave(), patience)
	return s.why(ctx, inner, model, err)
}

// why tells how a program ended.
func (s *session) why(ctx, inner context.Context, m *root, err error) (ending, error) {
	switch {
	case ctx.Err() != nil:
		return ended, nil
	case errors.Is(err, tea.ErrProgramPanic):
		return lost, err
	case context.Cause(inner) != nil:
		return lost, context.Cause(inner)
	case m.wantShell:
		return toShell, nil
	case err == nil:
		err = errors.New("the program ended")
	}
	return lost, err
}

// drive runs the program, brings it the news, and cuts its line when it does not end in time: a
// write to a stalled line would wait for ever.
func (s *session) drive(ctx context.Context, p *tea.Program, tty *terminal.Tty, size *window) error {
	done := make(chan struct{})
	var helpers sync.WaitGroup
	helpers.Add(2)
	go func() {
		defer helpers.Done()
		s.deliver(ctx, done, p, tty, size)
	}()
	go func() {
		defer helpers.Done()
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		select {
		case <-done:
		case <-time.After(patience):
			tty.Interrupt()
		}
	}()
	_, err := p.Run()
	close(done)
	helpers.Wait()
	return err
}

// deliver sends the program the latest snapshot whenever there is a new one, and its size when it
// changes. Sending waits while the line is slow; what came meanwhile is passed over.
func (s *session) deliver(ctx context.Context, done chan struct{}, p *tea.Program, tty *terminal.Tty, size *window) {
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)
	if latest := s.mail.latest.Load(); latest != nil {
		p.Send(snapshotMsg{latest})
	}
	for {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-s.mail.news:
			p.Send(snapshotMsg{s.mail.latest.Load()})
		case <-resized:
			if w, h, known := tty.Size(); known && size.set(w, h) {
				p.Send(tea.WindowSizeMsg{Width: w, Height: h})
			}
		}
	}
}

// request hands a request to the hub. It waits, so it belongs into a command.
func (s *session) request(r request) {
	r.console = s.console.Name
	select {
	case s.hub.requests <- r:
	case <-s.hub.ctx.Done():
	}
}

// window is the size that is true for a program. Noise on the line can read as a report of another
// one, or switch on what the terminal does not have.
type window struct{ packed atomic.Int64 }

// set reports whether the size is another one now.
func (w *window) set(width, height int) bool {
	n := int64(width)<<32 | int64(height)
	return w.packed.Swap(n) != n
}

// filter passes to the program what can be true.
func (w *window) filter(_ tea.Model, msg tea.Msg) tea.Msg {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		if int64(msg.Width)<<32|int64(msg.Height) != w.packed.Load() {
			return noiseMsg{}
		}
	case tea.ModeReportMsg, tea.CapabilityMsg, tea.MouseMsg, tea.PasteMsg, tea.PasteStartMsg, tea.PasteEndMsg,
		tea.TerminalVersionMsg, tea.KeyboardEnhancementsMsg, tea.ClipboardMsg:
		return noiseMsg{}
	}
	return msg
}
