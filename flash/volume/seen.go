package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"holdfast/flash/disk"
)

// Seen is a volume that was looked at: what it holds, and nothing of it is open.
type Seen struct {
	Name      string // of a Finder the kernel's name: "sda2"; else as of a Volume: "disk.img:2"
	Device    string // path of its device: "/dev/sda2"; "" in an image file
	Disk      string // the kernel's name of its disk: "sda"; "" of an image file
	Partition int    // 0 of a whole disk
	disk.FileSystem
	Unclean string // why it may be other than a mount would show; "" when it is not
	Flash   bool   // it holds a flash's layout
	GRUB    bool   // it holds GRUB's menu or saved default
	Err     error  // why it could not be looked at
}

// content is what a volume is wanted for.
type content int

const (
	aFlash content = iota
	grubFiles
)

// String says what is on each of several.
func (c content) String() string {
	return [...]string{"a flash", "a menu or a saved default of GRUB"}[c]
}

func (s Seen) has(c content) bool {
	if c == grubFiles {
		return s.GRUB
	}
	return s.Flash
}

// seen looks at an open volume.
func (v *Volume) seen() Seen {
	return Seen{
		Name: v.Name, Device: v.Device, Partition: v.Partition,
		FileSystem: v.FileSystem, Unclean: v.Unclean(),
		Flash: holdsFlash(v.fsys), GRUB: holdsGRUB(v.fsys),
	}
}

func holdsFlash(fsys fs.FS) bool {
	return isDir(fsys, "cfg") && (isDir(fsys, "system") || isDir(fsys, "sys"))
}

// holdsGRUB looks for what GRUB reads when it starts. A folder alone is no sign: one stays behind
// when its partition is mounted over it.
func holdsGRUB(fsys fs.FS) bool {
	for _, dir := range []string{"boot/grub", "grub", "boot/grub2", "grub2"} {
		for _, name := range []string{"menu.lst", "grub.conf", "grub.cfg", "default", "grubenv"} {
			if info, err := fs.Stat(fsys, path.Join(dir, name)); err == nil && info.Mode().IsRegular() {
				return true
			}
		}
	}
	return false
}

func isDir(fsys fs.FS, name string) bool {
	info, err := fs.Stat(fsys, name)
	return err == nil && info.IsDir()
}

// why says in plain words why a volume has not what is wanted.
func (s Seen) why(want content) string {
	switch {
	case s.Err != nil:
		return fmt.Sprintf("%s cannot be read: %v", s.Name, s.Err)
	case s.Type == "":
		return s.Name + " has no file system that is known here"
	case want == grubFiles:
		return s.Name + " holds no menu nor saved default of GRUB"
	}
	return s.Name + " holds neither system/ nor sys/ with cfg/ beside it"
}

// String names the volume with what tells it from others.
func (s Seen) String() string { return described(s.Name, s.FileSystem) }

// described names a volume: `sda2 (ext2, label "x")`. A label may hold anything.
func described(name string, f disk.FileSystem) string {
	if f.Type == "" {
		return name
	}
	text := name + " (" + f.Type
	if f.Label != "" {
		text += ", label " + strconv.QuoteToASCII(f.Label)
	}
	return text + ")"
}

// Ambiguous says that there is no single volume to choose.
type Ambiguous struct {
	Target     string   // what was looked at: "disk.img", "flash=sda2"; "" when it needs no name
	Candidates []string // each as people should read it: "disk.img:2 (ext2, label \"hf-1234\")"; none when there is none
	Reason     string   // which the candidates are, or, when there is none, why each volume is none
	Err        error    // why some could not be read; nil when all could
}

// Error names them all.
func (a *Ambiguous) Error() string {
	if a.Target == "" {
		return a.Reason
	}
	return a.Target + ": " + a.Reason
}

// Unwrap gives Err: it is fs.ErrPermission that asks for root.
func (a *Ambiguous) Unwrap() error { return a.Err }

// none is the error for a list in which not exactly one volume has what is wanted.
func none(target string, list []Seen, want content) *Ambiguous {
	a := &Ambiguous{Target: target}
	var reasons []string
	var errs []error
	for _, s := range list {
		if s.has(want) {
			a.Candidates = append(a.Candidates, s.String())
			continue
		}
		reasons = append(reasons, s.why(want))
		errs = append(errs, s.Err)
	}
	switch {
	case len(a.Candidates) > 0:
		a.Reason = fmt.Sprintf("there is %v on each of %s", want, strings.Join(a.Candidates, ", "))
	case len(list) == 0:
		a.Reason = "there is no disk: it is not connected, or its driver is missing"
	default:
		a.Reason, a.Err = strings.Join(reasons, "; "), errors.Join(errs...)
	}
	return a
}
