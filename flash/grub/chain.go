package grub

import (
	"slices"
	"strconv"
	"strings"
)

// First is the entry by which a slot is booted: the first of the first group that boots it.
func (m Menu) First(slot string) (Entry, bool) {
	i := slices.IndexFunc(m.Entries, func(e Entry) bool { return e.Slot == slot && slot != "" })
	if i < 0 {
		return Entry{}, false
	}
	return m.Entries[i], true
}

// Group is the entry's group: the entries for the same slot around it that follow each other, of
// which each is the retry of the one before. The maintenance console has no retries.
func (m Menu) Group(e Entry) []Entry {
	i := slices.IndexFunc(m.Entries, func(o Entry) bool { return o.same(e) })
	if i < 0 || e.Slot == "" || e.Slot == "maintenance" {
		return []Entry{e}
	}
	belongs := func(o Entry) bool { return o.Slot == e.Slot && slices.Equal(o.parents, e.parents) }
	first, end := i, i+1
	for first > 0 && belongs(m.Entries[first-1]) {
		first--
	}
	for end < len(m.Entries) && belongs(m.Entries[end]) {
		end++
	}
	return slices.Clone(m.Entries[first:end])
}

func (e Entry) same(o Entry) bool { return e.Key == o.Key && e.name() == o.name() }

// Name is how a saved default names the entry: by its number, unless what is saved now is the id or
// the title of an entry, and this one has such a name too. It is "" for an entry that cannot be named:
// without a number that is sure, and with no name that is its alone.
func (m Menu) Name(e Entry, now string) string {
	if e.Key != "" && (m.loader == legacy || !m.byName(now)) {
		return e.Key
	}
	names := []string{e.ID, e.Title}
	if found, ok := m.Find(now); ok && found.ID == "" {
		slices.Reverse(names)
	}
	for _, part := range names {
		name := strings.Join(append(slices.Clone(e.parents), escapeName(part)), ">")
		if found, ok := m.Find(name); ok && found.same(e) {
			return name
		}
	}
	return e.Key
}

// byName reports that a saved default names an entry by other than its number.
func (m Menu) byName(saved string) bool {
	e, ok := m.Find(saved)
	return ok && saved != e.Key
}

// Boots is the entry that GRUB takes at the next start, and whether that is known. A default that
// names no entry means the first one, or in GRUB Legacy the first fallback; a submenu means the first
// entry in it.
func (m Menu) Boots(s Saved) (Entry, bool) {
	e, _, ok := m.start(s, s.Entry(), s.Once())
	return e, ok
}

// start is where GRUB starts, and how many of the fallback entries it has used up by that.
func (m Menu) start(s Saved, entry, once string) (e Entry, used int, ok bool) {
	if s2, is := s.(Stage2Sector); is && s2.Retry() && m.Saved && entry == s2.Entry() {
		return Entry{}, 0, false
	}
	name := m.Default
	if m.Saved && entry != "" {
		name = entry
	}
	if m.once && once != "" {
		name = once
	}
	if e, ok := m.Find(name); ok {
		e, ok = m.into(e)
		return e, 0, ok
	}
	switch {
	case m.doubt || name != "" && !onlyDigits(name) && isDigit(name[0]):
		return Entry{}, 0, false
	case m.loader == legacy && len(m.Fallback) > 0:
		e, ok = m.Find(m.Fallback[0])
		return e, 1, ok
	}
	e, ok = m.top(0)
	if ok {
		e, ok = m.into(e)
	}
	return e, 0, ok
}

func onlyDigits(s string) bool {
	_, err := strconv.ParseUint(s, 10, 31)
	return err == nil && (s == "0" || s[0] != '0')
}

// into goes into submenus, as GRUB 2 does when one is the default: it boots the first entry in it.
func (m Menu) into(e Entry) (Entry, bool) {
	for e.Submenu {
		inner, ok := m.Find(e.Key + ">0")
		if !ok || e.Key == "" {
			return Entry{}, false
		}
		e = inner
	}
	return e, true
}

// maxChain bounds what Chain lists.
const maxChain = 100

// Chain lists the entries that boot one after the other when none of the booted systems confirms:
// the next boot, the one after it and so on, up to and without the first repetition. loads says
// whether GRUB can load an entry; where it cannot, GRUB goes on with the menu's fallback entries, and
// what the entry saves is saved before that. The list ends where GRUB would wait at its menu, and
// where it is not known how it goes on, or is long past what anybody wants to know.
func (m Menu) Chain(s Saved, loads func(Entry) bool) []Entry {
	type state struct{ entry, saved string }
	seen := map[state]bool{}
	var chain []Entry
	run := boot{menu: m, loads: loads, saved: s.Entry(), once: s.Once() != "" && m.once}
	once := s.Once()
	for len(chain) < maxChain {
		e, used, ok := m.start(s, run.saved, once)
		if !ok {
			return chain
		}
		e, ok = run.from(e, used)
		if at := (state{e.Key + " " + e.name(), run.saved}); !ok || seen[at] {
			return chain
		} else {
			seen[at] = true
		}
		chain = append(chain, e)
		if run.doubt || overridden(s) {
			return chain
		}
		once, run.once = "", false
	}
	return chain
}

// overridden reports that the menu itself will save another default at the next start: GRUB 2's
// grub-reboot did so before there was next_entry.
func overridden(s Saved) bool {
	env, ok := s.(Env)
	if !ok {
		return false
	}
	before, _ := env.Get("prev_saved_entry")
	return before != ""
}

// boot is one start of GRUB and what it leaves behind.
type boot struct {
	menu  Menu
	loads func(Entry) bool
	saved string
	once  bool
	doubt bool // what is saved then is not known
}

// from tries the entry and then the fallback entries from the given one on, each once
// (run_menu in GRUB Legacy's stage2/stage2.c, grub_menu_execute_with_fallback in GRUB 2's
// grub-core/normal/menu.c), and gives the first that boots.
func (b *boot) from(e Entry, used int) (Entry, bool) {
	for {
		loads := !e.ways.fails && b.loads(e)
		if !e.ways.fails && (loads || !e.ways.late) {
			b.save(e)
		}
		if loads {
			return e, true
		}
		if e.ways.stays || used >= len(b.menu.Fallback) || e.level() > 0 {
			return Entry{}, false
		}
		next, ok := b.menu.Find(b.menu.Fallback[used])
		if ok {
			next, ok = b.menu.into(next)
		}
		if !ok {
			return Entry{}, false
		}
		e = next
		used++
	}
}

func (b *boot) save(e Entry) {
	b.doubt = b.doubt || e.ways.savesDoubt
	if e.Saves != "" && (!b.once || e.ways.onceSaves) {
		b.saved = e.Saves
	}
}
