package vm

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"
)

// TestVGAScreen decodes memory whose screen wraps around its end, with the cursor behind that.
func TestVGAScreen(t *testing.T) {
	if len(cp437) != 256 {
		t.Fatalf("the character set has %d characters, want 256", len(cp437))
	}
	memory := make([]byte, vgaSize)
	const start = vgaSize/2 - 2*vgaWidth // two rows before the end
	binary.LittleEndian.PutUint32(memory[2*start:], 0x07_b3_07_da)
	copy(memory[2*vgaWidth:], []byte{'x', 7, 0, 7, 0xe1, 7})
	got := vgaScreen(memory, start, 2*vgaWidth+5)
	if !strings.HasPrefix(got.Rows[0], "┌│ ") || !strings.HasPrefix(got.Rows[3], "x ß ") {
		t.Errorf("the screen is\n%s", got.boxed())
	}
	if got.X != 5 || got.Y != 4 {
		t.Errorf("the cursor is at %d,%d, want 5,4", got.X, got.Y)
	}
	for y, row := range got.Rows {
		if n := len(utf16.Encode([]rune(row))); n != vgaWidth {
			t.Errorf("row %d is %d characters wide, want %d", y, n, vgaWidth)
		}
	}
}

func TestKeyNames(t *testing.T) {
	serial := map[string]string{"up": "\x1b[A", "ctrl-c": "\x03", "q": "q", "ä": "ä", "-": "-"}
	for key, want := range serial {
		if got, err := keyBytes(key); got != want || err != nil {
			t.Errorf("keyBytes(%q) = %q, %v, want %q", key, got, err, want)
		}
	}
	keyboard := map[rune]string{'q': "q", 'Q': "shift-q", '0': "0", ')': "shift-0", '"': "shift-apostrophe", '\n': "ret"}
	for r, want := range keyboard {
		if got, err := keyFor(r); got != want || err != nil {
			t.Errorf("keyFor(%q) = %q, %v, want %q", r, got, err, want)
		}
	}
	for _, name := range []string{"", "ctrl-1", "nonsense"} {
		if got, err := keyBytes(name); err == nil {
			t.Errorf("keyBytes(%q) = %q, want an error", name, got)
		}
	}
	if got, err := keyFor('ä'); err == nil {
		t.Errorf("keyFor('ä') = %q, want an error", got)
	}
}
