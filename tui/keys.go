package tui

import "charm.land/bubbles/v2/key"

// KeyMap is every key there is. No screen needs another than letters, digits, Enter, Esc and
// arrows; the rest are second ways for terminals that send them.
type KeyMap struct {
	Up, Down, Left, Right      key.Binding
	PageUp, PageDown, Top, End key.Binding
	Enter, Back                key.Binding
	Boot, Default, Logs, Help  key.Binding
	Install, Rotate            key.Binding
	Remove, Verify             key.Binding
	Leave                      key.Binding
	Yes, Clear, Again          key.Binding
	Repaint                    key.Binding
}

// newKeyMap binds the keys. On a host, leaving is quitting, and Ctrl-C does it too; in the stage
// Ctrl-C does nothing.
func newKeyMap(stage bool) KeyMap {
	bind := func(help, text string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, text))
	}
	k := KeyMap{
		Up:       bind("up, k", "up", "up", "k"),
		Down:     bind("down, j", "down", "down", "j"),
		Left:     bind("left, h", "left", "left", "h"),
		Right:    bind("right", "right", "right"),
		PageUp:   bind("page up, p", "a page up", "pgup", "p"),
		PageDown: bind("page down, n", "a page down", "pgdown", "n", "space"),
		Top:      bind("home, g", "to the start", "home", "g"),
		End:      bind("end, G", "to the end", "end", "G"),
		Enter:    bind("Enter", "details", "enter"),
		Back:     bind("Esc", "back", "esc", "alt+esc", "backspace"),
		Boot:     bind("b", "boot", "b"),
		Default:  bind("d", "default", "d"),
		Logs:     bind("l", "logs", "l"),
		Help:     bind("?", "help", "?"),
		Install:  bind("i", "install", "i"),
		Rotate:   bind("r", "rotate", "r"),
		Remove:   bind("x", "remove", "x"),
		Verify:   bind("v", "verify", "v"),
		Leave:    bind("q", "leave", "q"),
		Yes:      bind("y", "yes", "y"),
		Clear:    bind("c", "clear the mark bad", "c"),
		Again:    bind("s", "search again", "s"),
		Repaint:  bind("Ctrl-L", "repaint", "ctrl+l"),
	}
	if !stage {
		k.Leave = bind("q", "quit", "q", "ctrl+c")
	}
	return k
}

// tasks are the keys that lead to what changes the flash, or looks at all of it.
func (k KeyMap) tasks() []key.Binding {
	return []key.Binding{k.Default, k.Install, k.Rotate, k.Remove, k.Verify, k.Clear}
}

// withoutLetters scrolls by arrows alone: the letters are needed for a word.
func (k KeyMap) withoutLetters() KeyMap {
	for _, b := range []*key.Binding{&k.Up, &k.Down, &k.PageUp, &k.PageDown, &k.Top, &k.End} {
		b.SetKeys(b.Keys()[0])
	}
	return k
}

// pair is Up and Down as one, for the foot of a screen.
func (k KeyMap) pair(does string) key.Binding {
	return key.NewBinding(key.WithKeys(append(k.Up.Keys(), k.Down.Keys()...)...), key.WithHelp("j/k", does))
}

// sides is Left and Right as one.
func (k KeyMap) sides(does string) key.Binding {
	return key.NewBinding(key.WithKeys(append(k.Left.Keys(), k.Right.Keys()...)...), key.WithHelp("left/right", does))
}
