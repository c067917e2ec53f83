package tui

import (
	"context"
	"sync"
	"time"

	"holdfast/tui/terminal"
)

// crew is the sessions of all consoles.
type crew struct {
	sessions []*session

	mu     sync.Mutex
	cancel context.CancelFunc // ends the sessions; nil while none runs
	wg     sync.WaitGroup
}

func newCrew(o Options, h *hub) *crew {
	c := &crew{}
	for _, console := range o.Consoles {
		c.sessions = append(c.sessions, &session{console: console, options: o, hub: h, mail: newMailbox()})
	}
	return c
}

// start takes every console that is not taken.
func (c *crew) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	for _, s := range c.sessions {
		c.wg.Add(1)
		go func() {
			defer c.wg.Done()
			s.run(ctx)
		}()
	}
}

// stop gives every console back. A shell that runs on one ends: the machine is about to be left.
func (c *crew) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel == nil {
		return
	}
	c.cancel()
	c.wg.Wait()
	c.cancel = nil
}

func (c *crew) show(s *Snapshot) {
	for _, each := range c.sessions {
		each.mail.put(s)
	}
}

// print writes text on every console at once, for as long as a line of 9600 baud needs for it.
func (c *crew) print(text string) {
	limit := time.Second + time.Duration(len(text))*10*time.Second/9600
	var wg sync.WaitGroup
	for _, s := range c.sessions {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := terminal.Print(s.console, text, limit); err != nil {
				s.hub.tell("%s: %v", s.console.Name, err)
			}
		}()
	}
	wg.Wait()
}
