// Package kexec hands the machine over to another kernel: it reads what a bzImage says of itself,
// composes the next kernel's command line, loads and jumps.
package kexec

// Header is the setup header of a bzImage, as in Documentation/arch/x86/boot.rst of the kernel.
type Header struct {
	Protocol    uint16 // boot protocol, 0x020f is 2.15
	Version     string // kernel version string up to the first space: "6.1.0-56-cloud-amd64"
	Banner      string // the whole version string
	Relocatable bool
	InitrdMax   uint32 // highest address an initrd may occupy
	CmdlineMax  int    // bytes of command line without the terminating zero
	Size        int64  // bytes of setup and kernel that the header promises; the file may be longer, never shorter
}
