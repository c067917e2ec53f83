package install

import (
	"errors"
	"fmt"
	"strings"

	"holdfast/flash"
	"holdfast/ops"
	"holdfast/ops/safety"
	"holdfast/ops/status"
)

// slack is what a new image takes besides its bytes: its directory, the last block of each file, and,
// on a file system without extents, a block of addresses for every 256 of 1 KiB.
func slack(need int64) int64 { return 64<<10 + need/128 }

// freeBytes is what is free on the flash; negative when that is not known. What operations have left
// behind goes before anything is written.
func freeBytes(r *status.Report) int64 {
	if r.Target.Volume == nil {
		return -1
	}
	free, err := r.Target.Volume.Free()
	if err != nil {
		return -1
	}
	for _, i := range r.Left {
		free += i.Size
	}
	return free
}

// makeRoom finds what has to go first: as little of what may go as is enough.
func (p *Plan) makeRoom() {
	p.free = freeBytes(p.report)
	if p.free < 0 || p.need == 0 {
		return
	}
	free := p.free
	var names []string
	for _, name := range p.spare() {
		if free >= p.need+slack(p.need) {
			break
		}
		i, _ := p.report.Image(name)
		free += i.Size
		names = append(names, name)
	}
	p.room = strings.Join(names, "\n")
}

// spare is what may go to make room for this image.
func (p Plan) spare() []string {
	victim := p.slot
	if victim == "" {
		victim = flash.Factory // which never goes: what is only staged replaces nothing
	}
	return safety.SpareFor(p.report, p.request.Session.Booted, victim)
}

// Room names what has to be removed first; empty when there is room. Apply refuses without MakeRoom.
func (p Plan) Room() []string {
	if p.room == "" {
		return nil
	}
	return strings.Split(p.room, "\n")
}

// short reports that there is too little room, with all that may go gone.
func (p Plan) short() bool {
	if p.free < 0 || p.need == 0 {
		return false
	}
	free := p.free
	for _, name := range p.Room() {
		i, _ := p.report.Image(name)
		free += i.Size
	}
	return free < p.need+slack(p.need)
}

// checkRoom refuses when there is no room, or none without removing what nobody has agreed to.
func (p Plan) checkRoom() error {
	switch {
	case p.short():
		return &ops.Error{Kind: ops.NoSpace, Op: op, Err: fmt.Errorf("the image takes about %s, and %s are free", mib(p.need), mib(p.free)), Hint: p.shortHint()}
	case p.room != "" && !p.request.MakeRoom:
		return &ops.Error{Kind: ops.NoSpace, Op: op, Err: fmt.Errorf("the image takes about %s, and %s are free", mib(p.need), mib(p.free)),
			Hint: "to remove " + strings.Join(p.Room(), " and ") + " first: --make-room"}
	}
	return nil
}

// shortHint says what to do when all that may go is too little.
func (p Plan) shortHint() string {
	if spare := p.spare(); len(spare) > 0 {
		return "it would not fit without " + strings.Join(spare, " and ") + " either: make the image smaller, or the flash larger"
	}
	return "nothing on the flash may go for it: make the image smaller, or the flash larger"
}

// noSpace is the error of a full flash, with what could go.
func (p Plan) noSpace(err error) error {
	if err == nil {
		err = errors.New("the flash is full")
	}
	hint := "nothing on the flash may go for it"
	if spare := p.spare(); len(spare) > 0 {
		hint = "could be removed: " + strings.Join(spare, ", ") + "; holdfast remove NAME"
	}
	return &ops.Error{Kind: ops.NoSpace, Op: op, Err: err, Hint: hint}
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
