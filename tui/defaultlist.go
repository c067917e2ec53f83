package tui

import (
	"fmt"
	"slices"
	"strings"

	"holdfast/flash/grub"
	"holdfast/ops/status"
)

// groups are the entries of GRUB's menu that can be the default, each the first of its group: the
// others are its retries.
func (v *view) groups() []grub.Entry {
	if v.snap.Report == nil || v.snap.Report.Boot == nil {
		return nil
	}
	menu := v.snap.Report.Boot.Menu
	var first []grub.Entry
	for _, e := range menu.Entries {
		if group := menu.Group(e); !e.Submenu && (len(group) == 0 || same(group[0], e)) {
			first = append(first, e)
		}
	}
	return first
}

// inGroup reports whether o is e or a retry of it.
func inGroup(m grub.Menu, e, o grub.Entry) bool {
	return same(e, o) || slices.ContainsFunc(m.Group(e), func(g grub.Entry) bool { return same(g, o) })
}

// same reports whether two entries of a menu are the same one: not every entry has a number.
func same(a, b grub.Entry) bool { return a.Key == b.Key && a.Title == b.Title && a.ID == b.ID }

func (v *view) savedName(e grub.Entry) string {
	b := v.snap.Report.Boot
	return b.Menu.Name(e, b.Saved.Entry())
}

// list shows what there is to choose, and below it, where there is room, what is saved and where.
func (s *defaultScreen) list(width, height int) []line {
	v := s.view
	lines := []line{v.theme.heading("boot default", width)}
	groups := v.groups()
	if len(groups) == 0 {
		lines = append(lines, labelledIn("", unknownBoot(v.snap.Report), 0, width, bad)...)
		return append(lines, nil, line{{"Esc goes back.", title}})
	}
	question := []line{nil, {{"Enter shows the plan, Esc goes back.", title}}}
	room := height - len(lines) - len(question)
	table := s.table.View(groupColumns, v.groupRows(groups), s.at(groups), width, min(len(groups)+1, max(room, 2)))
	lines = append(lines, table...)
	about := append([]line{nil}, v.nextBoot(width)...)
	about = append(about, labelled("saved", whereSaved(v.snap.Report), labelWidth, width)...)
	if room -= len(table); room > 1 {
		lines = append(lines, about[:min(room, len(about))]...)
	}
	return append(lines, question...)
}

var groupColumns = []column{{"BOOTS", 11, 0}, {"ENTRY", 5, 2}, {"VERSION", 7, 3}, {"TITLE", 8, 1}, {"STATE", 16, 0}}

// groupRows are the entries with what the flash says of their images.
func (v *view) groupRows(groups []grub.Entry) []row {
	r := v.snap.Report
	var rows []row
	for _, e := range groups {
		img, ok := r.Image(e.Slot)
		var state []string
		worth := normal
		if ok {
			state, worth = []string{choosable(img)}, worthStyle(img)
		}
		if v.savedName(e) == "" {
			state = []string{"cannot be named"}
		}
		state = append(state, marks(r, func(o grub.Entry) bool { return inGroup(r.Boot.Menu, e, o) })...)
		rows = append(rows, row{[]string{dash(e.Slot), dash(e.Key), dash(img.Version), e.Title, dash(strings.Join(state, ", "))}, worth})
	}
	return rows
}

// choosable is what an image is worth as the default.
func choosable(img status.Image) string {
	if img.Broken != "" {
		return worth(img) + ", no choice"
	}
	return worth(img)
}

// whereSaved is what is saved, and the place on the disk.
func whereSaved(r *status.Report) string {
	b := r.Boot
	text := quoted(b.Saved.Entry())
	if once := b.Saved.Once(); once != "" {
		text += ", once " + quoted(once)
	}
	if b.Place.Path == "" {
		text += " behind the MBR"
	} else {
		text += " in " + b.Place.Path
	}
	switch b.Blocks.Count {
	case 0:
	case 1:
		text += fmt.Sprintf(", sector %d", b.Blocks.Sector)
	default:
		text += ", sectors " + b.Blocks.String()
	}
	vol := r.Target.GRUB.Volume
	switch {
	case vol == nil:
		return text
	case vol.Disk == "": // a directory of which no more is known
		return text + " of " + vol.Name
	case vol.Partition > 0 && b.Place.Path != "":
		text += fmt.Sprintf(" of partition %d", vol.Partition)
	}
	return text + " of " + vol.Disk
}
