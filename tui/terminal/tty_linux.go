package terminal

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Tty is a console that was taken: opened, its settings saved, in raw mode.
type Tty struct {
	Console Console

	file  *os.File
	conn  syscall.RawConn
	saved unix.Termios
	stop  chan struct{} // closed by Interrupt
}

// Open takes a console. It never waits for a modem's carrier, never makes the console the
// controlling terminal, and throws away what was typed before. A console that is another session's
// is left alone: the error is then a *HeldError.
func Open(c Console) (*Tty, error) {
	t, err := open(c)
	if err != nil {
		return nil, fmt.Errorf("open console %s: %w", c.Name, err)
	}
	if err := t.control(checkHeld); err != nil {
		t.file.Close()
		return nil, fmt.Errorf("open console %s: %w", c.Name, err)
	}
	raw := t.saved
	makeRaw(&raw)
	if err := t.set(&raw); err != nil {
		t.file.Close()
		return nil, fmt.Errorf("set up console %s: %w", c.Name, err)
	}
	_ = t.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH) })
	return t, nil
}

// open opens the device and saves its settings. With O_NONBLOCK the runtime polls the file, which
// gives reads and writes the deadlines that Interrupt needs.
func open(c Console) (*Tty, error) {
	f, err := os.OpenFile(c.Path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	conn, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, err
	}
	t := &Tty{Console: c, file: f, conn: conn, stop: make(chan struct{})}
	err = t.control(func(fd int) error {
		saved, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
		if err == nil {
			t.saved = *saved
			makeCooked(&t.saved)
		}
		return err
	})
	if err != nil {
		f.Close()
		return nil, err
	}
	return t, nil
}

// makeRaw changes what a full-screen program needs changed and leaves the line itself (speed, bits,
// parity) alone: the kernel's console speaks on it too. A newline still goes out as CR LF, which is
// what bubbletea counts on when it is not given the terminal itself.
func makeRaw(t *unix.Termios) {
	t.Iflag &^= unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Iflag |= unix.IGNBRK | unix.IGNPAR // a break and a garbled byte are noise, not keys
	t.Oflag = unix.OPOST | unix.ONLCR
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag |= unix.CREAD | unix.CLOCAL
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
}

// makeCooked makes settings that a crashed console left raw fit for lines and their correction again;
// others it does not change.
func makeCooked(t *unix.Termios) {
	if t.Lflag&unix.ICANON != 0 {
		return
	}
	t.Iflag |= unix.ICRNL
	t.Oflag |= unix.OPOST | unix.ONLCR
	t.Lflag |= unix.ICANON | unix.ECHO | unix.ECHOE | unix.ECHOK | unix.ISIG | unix.IEXTEN
}

func (t *Tty) control(f func(fd int) error) error {
	var err error
	if e := t.conn.Control(func(fd uintptr) { err = f(int(fd)) }); e != nil {
		return e
	}
	return err
}

// set applies settings at once. The forms that first wait for output to drain would wait for ever
// on a stalled line.
func (t *Tty) set(termios *unix.Termios) error {
	return t.control(func(fd int) error { return unix.IoctlSetTermios(fd, unix.TCSETS2, termios) })
}

// Read gives what is typed. After Interrupt, and once the line is hung up, it gives an error.
func (t *Tty) Read(p []byte) (int, error) { return t.file.Read(p) }

// Write sends to the line as it is. After Interrupt it gives an error.
func (t *Tty) Write(p []byte) (int, error) {
	select {
	case <-t.stop:
		return 0, os.ErrClosed
	default:
		return t.file.Write(p)
	}
}

// WriteLimited writes text, at most for limit.
func (t *Tty) WriteLimited(text string, limit time.Duration) error {
	select {
	case <-t.stop:
		return os.ErrClosed
	default:
	}
	_ = t.file.SetWriteDeadline(time.Now().Add(limit))
	defer func() { _ = t.file.SetWriteDeadline(time.Time{}) }()
	_, err := io.WriteString(t.file, text)
	return err
}

// Interrupt ends reads and writes that wait, and all later ones. It is called once.
func (t *Tty) Interrupt() {
	close(t.stop)
	_ = t.file.SetDeadline(time.Now())
}

// Size is the size of the console, and whether somebody said so or it is assumed.
func (t *Tty) Size() (width, height int, known bool) {
	if t.Console.Width > 0 && t.Console.Height > 0 {
		return t.Console.Width, t.Console.Height, true
	}
	var ws *unix.Winsize
	err := t.control(func(fd int) (err error) {
		ws, err = unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		return err
	})
	if err != nil || !believed(int(ws.Col), int(ws.Row)) {
		// What another kind of terminal says is true however small it is.
		if err == nil && t.Console.AltScreen && ws.Col > 0 && ws.Row > 0 {
			return int(ws.Col), int(ws.Row), true
		}
		return defaultWidth, defaultHeight, false
	}
	return int(ws.Col), int(ws.Row), true
}

// SetSize tells the kernel what was learnt of the size, for the programs that ask it.
func (t *Tty) SetSize(width, height int) {
	_ = t.control(func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(width), Row: uint16(height)})
	})
}

// Baud is the speed that output is paced to, in bits a second; 0 where nothing is to be paced.
func (t *Tty) Baud() int {
	switch {
	case !t.Console.Serial:
		return 0
	case t.Console.Baud > 0:
		return t.Console.Baud
	case len(t.Console.Name) < 4 || t.Console.Name[:3] != "tty": // hvc0: no line, no speed
		return 0
	case t.saved.Ospeed == 0:
		return 9600
	}
	return int(t.saved.Ospeed)
}

// drain waits until the line has taken what was written, at most for limit, and reports whether it
// has.
func (t *Tty) drain(limit time.Duration) bool {
	for end := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		var queued int
		err := t.control(func(fd int) (err error) {
			queued, err = unix.IoctlGetInt(fd, unix.TIOCOUTQ)
			return err
		})
		if err != nil || queued == 0 {
			return err == nil
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// Close gives the console back with the settings it had. What a stalled line has not taken is
// dropped: closing would wait for it, half a minute.
func (t *Tty) Close() error {
	if !t.drain(time.Second) {
		_ = t.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCOFLUSH) })
	}
	err := t.set(&t.saved)
	if e := t.file.Close(); err == nil {
		err = e
	}
	return err
}

// Print writes plain lines to a console that nobody has taken, at most for limit.
func Print(c Console, text string, limit time.Duration) error {
	t, err := open(c)
	if err != nil {
		return fmt.Errorf("open console %s: %w", c.Name, err)
	}
	_ = t.file.SetWriteDeadline(time.Now().Add(limit))
	_, err = io.WriteString(t.file, text)
	if !t.drain(limit) {
		_ = t.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCOFLUSH) })
	}
	if e := t.file.Close(); err == nil {
		err = e
	}
	return err
}
