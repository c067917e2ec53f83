package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"holdfast/cmd/holdfast/stage"
	"holdfast/flash/blockmap"
	"holdfast/flash/disk"
	"holdfast/flash/signature"
	"holdfast/flash/volume"
	"holdfast/ops"
	"holdfast/ops/status"
)

// target opens the flash for a command that writes or boots: see anyTarget. What says whom the machine
// believes must be whole.
func (a *app) target() (status.Target, error) {
	if _, err := a.trusted(); err != nil {
		return status.Target{}, err
	}
	return a.anyTarget()
}

// trusted reads whom this machine believes. In the stage, that is a part of its archive and nobody's
// choice.
func (a *app) trusted() (signature.Trust, error) {
	if a.trust != stage.TrustDir {
		if _, err := stage.Read(); err == nil {
			return signature.Trust{}, usage("--trust: in the stage it is %s", stage.TrustDir)
		}
		if _, err := os.Stat(a.trust); err != nil {
			return signature.Trust{}, invalid(fmt.Errorf("--trust: %w", err))
		}
	}
	t, err := signature.ReadTrust(a.trust)
	if err != nil {
		return t, &ops.Error{Kind: ops.Invalid, Err: err, Hint: "put it right first: it is part of what says whose images to take"}
	}
	return t, nil
}

// anyTarget opens the flash that the flags name, else that of the stage, else the one that this machine
// has. It stays open until the program ends. That it is not wholly known whom to believe is a problem in
// the report.
func (a *app) anyTarget() (status.Target, error) {
	trust, err := a.trusted()
	if err != nil && trust.Problem == "" {
		return status.Target{}, err
	}
	if a.flash == "" && a.grub == "" {
		if info, err := stage.Read(); err == nil {
			if t, ok := info.Target(); ok {
				return t, nil
			}
		}
	}
	v, word, err := a.openFlash()
	if err != nil {
		e := noVolume(err, "--flash")
		if a.flash == "" {
			e.Kind = ops.NoFlash // whatever else the machine's disks hold
		}
		return status.Target{}, e
	}
	a.remark(v.Notice)
	t := status.Target{FS: v.FS(), Volume: v, Name: v.Name, Type: v.Type, Access: access(v), Word: cmp.Or(word, v.Word()),
		Trust: trust}
	t.GRUB, err = a.openGRUB(v)
	return t, err
}

// openFlash opens what --flash names, else what flash= of the running kernel names, which then holds
// for the next kernel too, else the only flash on the machine's disks.
func (a *app) openFlash() (v *volume.Volume, word string, err error) {
	if a.flash != "" {
		v, err = volume.Open(a.flash)
		return v, "", err
	}
	word, _ = stage.Argument(a.commandLine(), "flash")
	v, note, err := volume.Search(word)
	a.remark(note)
	return v, word, err
}

// openGRUB opens what --grub names, or finds it. That it is nowhere keeps nobody from looking at the
// images: the report says so.
func (a *app) openGRUB(flash *volume.Volume) (status.Place, error) {
	if a.grub == "" {
		return foundGRUB(volume.GRUB(flash)), nil
	}
	v, err := volume.OpenGRUB(a.grub)
	if err != nil {
		return status.Place{}, noVolume(err, "--grub")
	}
	a.remark(v.Notice)
	return status.Place{FS: v.FS(), Volume: v}, nil
}

func foundGRUB(v *volume.Volume, err error) status.Place {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return status.Place{Problem: err.Error() + " (run it as root, or say where GRUB's files are by --grub)"}
	case err != nil:
		return status.Place{Problem: err.Error()}
	}
	return status.Place{FS: v.FS(), Volume: v}
}

func access(v *volume.Volume) string {
	if v.ReadOnly {
		return "ro"
	}
	return "rw"
}

// remark tells people what they did not ask for but should know.
func (a *app) remark(text string) {
	if text != "" {
		fmt.Fprintf(a.err, "holdfast: %s\n", text)
	}
}

// noVolume is the error for a volume that cannot be opened. What is there and can be read, but makes
// no sense, is invalid; all else is not found.
func noVolume(err error, flag string) *ops.Error {
	e := &ops.Error{Kind: ops.Invalid, Err: err, Hint: "name a directory where it is mounted, a device or an image file by " + flag}
	var a *volume.Ambiguous
	var refused syscall.Errno
	switch {
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Hint = ops.NoFlash, "run it as root, or name what you may read by "+flag
	case errors.As(err, &refused):
		e.Kind = ops.NoFlash
	case errors.Is(err, disk.ErrBeyond), errors.Is(err, blockmap.ErrCutOff):
		e.Hint = "copy it again, all of it: its end is missing"
	case errors.As(err, &a) && len(a.Candidates) > 1:
		e.Kind, e.Hint = ops.NoFlash, "say which by "+flag
	case errors.As(err, &a) && a.Err == nil:
		e.Kind = ops.NoFlash
	}
	return e
}
