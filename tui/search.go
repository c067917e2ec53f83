package tui

import "holdfast/ops/archive"

// Archives is what is known of archives that could be installed.
type Archives struct {
	Looking bool            // they are looked for
	Looked  bool            // they have been: List is what was found last
	List    []archive.Found // newest first
	Problem string          // what could not be looked at
}

// findArchives looks for them elsewhere: a stick may be slow. Another console may be looking already.
func (h *hub) findArchives() {
	if h.state.Archives.Looking || h.state.Action != nil {
		return
	}
	if h.o.Archives == nil {
		h.state.Archives = Archives{Looked: true}
		return
	}
	h.state.Archives.Looking = true
	h.readers.Add(1)
	h.spawn(func() func() {
		defer h.readers.Done()
		list, err := h.o.Archives(h.ctx)
		return func() {
			h.state.Archives = Archives{Looked: true, List: list}
			if err != nil {
				h.state.Archives.Problem = err.Error()
				h.say("archives: %v", err)
			}
		}
	})
}
