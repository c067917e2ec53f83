// Package kexec hands the machine over to another kernel: it reads what a bzImage says of itself,
// composes the next kernel's command line, loads and jumps.
package kexec
