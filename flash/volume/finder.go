package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Finder looks at the volumes of this machine, at each once. Disks come and go: whoever waits for
// one calls Pass again.
type Finder struct {
	machine machine
	also    string // a disk to look at although no flash can be on one of that kind
	seen    map[string]Seen
}

// NewFinder has seen nothing yet.
func NewFinder() *Finder { return &Finder{machine: thisMachine()} }

// Pass looks at what has come since the last pass, forgets what has gone, and reports whether there
// was either.
func (f *Finder) Pass() (changed bool, err error) {
	list, err := f.machine.volumes(f.also)
	if err != nil {
		return false, err
	}
	if f.seen == nil {
		f.seen = map[string]Seen{}
	}
	there := map[string]bool{}
	for _, b := range list {
		there[b.name] = true
		if _, ok := f.seen[b.name]; ok {
			continue
		}
		if _, err := os.Stat(f.machine.node(b.name)); errors.Is(err, fs.ErrNotExist) {
			continue // the node comes a little later
		}
		f.seen[b.name] = f.machine.look(b)
		changed = true
	}
	for name := range f.seen {
		if !there[name] {
			delete(f.seen, name)
			changed = true
		}
	}
	return changed, nil
}

// look opens a volume, looks, and closes it.
func (m machine) look(b block) Seen {
	s := Seen{}
	v, err := m.openBlock(b)
	switch {
	case err == nil:
		s = v.seen()
		v.Close()
	case !errors.Is(err, errUnknown):
		s.Err = cause(err)
	}
	s.Name, s.Device, s.Disk, s.Partition = b.name, m.node(b.name), b.disk, b.partition
	return s
}

// Volumes lists what was seen, by name.
func (f *Finder) Volumes() []Seen {
	var list []Seen
	for _, s := range f.seen {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Seen) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// once looks at the machine's volumes once.
func (f *Finder) once() ([]Seen, error) {
	_, err := f.Pass()
	return f.Volumes(), err
}

// Search looks for the flash on all disks of the machine, or for the one that word names, which is
// the value of flash= on a kernel's command line: a device's name, which another kernel may have
// given (hda2 for sda2), UUID= or LABEL=; "" for none. note is "" or says what was taken for word.
func Search(word string) (v *Volume, note string, err error) { return thisMachine().search(word) }

func (m machine) search(word string) (*Volume, string, error) {
	list, err := (&Finder{machine: m}).once()
	if err != nil {
		return nil, "", err
	}
	c, none := Choose(list, word)
	if none != nil {
		if none.Target == "" {
			none.Target = "the disks of this machine"
		}
		return nil, "", none
	}
	v, err := m.openName(c.Flash.Name)
	return v, c.Note, err
}

// openName opens a volume that was seen.
func (m machine) openName(name string) (*Volume, error) {
	b, err := m.block(name)
	if err != nil {
		return nil, err
	}
	v, err := m.openBlock(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, cause(err))
	}
	return v, nil
}
