// Package grub reads what GRUB knows on the disk: the saved boot default in its three forms, and the
// menu whose entries give it a meaning. From the two it tells what boots next. It decodes into values
// and encodes from them; it opens nothing for writing.
package grub

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"holdfast/flash"
)

// Form is how a boot loader keeps its saved default.
type Form int

// The forms.
const (
	LegacyFile Form = iota // GRUB Legacy's file `default`
	EnvFile                // GRUB 2's grubenv
	Stage2                 // sector 2 of the disk, of Formilux's GRUB Legacy 0.96
)

func (f Form) String() string {
	return [...]string{"grub-legacy", "grubenv", "stage2"}[f]
}

// loader is one of the two programs.
type loader int

const (
	legacy loader = iota
	grub2
)

// files of a loader in GRUB's folder.
type files struct {
	saved string   // of the saved default
	menus []string // the first that is there is used
}

func (l loader) files() files {
	if l == grub2 {
		return files{saved: "grubenv", menus: []string{"grub.cfg"}}
	}
	return files{saved: "default", menus: []string{"menu.lst", "grub.conf"}}
}

func (l loader) String() string {
	if l == grub2 {
		return "GRUB 2"
	}
	return "GRUB Legacy"
}

func (f Form) loader() loader {
	if f == EnvFile {
		return grub2
	}
	return legacy
}

// folders are where GRUB's files are on a root file system or on a partition of its own.
func folders() []string { return []string{"boot/grub", "grub", "boot/grub2", "grub2"} }

// maxFile bounds what is read of a file of GRUB, in bytes. A menu is a few KiB, and takes a hundred
// times its size in memory when it is nothing but entries.
const maxFile = 256 << 10

// firstOf is the path of the first of the named files that is there. The error wraps fs.ErrNotExist
// when none is.
func firstOf(fsys fs.FS, names ...string) (string, error) {
	for _, dir := range folders() {
		for _, name := range names {
			name = path.Join(dir, name)
			_, err := fs.Stat(fsys, name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return name, err
		}
	}
	return "", fmt.Errorf("%s in boot/grub or grub: %w", strings.Join(names, " or "), fs.ErrNotExist)
}

func readFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := flash.OpenRegular(fsys, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	return text, err
}
