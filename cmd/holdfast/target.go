package main

import (
	"errors"
	"fmt"
	"os"

	"holdfast/cmd/holdfast/stage"
	"holdfast/flash/volume"
	"holdfast/ops"
	"holdfast/ops/status"
)

// target opens the flash the flags name.
func (a *app) target() (status.Target, error) {
	if a.flash == "" {
		if info, err := stage.Read(); err == nil {
			if t, ok := info.Target(); ok {
				return t, nil
			}
		}
		return status.Target{}, &ops.Error{Kind: ops.NoFlash, Err: errors.New("no flash named"),
			Hint: "name the directory where it is mounted: --flash DIR"}
	}
	return openDirectory(a.flash)
}

// openDirectory opens a mounted flash, of which no link leads elsewhere and no special file is waited
// for.
func openDirectory(dir string) (status.Target, error) {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a directory", dir)
	}
	if err != nil {
		return status.Target{}, &ops.Error{Kind: ops.NoFlash, Err: err,
			Hint: "mount the flash and name its directory: --flash DIR"}
	}
	return status.Target{FS: volume.Directory(dir), Name: dir}, nil
}
