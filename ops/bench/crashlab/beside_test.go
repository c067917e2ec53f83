package crashlab_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"holdfast/ops/bench/crashlab"
)

type check = func(dir string, returned bool) error

// wholeBeside checks that a staged version is whole or not there; once the operation has returned, whole.
func wholeBeside(version string, more check) check {
	return func(dir string, returned bool) error {
		path := filepath.Join(dir, "system", version)
		_, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) && !returned {
			return more(dir, returned)
		}
		for name, want := range crashlab.NewImage(version) {
			got, err := os.ReadFile(filepath.Join(path, name))
			if err != nil {
				return err
			}
			if !bytes.Equal(got, want) {
				return fmt.Errorf("%s/%s differs", version, name)
			}
		}
		return more(dir, returned)
	}
}

// removed checks that a staged version is gone once the operation has returned, and whole or gone before.
func removed(version string, more check) check {
	return func(dir string, returned bool) error {
		_, err := os.Stat(filepath.Join(dir, "system", version))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return more(dir, returned)
		case returned:
			return fmt.Errorf("%s is still there", version)
		}
		return wholeBeside(version, more)(dir, returned)
	}
}
