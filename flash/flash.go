// Package flash describes what lies on an appliance's flash: the slots with their images, staged
// versions, configurations and arguments. It reads through an fs.FS, so that a mounted directory,
// an image file and a flash made up for a demonstration are one and the same to it, and it never
// writes. A missing or broken part becomes a problem in the report; it never hides the rest.
package flash

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ErrNoFlash means that a file system is readable but holds no flash layout.
var ErrNoFlash = errors.New("no flash here: neither system/ nor sys/ with cfg/ beside it")

// Layout is the way the images are laid out on the flash.
type Layout int

// The layouts. Formilux is that of loader-grub-mbr, 2003 to 2017.
const (
	Holdfast Layout = iota
	Formilux
)

var layouts = []struct{ name, images string }{
	Holdfast: {"holdfast", "system"},
	Formilux: {"formilux", "sys"},
}

func (l Layout) String() string { return layouts[l].name }

// Images is the directory that holds the slots, from the root of the flash.
func (l Layout) Images() string { return layouts[l].images }

// The slots, by the names of their directories and of img= on a kernel's command line.
const (
	Active  = "active"
	Backup  = "backup"
	Factory = "factory"
)

// Slots lists the slots in the order in which people read them.
var Slots = [...]string{Active, Backup, Factory}

// The directories beside the slots that are there only while an operation runs.
const (
	Incoming = "incoming" // an image that is being written, or that has fallen out
	Hold     = "hold"     // one that steps aside for a moment
	Trash    = "trash"    // one that is being deleted
)

// Working lists them in the order in which people read of what was left.
var Working = [...]string{Incoming, Hold, Trash}

// Flash is what was found on a flash.
type Flash struct {
	Layout    Layout
	Slots     []Image  // always active, backup, factory, present or not
	Staged    []Image  // by name
	Configs   []Config // always cur, bak, fac, present or not
	Arguments string   // text of cfg/system.arg, "" when there is none
	Record    Record   // the newest state record; zero when there is none
	Left      []Image  // what operations leave when they do not finish: incoming, hold, trash
	Problems  []string // what concerns no single image

	Unfinished []string // paths of files, of Made, that were not made to their end
}

// Config is one configuration archive, cfg/config.NAME.
type Config struct {
	Name    string // "cur", "bak", "fac"
	Present bool
	Size    int64 // bytes
}

// Read looks at a flash. It fails only where there is none: with ErrNoFlash, or with the error that
// kept it from looking. Image contents are not hashed: see Image.Verify.
func Read(fsys fs.FS) (*Flash, error) {
	layout, err := Detect(fsys)
	if err != nil {
		return nil, err
	}
	f := &Flash{Layout: layout}
	for _, slot := range Slots {
		f.Slots = append(f.Slots, readImage(fsys, layout, slot))
	}
	for _, name := range Working {
		if img := readImage(fsys, layout, name); img.Present {
			f.Left = append(f.Left, img)
		}
	}
	f.readStaged(fsys)
	f.readConfigs(fsys)
	f.readRecord(fsys)
	for _, images := range [][]Image{f.Slots, f.Staged, f.Left} {
		for i := range images {
			images[i].Entry = f.Record.Entry(images[i].ID)
		}
	}
	return f, nil
}

// Detect tells which layout the root of fsys has, ErrNoFlash when none. A directory of images alone is not enough: many
// file systems have a system/, and a console must not take somebody's data partition for a flash.
func Detect(fsys fs.FS) (Layout, error) {
	if _, err := fs.Stat(fsys, "."); err != nil {
		return 0, fmt.Errorf("read flash: %w", err)
	}
	if ok, err := isDir(fsys, "cfg"); !ok {
		return 0, cmp.Or(err, ErrNoFlash)
	}
	for l := range layouts {
		if ok, err := isDir(fsys, Layout(l).Images()); ok || err != nil {
			return Layout(l), err
		}
	}
	return 0, ErrNoFlash
}

// isDir tells what is not a directory, or not there, from what cannot be looked at.
func isDir(fsys fs.FS, name string) (bool, error) {
	info, err := fs.Stat(fsys, name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read flash: %w", err)
	}
	return info.IsDir(), nil
}

func (f *Flash) readStaged(fsys fs.FS) {
	dir := f.Layout.Images()
	entries, err := readDir(fsys, dir)
	if err != nil {
		f.problem("%s: %v", dir, cause(err))
	}
	for _, e := range entries {
		name := e.Name()
		switch {
		case isSlot(name) && e.Type()&fs.ModeSymlink != 0:
			f.problem("%s: is a link: its image can be booted, but no image can be changed here", path.Join(dir, name))
		case isSlot(name), slices.Contains(Working[:], name), strings.HasPrefix(name, "."), name == "lost+found":
		case isReserved(name): // on vfat it is the slot itself
			f.problem("%s: %s: not a name for a version", dir, shown(name))
		case name == "tmp": // of Formilux's installer
			f.problem("%s: left by an operation that did not finish", path.Join(dir, name))
		case e.IsDir() && !isWord(name):
			f.problem("%s: %s: not a name for a version", dir, shown(name))
		case e.IsDir():
			f.Staged = append(f.Staged, readImage(fsys, f.Layout, name))
		}
	}
}

// isWord reports whether a name can stand as img=NAME on a kernel's command line and on any screen:
// in printable ASCII, without white space and quotes.
func isWord(name string) bool {
	for _, c := range []byte(name) {
		if c <= ' ' || c > '~' || c == '"' {
			return false
		}
	}
	return true
}

// shown is a name as a screen may have it.
func shown(name string) string {
	if isWord(name) {
		return name
	}
	return strconv.QuoteToASCII(name)
}

// isReserved reports whether a name is that of a slot, or of what is beside them, where upper and lower case
// are the same, as on vfat.
func isReserved(name string) bool {
	same := func(other string) bool { return strings.EqualFold(name, other) }
	return slices.ContainsFunc(Slots[:], same) || slices.ContainsFunc(Working[:], same)
}

func isSlot(name string) bool {
	for _, slot := range Slots {
		if name == slot {
			return true
		}
	}
	return false
}

func (f *Flash) readConfigs(fsys fs.FS) {
	for _, name := range []string{"cur", "bak", "fac"} {
		c := Config{Name: name}
		info, err := fs.Stat(fsys, path.Join("cfg", "config."+name))
		switch {
		case err == nil && info.Mode().IsRegular():
			c.Present, c.Size = true, info.Size()
		case err == nil:
			f.problem("cfg/config.%s: %v", name, errNotRegular)
		case !errors.Is(err, fs.ErrNotExist):
			f.problem("cfg/config.%s: %v", name, cause(err))
		}
		f.Configs = append(f.Configs, c)
	}
	text, err := readText(fsys, "cfg/system.arg", maxArguments)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.problem("cfg/system.arg: %v", cause(err))
	}
	f.Arguments = text
}

func (f *Flash) problem(format string, args ...any) {
	f.Problems = append(f.Problems, fmt.Sprintf(format, args...))
}
