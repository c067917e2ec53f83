package volume

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// Choice is which of the volumes that were seen is the flash, and which has GRUB's files.
type Choice struct {
	Flash Seen
	Boot  *Seen  // nil when there is no single one
	Note  string // what was taken for the word, where it names nothing itself; else ""
}

// Choose chooses the flash: the volume that word, the value of flash=, names, or with "" the only
// one that holds a flash's layout. It never chooses among several: then, and when there is none, it
// says why.
func Choose(list []Seen, word string) (Choice, *Ambiguous) {
	c, problem := chooseFlash(list, word)
	if problem != nil {
		return Choice{}, problem
	}
	c.Boot, _ = chooseBoot(list, c.Flash)
	return c, nil
}

func chooseFlash(list []Seen, word string) (Choice, *Ambiguous) {
	if word != "" {
		return named(list, word)
	}
	flashes := having(list, aFlash)
	if len(flashes) != 1 {
		return Choice{}, none("", list, aFlash)
	}
	return Choice{Flash: flashes[0]}, nil
}

// named chooses the volume that flash= names. A name that no device has may be another kernel's: the
// old IDE drivers called hda what is sda now. The number of the partition is the same for all.
func named(list []Seen, word string) (Choice, *Ambiguous) {
	target := "flash=" + word
	match := matching(list, word)
	switch {
	case len(match) > 1:
		return Choice{}, &Ambiguous{Target: target, Candidates: texts(match), Reason: "that is each of " + strings.Join(texts(match), ", ")}
	case len(match) == 1 && !match[0].Flash:
		return Choice{}, &Ambiguous{Target: target, Reason: match[0].why(aFlash), Err: match[0].Err}
	case len(match) == 1:
		return Choice{Flash: match[0]}, nil
	}
	return renamed(list, word)
}

func renamed(list []Seen, word string) (Choice, *Ambiguous) {
	a := &Ambiguous{Target: "flash=" + word, Reason: "no such partition; there is " + names(list)}
	n, ok := partitionOf(strings.TrimPrefix(word, "/dev/"))
	if !ok {
		return Choice{}, a
	}
	var same []Seen
	for _, s := range having(list, aFlash) {
		if s.Partition == n {
			same = append(same, s)
		}
	}
	switch len(same) {
	case 0:
		return Choice{}, a
	case 1:
		return Choice{Flash: same[0], Note: fmt.Sprintf("flash=%s: there is no such device; took %s, the only flash with that partition number", word, same[0].Name)}, nil
	}
	a.Candidates = texts(same)
	a.Reason = "no such partition; it could be each of " + strings.Join(a.Candidates, ", ")
	return Choice{}, a
}

// deviceName are the names that the kernel's drivers give to disks and their partitions. Most runs
// need no such name, and should not wait for it at their start.
var deviceName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:(?:hd|sd|vd|xvd|ub)[a-z]+([0-9]*)|(?:mmcblk[0-9]+|nvme[0-9]+n[0-9]+)(?:p([0-9]+))?)$`)
})

// partitionOf is the number of a partition by its device's name, 0 of a whole disk. Not ok means a
// name that is no disk's.
func partitionOf(name string) (n int, ok bool) {
	m := deviceName().FindStringSubmatch(name)
	if m == nil {
		return 0, false
	}
	digits := m[1] + m[2]
	if digits == "" {
		return 0, true
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil
}

func matching(list []Seen, word string) []Seen {
	var match []Seen
	for _, s := range list {
		if s.matches(word) {
			match = append(match, s)
		}
	}
	return match
}

// matches reports whether a value of flash= names the volume.
func (s Seen) matches(word string) bool {
	if id, ok := strings.CutPrefix(word, "UUID="); ok {
		return s.UUID != "" && strings.EqualFold(id, s.UUID)
	}
	if label, ok := strings.CutPrefix(word, "LABEL="); ok {
		return s.Label != "" && label == s.Label
	}
	return strings.TrimPrefix(word, "/dev/") == s.Name
}

// chooseBoot is where GRUB's files are: on the flash itself, else on its disk, else on the only
// other volume that has them.
func chooseBoot(list []Seen, flash Seen) (*Seen, *Ambiguous) {
	if flash.GRUB {
		return &flash, nil
	}
	var same, other []Seen
	for _, s := range list {
		if s.Disk == flash.Disk {
			same = append(same, s)
		} else {
			other = append(other, s)
		}
	}
	for _, group := range [][]Seen{same, other} {
		switch found := having(group, grubFiles); {
		case len(found) == 1:
			return &found[0], nil
		case len(found) > 1:
			return nil, none("GRUB's files", group, grubFiles) // which one GRUB came from cannot be told
		}
	}
	return nil, none("GRUB's files", list, grubFiles)
}

func having(list []Seen, c content) []Seen {
	var some []Seen
	for _, s := range list {
		if s.has(c) {
			some = append(some, s)
		}
	}
	return some
}

func texts(list []Seen) []string {
	var texts []string
	for _, s := range list {
		texts = append(texts, s.String())
	}
	return texts
}

func names(list []Seen) string {
	if len(list) == 0 {
		return "no disk at all"
	}
	var names []string
	for _, s := range list {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}
