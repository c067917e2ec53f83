// Package kexectest makes kernels that only look like some: for tests, and for the demo flash.
package kexectest

import "encoding/binary"

// Sizes of what Kernel makes, in bytes.
const (
	setupSects = 4
	setupSize  = (setupSects + 1) * 512
	kernelSize = setupSize + 1536
	versionAt  = 0x300
)

// Kernel is a bzImage of 4 KiB with a valid setup header and nothing to run: kexec.ReadHeader and
// file(1) take it for a kernel of the given version, a machine could not boot it. A version that does
// not begin as a kernel release does ("6.1.0-test") is not shown by ReadHeader.
func Kernel(version string) []byte {
	b := make([]byte, kernelSize)
	le := binary.LittleEndian
	b[0x1f1] = setupSects
	le.PutUint32(b[0x1f4:], (kernelSize-setupSize)/16)
	le.PutUint16(b[0x1fe:], 0xaa55)
	copy(b[0x200:], "\xeb\x66HdrS") // a jump over the header, as every kernel begins
	le.PutUint16(b[0x206:], 0x020f) // protocol 2.15
	le.PutUint16(b[0x20e:], versionAt-0x200)
	b[0x211] = 1                        // loadflags: LOADED_HIGH, a bzImage
	le.PutUint32(b[0x214:], 0x100000)   // code32_start
	le.PutUint32(b[0x22c:], 0x7fffffff) // initrd_addr_max
	le.PutUint32(b[0x230:], 0x200000)   // kernel_alignment
	b[0x234] = 1                        // relocatable_kernel
	le.PutUint16(b[0x236:], 1)          // xloadflags: 64-bit entry point
	le.PutUint32(b[0x238:], 2047)       // cmdline_size
	le.PutUint32(b[0x24c:], 1024)       // payload_length
	copy(b[versionAt:setupSize-1], version+" (holdfast@test) #1")
	return b
}
