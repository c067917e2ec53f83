package tui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// helpScreen is every key and what it does, made of the bindings themselves.
type helpScreen struct {
	view *view
	text pager
}

// Is tells which screen this is.
func (s *helpScreen) Is() screenKind { return helpKind }

// Keys are those of a text.
func (s *helpScreen) Keys() []key.Binding {
	return []key.Binding{s.view.keys.Back, s.view.keys.pair("scroll")}
}

// Update scrolls.
func (s *helpScreen) Update(k tea.KeyPressMsg) move {
	if key.Matches(k, s.view.keys.Help) {
		return move{taken: true, back: true}
	}
	return move{taken: s.text.Update(k, s.view.keys)}
}

// View lists the bindings, then what the words of the first screen mean.
func (s *helpScreen) View(width, height int) []line {
	k := s.view.keys
	const column = 16
	var lines []line
	for _, b := range []key.Binding{k.Boot, k.Default, k.Logs, k.Help, k.Leave, k.Install, k.Rotate, k.Remove, k.Verify, k.Clear, k.Again, k.Enter, k.Yes, k.Back, k.Up, k.Down,
		k.Left, k.Right, k.PageUp, k.PageDown, k.Top, k.End, k.Repaint} {
		h := b.Help()
		lines = append(lines, labelled("  "+h.Key, h.Desc, column, width)...)
	}
	lines = append(lines, nil)
	for _, w := range [][2]string{
		{"install", "an archive from any disk becomes active; what was active steps back"},
		{"rotate", "active and backup change places; a staged version becomes active"},
		{"verified", "intact, and signed by a key that is known here"},
		{"intact", "every file is as the image's manifest says"},
		{"damaged", "a file differs, is missing or cannot be read"},
		{"unchecked", "the image has no manifest"},
		{"checking", "its files are still being read"},
		{"not bootable", "there is no kernel that could be started"},
		{"empty", "there is no image in the slot"},
		{"confirmed", "it booted well and said so"},
		{"trial 2 left", "it may be booted twice more to say so"},
		{"bad", "it did not say so in its tries; c in its details clears that"},
		{"unknown", "nobody has told how it boots"},
		{"last", "what happened last to the slots"},
		{"default", "the boot loader starts this one; d changes it"},
		{"next boot", "what it starts when nothing is chosen, and what after that when no boot succeeds"},
		{"once", "for the next boot alone"},
		{"retry", "another try of the same image"},
		{"local", "words of cfg/system.arg, for every image here"},
		{"left out", "words that will not be on the command line"},
	} {
		lines = append(lines, labelled("  "+w[0], w[1], column, width)...)
	}
	return append([]line{s.view.theme.heading("keys and words", width)}, s.text.window(lines, height-1)...)
}
