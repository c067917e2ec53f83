package vm

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"
)

// keyBytes is what a VT220 sends for a key. The numbers of the function keys have gaps.
func keyBytes(name string) (string, error) {
	named := map[string]string{
		"up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D",
		"home": "\x1b[1~", "insert": "\x1b[2~", "delete": "\x1b[3~", "end": "\x1b[4~",
		"pgup": "\x1b[5~", "pgdn": "\x1b[6~",
		"enter": "\r", "esc": "\x1b", "tab": "\t", "backspace": "\x7f", "space": " ",
		"f1": "\x1b[11~", "f2": "\x1b[12~", "f3": "\x1b[13~", "f4": "\x1b[14~", "f5": "\x1b[15~",
		"f6": "\x1b[17~", "f7": "\x1b[18~", "f8": "\x1b[19~", "f9": "\x1b[20~", "f10": "\x1b[21~",
		"f11": "\x1b[23~", "f12": "\x1b[24~",
	}
	if text, ok := named[name]; ok {
		return text, nil
	}
	if letter, ok := strings.CutPrefix(name, "ctrl-"); ok && len(letter) == 1 && letter >= "a" && letter <= "z" {
		return string(letter[0] & 0x1f), nil
	}
	if utf8.RuneCountInString(name) == 1 {
		return name, nil
	}
	return "", fmt.Errorf("unknown key %q", name)
}

// SendKey presses a key of the PS/2 keyboard, by QEMU's names (QKeyCode in qapi/ui.json: a, 1, ret,
// spc, esc, up, pgup, f1, ...), after - together with others: shift-a, ctrl-alt-delete. The keys
// press and release one after another, also those of later calls.
func (m *Machine) SendKey(ctx context.Context, keys ...string) error {
	type keyValue struct {
		Type string `json:"type"`
		Data string `json:"data"`
	}
	for _, key := range keys {
		var values []keyValue
		for _, name := range strings.Split(key, "-") {
			values = append(values, keyValue{"qcode", name})
		}
		arguments := map[string]any{"keys": values, "hold-time": 20} // milliseconds
		if err := m.monitor.run(ctx, "send-key", arguments, nil); err != nil {
			return fmt.Errorf("press %s on the keyboard: %w", key, err)
		}
	}
	return nil
}

// SendText types ASCII text on the PS/2 keyboard of the machine, whose layout is the American one.
// A newline is Enter.
func (m *Machine) SendText(ctx context.Context, text string) error {
	for _, r := range text {
		key, err := keyFor(r)
		if err != nil {
			return fmt.Errorf("type on the keyboard: %w", err)
		}
		if err := m.SendKey(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// keyFor is QEMU's name of the key that types r on an American keyboard.
func keyFor(r rune) (string, error) {
	const plain = "`-=[]\\;',./1234567890"
	const shifted = `~_+{}|:"<>?!@#$%^&*()`
	names := strings.Fields("grave_accent minus equal bracket_left bracket_right backslash" +
		" semicolon apostrophe comma dot slash 1 2 3 4 5 6 7 8 9 0")
	switch {
	case r >= 'a' && r <= 'z':
		return string(r), nil
	case r >= 'A' && r <= 'Z':
		return "shift-" + strings.ToLower(string(r)), nil
	case r == ' ':
		return "spc", nil
	case r == '\n':
		return "ret", nil
	case r == '\t':
		return "tab", nil
	}
	if i := strings.IndexRune(plain, r); i >= 0 {
		return names[i], nil
	}
	if i := strings.IndexRune(shifted, r); i >= 0 {
		return "shift-" + names[i], nil
	}
	return "", fmt.Errorf("no key types %q", r)
}
