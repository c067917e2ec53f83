package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The VGA text mode 3: 80x25 cells of a character and an attribute byte each, somewhere in 32 KiB
// of memory. The start and the cursor are registers of the CRT controller; see FreeVGA's crtcreg.
const (
	vgaBase    = 0xb8000
	vgaSize    = 32 << 10
	vgaWidth   = 80
	vgaHeight  = 25
	crtcIndex  = 0x3d4
	crtcStart  = 0x0c // and 0x0d: cell at the top left
	crtcCursor = 0x0e // and 0x0f: cell of the cursor
)

// vgaInterval is how often the VGA screen is looked at: nothing tells when it changes.
const vgaInterval = 100 * time.Millisecond

// VGA is what the VGA card shows in text mode, in Unicode. In a graphics mode it means nothing;
// Screendump shows those.
func (m *Machine) VGA(ctx context.Context) (Screen, error) {
	memory, start, cursor, err := m.readVGA(ctx)
	if err != nil {
		return Screen{}, fmt.Errorf("read the VGA screen: %w", err)
	}
	return vgaScreen(memory, start, cursor), nil
}

// WaitVGA waits until one row of the VGA text screen shows text.
func (m *Machine) WaitVGA(ctx context.Context, text string) error {
	return m.waitVGA(ctx, fmt.Sprintf("%q", text), func(s Screen) bool { return s.Contains(text) })
}

// WaitVGAScreen waits until the VGA text screen is what is wanted.
func (m *Machine) WaitVGAScreen(ctx context.Context, wanted func(Screen) bool) error {
	return m.waitVGA(ctx, "the wanted screen", wanted)
}

func (m *Machine) waitVGA(ctx context.Context, what string, wanted func(Screen) bool) error {
	ticker := time.NewTicker(vgaInterval)
	defer ticker.Stop()
	var last Screen
	for {
		screen, err := m.VGA(ctx)
		switch {
		case err == nil && wanted(screen):
			return nil
		case err == nil:
			last = screen
		case errors.Is(err, ErrExited):
			err = m.exitError()
		}
		if err != nil {
			return fmt.Errorf("wait for %s on VGA: %w\nVGA showed:\n%s%s", what, err, last.boxed(), m.consoles())
		}
		select {
		case <-ticker.C:
		case <-m.exited:
		case <-ctx.Done():
		}
	}
}

// readVGA copies the text memory and reads where in it the screen and the cursor are. The machine
// stands still meanwhile: reading a register moves the controller's index, which the guest may just
// have set.
func (m *Machine) readVGA(ctx context.Context) (memory []byte, start, cursor int, err error) {
	m.vgaRead.Lock()
	defer m.vgaRead.Unlock()
	// Also after ctx has ended: a machine that is left standing still is no use to anybody.
	defer func() { err = errors.Join(err, m.monitor.run(context.WithoutCancel(ctx), "cont", nil, nil)) }()
	if err := m.monitor.run(ctx, "stop", nil, nil); err != nil {
		return nil, 0, 0, err
	}
	file := filepath.Join(m.dir, "vga")
	dump := map[string]any{"val": vgaBase, "size": vgaSize, "filename": file}
	if err := m.monitor.run(ctx, "pmemsave", dump, nil); err != nil {
		return nil, 0, 0, err
	}
	if memory, err = os.ReadFile(file); err != nil {
		return nil, 0, 0, err
	}
	index, err := m.inByte(ctx, fmt.Sprintf("i /1xb 0x%x", crtcIndex))
	if err != nil {
		return nil, 0, 0, err
	}
	defer func() {
		_, restore := m.monitor.human(context.WithoutCancel(ctx), fmt.Sprintf("o /b 0x%x %d", crtcIndex, index))
		err = errors.Join(err, restore)
	}()
	if start, err = m.crtcWord(ctx, crtcStart); err != nil {
		return nil, 0, 0, err
	}
	cursor, err = m.crtcWord(ctx, crtcCursor)
	return memory, start, cursor, err
}

// crtcWord reads two registers of the CRT controller, the high byte first.
func (m *Machine) crtcWord(ctx context.Context, register int) (int, error) {
	high, err := m.inByte(ctx, fmt.Sprintf("i /1xb 0x%x .%d", crtcIndex, register))
	if err != nil {
		return 0, err
	}
	low, err := m.inByte(ctx, fmt.Sprintf("i /1xb 0x%x .%d", crtcIndex, register+1))
	return high<<8 | low, err
}

// inByte runs the monitor's i command: "i /1xb PORT [.INDEX]" answers "portb[0x03d5] = 0x07".
func (m *Machine) inByte(ctx context.Context, command string) (int, error) {
	text, err := m.monitor.human(ctx, command)
	if err != nil {
		return 0, err
	}
	_, value, _ := strings.Cut(text, "=")
	var b int
	if _, err := fmt.Sscanf(strings.TrimSpace(value), "0x%x", &b); err != nil {
		return 0, fmt.Errorf("read the monitor's answer %q to %s: %w", text, command, err)
	}
	return b, nil
}

// vgaScreen decodes the text memory: start and cursor are cells from its beginning, and the memory
// wraps around.
func vgaScreen(memory []byte, start, cursor int) Screen {
	cells := len(memory) / 2
	s := Screen{Rows: make([]string, vgaHeight)}
	for y := range s.Rows {
		row := make([]rune, vgaWidth)
		for x := range row {
			row[x] = cp437[memory[(start+y*vgaWidth+x)%cells*2]]
		}
		s.Rows[y] = string(row)
	}
	at := ((cursor-start)%cells + cells) % cells
	s.X, s.Y = at%vgaWidth, at/vgaWidth // below the screen when the cursor is hidden
	return s
}

// cp437 is the character set of the VGA's own font. A zero byte shows nothing, like a blank.
var cp437 = []rune(" ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼" +
	" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~⌂" +
	"ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐" +
	"└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ")

// Screendump writes what the VGA card shows, text or graphics, as a PNG picture.
func (m *Machine) Screendump(ctx context.Context, path string) error {
	path, err := filepath.Abs(path) // QEMU has a directory of its own
	if err != nil {
		return fmt.Errorf("screendump: %w", err)
	}
	arguments := map[string]string{"filename": path, "format": "png"}
	return m.monitor.run(ctx, "screendump", arguments, nil)
}
