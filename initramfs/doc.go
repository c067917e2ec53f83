// Package initramfs makes and reads initramfs archives: newc cpio, device nodes without root, kernel
// modules in load order, programs with their libraries, and the usual compressions.
//
// Making one is Request, Plan, Write: the plan reads everything it needs and is the list of entries
// with sizes and origins. Reading is Reader, a stream over all the archives that lie one behind the
// other in a file, and on it List, Extract and Check.
//
// The parts live below: newc is the record format, compress the compressions, kmod the order of kernel
// modules, elfdeps the libraries of programs.
package initramfs
