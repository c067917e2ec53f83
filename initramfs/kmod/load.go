package kmod

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Load is what modules to put into an archive and load, and why.
type Load struct {
	Files   []string // relative to Tree.Dir, in load order
	Builtin []string // names asked for that the kernel has built in
	Added   []string // names that companions brought, with the reason: "sd_mod: disks behind ata_piix"
}

// companions are modules that a driver is of no use without although no dependency names them. They
// load after a module whose file matches, where the kernel has them as modules.
var companions = []struct {
	file    string // pattern of path.Match, without compression
	modules []string
	purpose string
}{
	{"kernel/drivers/ata/*.ko", []string{"sd_mod"}, "disks behind"},
	{"kernel/drivers/scsi/*.ko", []string{"sd_mod"}, "disks behind"},
	{"kernel/drivers/scsi/*/*.ko", []string{"sd_mod"}, "disks behind"},
	{"kernel/drivers/message/fusion/*.ko", []string{"sd_mod"}, "disks behind"},
	{"kernel/drivers/usb/storage/*.ko", []string{"sd_mod"}, "disks behind"},
	{"kernel/drivers/*/virtio?*.ko", []string{"virtio_pci"}, "the bus of"},
	{"kernel/fs/fat/*.ko", []string{"nls_cp437", "nls_ascii", "nls_iso8859_1"}, "default code pages of"},
}

// Load finds the files of the named modules with everything they need. Names may be spelt with '-' or
// '_'. A built-in module is noted; one that is neither there nor built in is an error that lists names
// like it.
func (t *Tree) Load(names []string) (Load, error) {
	l := loader{tree: t, visited: map[string]bool{}, listed: map[string]bool{}}
	for _, name := range names {
		name = Name(name)
		m, ok := t.modules[name]
		if !ok && t.builtin[name] {
			l.Builtin = append(l.Builtin, name)
			continue
		}
		if !ok {
			return Load{}, t.unknown(name)
		}
		if err := l.module(name); err != nil {
			return Load{}, err
		}
		if err := l.companions(name, m.file); err != nil {
			return Load{}, err
		}
	}
	return l.Load, nil
}

func (t *Tree) unknown(name string) error {
	if near := t.near(name); len(near) > 0 {
		return fmt.Errorf("kernel %s has no module %q; it has %s", t.Version, name, strings.Join(near, ", "))
	}
	return fmt.Errorf("kernel %s has no module %q", t.Version, name)
}

type loader struct {
	Load
	tree    *Tree
	visited map[string]bool // names whose dependencies are listed
	listed  map[string]bool // files
}

// module lists name after all that it needs: for each dependency and at last for itself, first its
// soft "pre" dependencies, then the file, then its "post" ones (libkmod's kmod_module_get_probe_list).
func (l *loader) module(name string) error {
	m := l.tree.modules[name]
	if l.visited[name] {
		return nil
	}
	l.visited[name] = true
	for _, file := range append(slices.Clone(m.needs), m.file) {
		soft := l.tree.soft[Name(file)]
		if err := l.soft(soft.pre); err != nil {
			return err
		}
		if _, ok := l.tree.modules[Name(file)]; !ok {
			return fmt.Errorf("%s/modules.dep: %s needs %s, which is not listed", l.tree.Dir, name, file)
		}
		if !l.listed[file] {
			l.listed[file] = true
			l.Files = append(l.Files, file)
		}
		if err := l.soft(soft.post); err != nil {
			return err
		}
	}
	return nil
}

// soft lists modules that should be there, by name or alias, and passes over those that are not.
func (l *loader) soft(names []string) error {
	for _, name := range names {
		name = Name(name)
		targets := []string{name}
		if _, ok := l.tree.modules[name]; !ok {
			targets = l.tree.aliases[name]
		}
		for _, target := range targets {
			if _, ok := l.tree.modules[target]; !ok {
				continue
			}
			if err := l.module(target); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loader) companions(name, file string) error {
	plain, _, _ := strings.Cut(file, ".ko")
	for _, c := range companions {
		if ok, _ := path.Match(c.file, plain+".ko"); !ok {
			continue
		}
		for _, other := range c.modules {
			m, ok := l.tree.modules[other]
			if !ok || l.listed[m.file] {
				continue
			}
			if err := l.module(other); err != nil {
				return err
			}
			l.Added = append(l.Added, fmt.Sprintf("%s: %s %s", other, c.purpose, name))
		}
	}
	return nil
}

// near gives at most five names that look like name, best first.
func (t *Tree) near(name string) []string {
	type candidate struct {
		name string
		far  int
	}
	var found []candidate
	for other := range t.modules {
		far := distance(name, other)
		if strings.Contains(other, name) || strings.Contains(name, other) && len(other) > 3 {
			far = min(far, 2)
		}
		if far <= 2 {
			found = append(found, candidate{other, far})
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name))
	})
	var names []string
	for _, c := range found[:min(5, len(found))] {
		names = append(names, c.name)
	}
	return names
}

// distance is how many letters must be changed, added or dropped to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
