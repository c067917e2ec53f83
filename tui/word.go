package tui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// entry is a word that is typed to agree. A key that is held, or noise, spells none.
type entry struct {
	text  string
	wrong string // what was typed instead
}

// maxWord is the longest text that is kept: names of versions are shorter.
const maxWord = 64

// Update takes a key, and reports whether Enter ended just that word.
func (e *entry) Update(k tea.KeyPressMsg, keys KeyMap, word string) (agreed bool) {
	switch {
	case k.String() == "backspace":
		e.text = e.text[:max(len(e.text)-1, 0)]
	case key.Matches(k, keys.Enter):
		agreed = e.text == word
		if !agreed {
			e.wrong = e.text
		}
		e.text = ""
	default:
		c := k.Text
		if k.String() == "space" {
			c = " "
		}
		if len(c) == 1 && c[0] >= ' ' && c[0] <= '~' && len(e.text) < maxWord {
			e.text += c
			e.wrong = ""
		}
	}
	return agreed
}

// View is what was typed so far.
func (e *entry) View(width int) line {
	if e.wrong != "" {
		return plain(clip(`"`+e.wrong+`" is not it.`, width))
	}
	return line{{text: marker}, {from(e.text, max(len(e.text)-width+len(marker)+1, 0)), selected}}
}
