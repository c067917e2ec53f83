package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"holdfast/flash"
)

// shelf says which image is in which directory. An image is named by the directory in which it was
// when somebody first looked; contents alone would not tell two copies of an image from each other.
type shelf map[string]string

// find is the directory in which an image is now.
func (s shelf) find(image string) string {
	for dir, in := range s {
		if in == image {
			return dir
		}
	}
	return ""
}

// goal is which images are to be in the slots; "" for an empty slot.
type goal struct{ active, backup string }

func (g goal) has(image string) bool { return image == g.active || image == g.backup }

// move is one change of names, which a file system makes whole or not at all.
type move struct {
	from, to string // to is "" for an image that is deleted to have its place
	exchange bool
}

func (m move) String() string {
	switch {
	case m.to == "":
		return "delete " + m.from
	case m.exchange:
		return "exchange " + m.from + " " + m.to
	}
	return "rename " + m.from + " " + m.to
}

func (m move) apply(s shelf) {
	from, to := s[m.from], s[m.to]
	delete(s, m.from)
	if m.to != "" {
		s[m.to] = from
	}
	if m.exchange {
		s[m.from] = to
	}
}

// next is the next move on the way from s to g; ok is false when s has arrived. It remembers nothing, so
// that a way which was interrupted is gone on from where it is. An image that is in a slot and is to be in
// one is never without a slot on the way. Where that cannot be, as two images change places by renaming,
// it is so of the image keep.
func (g goal) next(s shelf, exchange bool, keep string) (m move, ok bool) {
	active, backup := s[flash.Active], s[flash.Backup]
	bring := func(image, slot string) move {
		switch src := s.find(image); {
		case s[slot] == "":
			return move{from: src, to: slot}
		case image != "" && exchange:
			return move{from: src, to: slot, exchange: true}
		}
		return g.aside(s, slot)
	}
	switch {
	case active == g.active && backup == g.backup:
		return move{}, false
	case g.backup != "" && active == g.backup: // it steps back, once its successor is beside it
		switch {
		case backup == "" && (g.active == "" || !exchange):
			return move{from: flash.Active, to: flash.Backup}, true
		case backup != g.active && g.active != "" && exchange:
			return bring(g.active, flash.Backup), true
		case backup != g.active:
			return g.aside(s, flash.Backup), true
		case exchange:
			return move{from: flash.Active, to: flash.Backup, exchange: true}, true
		case keep == backup:
			return g.aside(s, flash.Active), true
		}
		return g.aside(s, flash.Backup), true
	case active != g.active:
		return bring(g.active, flash.Active), true
	}
	return bring(g.backup, flash.Backup), true
}

// aside takes the image out of a slot. What has a place to come back from is in hold, the rest in trash.
func (g goal) aside(s shelf, slot string) move {
	names := []string{flash.Trash, flash.Hold, flash.Incoming}
	if g.has(s[slot]) {
		names = []string{flash.Hold, flash.Trash, flash.Incoming}
	}
	for _, name := range names {
		if s[name] == "" {
			return move{from: slot, to: name}
		}
	}
	// Of the three, at most two are of images that are needed, as the slots take no more.
	needless := slices.IndexFunc(names, func(name string) bool { return !g.has(s[name]) })
	return move{from: names[needless]}
}

var errNoExchange = errors.New("this file system does not exchange names")

// arrange moves images until the slots are as g says, and waits for the device: also when there is nothing
// to move, as somebody may have been killed between the moves and the waiting.
func (t *Tree) arrange(s shelf, g goal, keep string) error {
	for {
		m, ok := g.next(s, t.exchange, keep)
		if !ok {
			break
		}
		err := t.move(m)
		if errors.Is(err, errNoExchange) {
			t.exchange = false
			continue
		}
		if err != nil {
			return err
		}
		m.apply(s)
	}
	return t.barrier(AfterSwap)
}

func (t *Tree) move(m move) error {
	switch {
	case m.to == "":
		return t.delete(m.from)
	case !m.exchange:
		return t.rename(m.from, m.to)
	}
	if err := t.change(); err != nil {
		return err
	}
	if err := exchangeNames(t.images, m.from, m.to); err != nil {
		return fmt.Errorf("exchange %s and %s: %w", t.path(m.from), t.path(m.to), err)
	}
	return nil
}

