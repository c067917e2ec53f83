// Package status says what is on a flash and what of it can boot: the flash's own description
// joined with what each kernel says of itself, and, when asked, with what the hashes say.
package status

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/flash/volume"
	"holdfast/kexec"
	"holdfast/ops"
)

// Target is a flash that was found: where, and what the machine knows of it.
type Target struct {
	FS     fs.FS          // its root
	Volume *volume.Volume // where it is; nil for one that is made up
	Name   string         // for people: "sda2", "./flash", "demonstration"
	Type   string         // of the file system: "ext2"; "" when not known
	Access string         // "ro" or "rw"
	Word   string         // value of flash= for the next kernel; "" leaves it out
	GRUB   Place          // of GRUB's files
	Trust  signature.Trust
}

// Place is where GRUB's files are: on the flash itself, or on a boot partition.
type Place struct {
	FS      fs.FS          // nil when they were not found
	Volume  *volume.Volume // nil for one that is made up: nothing can be written there
	Problem string         // why they were not found, or cannot be read
}

// Image is an image with what its kernel and its hashes say.
type Image struct {
	flash.Image
	Staged    bool
	Header    kexec.Header    // zero when the kernel is absent or is none
	Integrity flash.Integrity // Unknown until verified
	Signer    string          // name of the key, when Verified
	Remark    string          // about a signature that nobody here can judge; no problem
	Broken    string          // why it cannot be booted; "" when it can

	trust signature.Trust // of the target: whoever verifies cannot forget it
}

// Report is what is on a flash. A Report is not changed once made: Verified makes a new one.
type Report struct {
	Target    Target
	Layout    flash.Layout
	Images    []Image // active, backup, factory, then the staged ones
	Configs   []Config
	Arguments string // text of cfg/system.arg
	Record    flash.Record
	Left      []flash.Image // left by operations that did not finish
	Boot      *Boot         // the boot default; nil when none was found
	NoBoot    string        // why there is no Boot
	Problems  []string      // what concerns no single image
}

// Read reports on the flash t. Nothing is hashed: that takes seconds, and the first screen must not
// wait for it.
func Read(t Target) (*Report, error) {
	for _, fsys := range []fs.FS{t.FS, t.GRUB.FS} {
		if f, ok := fsys.(interface{ Forget() }); ok {
			f.Forget() // it was written since, by an operation through a mount of its own
		}
	}
	f, err := flash.Read(t.FS)
	if err != nil {
		if t.Name != "" {
			err = fmt.Errorf("%s: %w", t.Name, err)
		}
		return nil, &ops.Error{Kind: ops.NoFlash, Err: err,
			Hint: "name a directory that holds system/ (or sys/) and cfg/ by --flash"}
	}
	r := &Report{Target: t, Layout: f.Layout, Arguments: f.Arguments, Record: f.Record, Left: f.Left, Problems: f.Problems}
	for _, img := range f.Slots {
		r.Images = append(r.Images, look(t, img, false))
	}
	for _, img := range f.Staged {
		r.Images = append(r.Images, look(t, img, true))
	}
	for _, c := range f.Configs {
		r.Configs = append(r.Configs, Config{Config: c})
	}
	if t.Trust.Problem != "" {
		r.problem("%s", t.Trust.Problem)
	}
	r.readUnclean()
	r.readBoot()
	return r, nil
}

// readUnclean tells of what the kernel and GRUB may read differently.
func (r *Report) readUnclean() {
	volumes := []*volume.Volume{r.Target.Volume}
	if g := r.Target.GRUB.Volume; g != r.Target.Volume {
		volumes = append(volumes, g)
	}
	for _, v := range volumes {
		if v == nil {
			continue
		}
		for _, why := range []string{v.Notice, v.Unclean(), v.Damage()} {
			if why != "" {
				r.problem("%s: %s", v.Name, why)
			}
		}
	}
}

func (r *Report) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// look reads the kernel's header and decides whether the image can boot.
func look(t Target, img flash.Image, staged bool) Image {
	i := Image{Image: img, Staged: staged, trust: t.Trust}
	switch {
	case !img.Present:
		i.Broken = "empty"
		return i
	case img.Kernel == "":
		i.Broken = "no usable kernel.img"
		return i
	}
	var err error
	if i.Header, err = readHeader(t.FS, img.Kernel); err != nil {
		i.fail(fmt.Sprintf("kernel.img: %v", err))
		return i
	}
	if err := checkInitrd(t.FS, i); err != nil {
		i.fail(fmt.Sprintf("initrd.img: %v", err))
	}
	if !i.mayVerify(t.FS) {
		i.require()
	}
	return i
}

// checkInitrd compares the initrd with what the kernel can take. No initrd is none too large.
func checkInitrd(fsys fs.FS, i Image) error {
	if i.Initrd == "" {
		return nil
	}
	info, err := fs.Stat(fsys, i.Initrd)
	if err != nil {
		return err
	}
	return i.Header.CheckInitrd(info.Size())
}

// fail marks the image as one that cannot boot. The problems are copied first: they are shared with
// the report this image comes from.
func (i *Image) fail(problems ...string) {
	all := append([]string(nil), i.Problems...)
	for _, p := range problems {
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	i.Problems = all
	if i.Broken == "" && len(problems) > 0 {
		i.Broken = problems[0]
	}
}

func readHeader(fsys fs.FS, name string) (kexec.Header, error) {
	f, err := flash.OpenRegular(fsys, name)
	if err != nil {
		return kexec.Header{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return kexec.Header{}, err
	}
	r, ok := f.(io.ReaderAt)
	if !ok {
		return kexec.Header{}, errors.New("cannot be read at a place of choice")
	}
	return kexec.ReadHeader(r, info.Size())
}

// Image gives the image of that name, a slot's or a staged version's.
func (r *Report) Image(name string) (Image, bool) {
	for _, i := range r.Images {
		if i.Name == name {
			return i, true
		}
	}
	return Image{}, false
}

// Preferred is the image to boot when nobody chooses, and why: the slot GRUB's saved default names,
// else active, else backup; the first of them that can boot and is none of those that were tried. One
// that is bad, because it did not confirm in its tries, comes after the others. False when there is none.
func (r *Report) Preferred(tried ...string) (Image, string, bool) {
	instead, active := "no image is the boot default", "active cannot boot"
	if i, ok := r.Image(r.Default()); ok {
		instead = "the boot default, " + r.Default() + ", " + unfit(i)
	}
	if i, ok := r.Image(flash.Active); ok {
		active = "active " + unfit(i)
	}
	choices := []struct {
		name, why string
		bad       bool
	}{
		{name: r.Default(), why: "the boot default"},
		{name: flash.Active, why: instead},
		{name: flash.Backup, why: active},
		{r.Default(), "the boot default, which is bad, as nothing else can boot", true},
		{flash.Active, "bad, but nothing else can boot", true},
		{flash.Backup, "bad, but nothing else can boot", true},
	}
	for _, c := range choices {
		i, ok := r.Image(c.name)
		if ok && i.Broken == "" && (i.Entry.State == flash.Bad) == c.bad && !slices.Contains(tried, c.name) {
			return i, c.why, true
		}
	}
	return Image{}, "", false
}

// unfit says what keeps an image from being preferred.
func unfit(i Image) string {
	if i.Broken == "" && i.Entry.State == flash.Bad {
		return "is bad"
	}
	return "cannot boot"
}
