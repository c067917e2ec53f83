package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// readPassword asks on a terminal and reads a line that it does not show. When ctx ends first, the
// terminal is given back, and the reading goes on by itself until the process ends.
func readPassword(ctx context.Context, in io.Reader, out io.Writer, question string) (string, error) {
	file, ok := in.(*os.File)
	if !ok {
		return "", errors.New("not a terminal")
	}
	fd := int(file.Fd())
	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return "", err
	}
	hidden := *old
	hidden.Lflag &^= unix.ECHO
	hidden.Lflag |= unix.ICANON | unix.ISIG
	// Not by TCSETSF, which waits for a line that may be stalled.
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &hidden); err != nil {
		return "", err
	}
	_ = unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH)              // what was typed before was not meant for this
	defer func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, old) }() // nothing else can be done about it
	fmt.Fprint(out, question)
	defer fmt.Fprintln(out) // the terminal did not show the one that was typed
	type answer struct {
		line string
		err  error
	}
	read := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(file).ReadString('\n')
		read <- answer{strings.TrimRight(line, "\r\n"), err}
	}()
	select {
	case a := <-read:
		return a.line, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