// shelf looks which directories there are; one that is empty takes a place too.
func (t *Tree) shelf() (shelf, error) {
	s := shelf{}
	for _, dir := range []string{flash.Active, flash.Backup, flash.Hold, flash.Incoming, flash.Trash} {
		there, err := t.exists(dir)
		if err != nil {
			return nil, err
		}
		if there {
			s[dir] = dir
		}
	}
	return s, nil
}

// Take makes a staged version the incoming image, for Arrange. It changes nothing yet: Arrange says in
// the record what is about to happen before the version loses its name.
func (t *Tree) Take(version string) error {
	f, err := t.read()
	if err != nil {
		return err
	}
	for _, img := range f.Staged {
		if img.Name == version {
			t.taken = version
			return t.Clear()
		}
	}
	return fmt.Errorf("take %s: no such version on the flash", version)
}

// Arrange moves whole images between incoming, active and backup, so that afterwards the pair is p.After:
// record, barrier, swap, barrier. An image that is in a slot before and after is in one at every instant;
// of two that change places where names cannot be exchanged, the one that is worth more. damaged are the slots whose
// image is known not to be whole.
// What fell out is in incoming, hold or trash, for Clear. The error wraps ErrChanged when the slots are not as
// p.Before says, or an image of p.After is not there.
func (t *Tree) Arrange(p flash.Pending, damaged ...string) error {
	taken := t.taken
	t.taken = ""
	f, err := t.read()
	if err != nil {
		return err
	}
	s, err := t.shelf()
	if err != nil {
		return err
	}
	images := map[string]flash.Image{}
	for _, img := range append(f.Slots, f.Left...) {
		images[img.Name] = img
	}
	place := flash.Incoming
	if s[place] != "" {
		place = flash.Hold // beside the empty directory of a vfat
	}
	if taken != "" {
		for _, img := range f.Staged {
			if img.Name == taken {
				images[place], s[place] = img, place
			}
		}
	}
	g, err := route(s, images, p)
	if err != nil {
		return err
	}
	if err := t.Write(func(r *flash.Record) { r.Pending = &p }); err != nil {
		return err
	}
	if taken != "" {
		if err := t.rename(taken, place); err != nil {
			return err
		}
	}
	if t.staging != nil {
		t.staging.moved = true // what is in incoming from now on is for Clear or Recover
	}
	value := func(slot string) int {
		if slices.Contains(damaged, slot) {
			return 0
		}
		return worth(images[slot].Entry.State)
	}
	keep := flash.Active
	if value(flash.Backup) > value(flash.Active) {
		keep = flash.Backup
	}
	return t.arrange(s, g, keep)
}

// route finds the images of p.After. A new image is beside the slots, even if there is another copy of it in them.
func route(s shelf, images map[string]flash.Image, p flash.Pending) (g goal, err error) {
	now := flash.Pair{Active: images[flash.Active].ID, Backup: images[flash.Backup].ID}
	if now != p.Before {
		return g, fmt.Errorf("arrange the slots: %w: other images are in them than before", ErrChanged)
	}
	pick := func(id flash.ID, slot string, except string) (string, error) {
		if id.IsZero() && images[slot].ID.IsZero() {
			return s[slot], nil // an empty directory may stay
		}
		for _, dir := range []string{flash.Incoming, flash.Hold, slot, flash.Active, flash.Backup} {
			if !id.IsZero() && s[dir] != "" && dir != except && images[dir].ID == id {
				return dir, nil
			}
		}
		if id.IsZero() {
			return "", nil
		}
		return "", fmt.Errorf("arrange the slots: %w: image %s is not there", ErrChanged, id)
	}
	if g.active, err = pick(p.After.Active, flash.Active, ""); err != nil {
		return g, err
	}
	g.backup, err = pick(p.After.Backup, flash.Backup, g.active)
	if p.After == p.Before && g == (goal{s[flash.Active], s[flash.Backup]}) {
		// Copies of one image change places, of which one is damaged, or nobody would ask for it.
		g = goal{s[flash.Backup], s[flash.Active]}
	}
	return g, err
}

// worth orders the states of images: what is worth less gives way.
func worth(s flash.State) int {
	return cmp.Or(map[flash.State]int{flash.Confirmed: 5, flash.Untold: 4, flash.Trial: 3, flash.Bad: 2}[s], 1)
}
