package pack

import (
	"errors"
	"io"
	"os"
)

// KernelVersion is the version string of the bzImage in file name.
func KernelVersion(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var b [4]byte
	if _, err := f.ReadAt(b[:], 0x202); err != nil && err != io.EOF || string(b[:]) != "HdrS" {
		return "", errors.New("not a bzImage")
	}
	return "", nil
}
