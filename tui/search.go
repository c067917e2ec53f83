package tui

import (
	"time"

	"holdfast/ops/archive"
)

// Archive is an image archive that was found on a volume of the machine.
type Archive struct {
	Source archive.Source
	File   string // with its folder
	Where  string // the volume: `sdb1 (vfat, label "STICK")`
	At     time.Time
}

// Archives is what is known of archives that could be installed.
type Archives struct {
	Looking bool      // they are looked for
	Looked  bool      // they have been: List is what was found last
	List    []Archive // newest first
	Problem string    // what could not be looked at
}

// findArchives looks for them elsewhere: a stick may be slow. Another console may be looking already.
func (h *hub) findArchives() {
	if h.state.Archives.Looking {
		return
	}
	if h.o.Archives == nil {
		h.state.Archives = Archives{Looked: true}
		return
	}
	h.state.Archives.Looking = true
	h.spawn(func() func() {
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
