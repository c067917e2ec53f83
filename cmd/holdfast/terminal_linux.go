package main

import (
	"cmp"
	"os"

	"golang.org/x/sys/unix"
)

// isTerminal reports whether f is a terminal, where a question can be answered and a line written
// over. /dev/null is a character device too, and none.
func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// columns is the width of a terminal, 80 where it does not say, as on a serial line; 0 of anything else.
func columns(f any) int {
	if !isTerminal(f) {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.(*os.File).Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 80
	}
	return cmp.Or(int(size.Col), 80)
}
