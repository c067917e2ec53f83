package pack

import (
	"os"

	"holdfast/kexec"
)

// ReadKernel reads what the bzImage in file name says of itself.
func ReadKernel(name string) (kexec.Header, error) {
	f, err := os.Open(name)
	if err != nil {
		return kexec.Header{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return kexec.Header{}, err
	}
	return kexec.ReadHeader(f, info.Size())
}
