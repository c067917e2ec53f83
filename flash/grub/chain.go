package grub

// First is the entry by which a slot is booted: the first of the first group that boots it.
func (m Menu) First(slot string) (Entry, bool) { return Entry{}, false }

// Group is the entry's group: the entries for the same slot around it that follow each other, of
// which each is the retry of the one before.
func (m Menu) Group(e Entry) []Entry { return nil }

// Name is how a saved default names the entry: by its number, unless what is saved now is the id or
// the title of an entry, and this one has such a name too.
func (m Menu) Name(e Entry, now string) string { return e.Key }

// Chain lists the entries that boot one after the other when none of the booted systems confirms:
// the next boot, the one after it and so on, up to and without the first repetition. loads says
// whether GRUB can load an entry; where it cannot, GRUB goes on with the menu's fallback entries.
func (m Menu) Chain(s Saved, loads func(Entry) bool) []Entry { return nil }
