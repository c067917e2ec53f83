// Package initramfs makes and reads initramfs archives: newc cpio, device nodes without root,
// kernel modules in load order, programs with their libraries, and the usual compressions.
package initramfs
