// Package grub reads what GRUB knows on the disk: the saved boot default, in GRUB Legacy's `default`
// file or GRUB 2's grubenv, and the menu whose entries give it a meaning. It decodes into values and
// encodes from them; it opens nothing for writing.
package grub

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"

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

// Default is the saved boot default as it stands on the disk.
type Default struct {
	Form  Form
	Path  string // of its file: "boot/grub/default"
	Entry string // of grubenv a number, a title, an id or "submenu>entry"; "" when nothing is saved
	Next  string // GRUB 2's next_entry, for one boot only; "" when there is none
}

// Boots is the entry that GRUB takes at the next start.
func (d Default) Boots() string {
	if d.Next != "" {
		return d.Next
	}
	return d.Entry
}

// maxFile bounds what is read of a file of GRUB, in bytes. A menu is a few KiB.
const maxFile = 1 << 20

// ReadDefault finds and reads the saved default below fsys, which is the boot partition or the
// flash. The error wraps fs.ErrNotExist when there is none.
func ReadDefault(fsys fs.FS) (Default, error) {
	name, text, err := readFirst(fsys, "grubenv", "default")
	if err != nil {
		return Default{}, fmt.Errorf("read the saved boot default: %w", err)
	}
	if path.Base(name) == "default" {
		file, err := DecodeDefaultFile(text)
		if err != nil {
			return Default{}, fmt.Errorf("read %s: %w", name, err)
		}
		return Default{Form: LegacyFile, Path: name, Entry: strconv.Itoa(file.Entry)}, nil
	}
	env, err := DecodeEnv(text)
	if err != nil {
		return Default{}, fmt.Errorf("read %s: %w", name, err)
	}
	d := Default{Form: EnvFile, Path: name}
	d.Entry, _ = env.Get("saved_entry")
	d.Next, _ = env.Get("next_entry")
	return d, nil
}

// readFirst reads the first of the named files that is there, in GRUB's folder on a root file
// system or on a partition of its own.
func readFirst(fsys fs.FS, names ...string) (string, []byte, error) {
	for _, dir := range []string{"boot/grub", "grub", "boot/grub2", "grub2"} {
		for _, name := range names {
			text, err := readFile(fsys, path.Join(dir, name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return path.Join(dir, name), text, err
		}
	}
	return "", nil, fmt.Errorf("%w in boot/grub or grub", fs.ErrNotExist)
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
