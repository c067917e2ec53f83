package kexec

import "io"

// Method is a way to load a kernel.
type Method int

// ReadHeader reads a bzImage's header.
func ReadHeader(r io.ReaderAt, size int64) (Header, error) { return Header{}, nil }

// Compose makes a command line of its parts.
func Compose(p Parts) CommandLine { return CommandLine{} }

// String is the line as the kernel gets it.
func (c CommandLine) String() string { return "" }

// Check says what is wrong with the line for a kernel that takes limit bytes.
func (c CommandLine) Check(limit int) error { return nil }

// Console is the name of the last console= on the line, which owns /dev/console; "" when none.
func (c CommandLine) Console() string { return "" }
