package flash

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// Limits on the small text files of an image. An argument file longer than any kernel's command
// line, or a version of more than a line, is damage and not data.
const (
	maxArguments = 16 << 10
	maxVersion   = 256
)

// Image is one image on the flash: in a slot, or staged beside them.
type Image struct {
	Name      string   // of its slot, or of its directory when staged
	Dir       string   // from the root of the flash
	Present   bool     // the directory is there and holds something
	Version   string   // of the image, one line; "" when not known
	Kernel    string   // path of kernel.img from the root of the flash, "" when there is none
	Initrd    string   // likewise of initrd.img
	Arguments string   // text of kernel.arg, "" when there is none
	Size      int64    // bytes of all its files
	Manifest  Manifest // zero when there is none
	Problems  []string // each starts with the file it is about
	ID        ID       // of its content; zero when there is none
	Entry     Entry    // what the state record says of it

	brokenManifest bool // there is a manifest, but it cannot be read
}

// readImage reads the image in the directory of the given name.
func readImage(fsys fs.FS, layout Layout, name string) Image {
	img := Image{Name: name, Dir: path.Join(layout.Images(), name)}
	entries, err := readDir(fsys, img.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return img
	}
	if err != nil {
		img.Present = true
		img.problem("%s: %v", img.Dir, cause(err))
		if entries == nil {
			return img // of what is in it, one would say the same
		}
	}
	img.measure(entries)
	if !img.Present {
		return img
	}
	img.Kernel = img.regular(fsys, "kernel.img", true)
	img.Initrd = img.regular(fsys, "initrd.img", false)
	img.Version = img.version(fsys)
	img.Arguments = img.text(fsys, "kernel.arg", maxArguments)
	img.readManifest(fsys)
	if img.ID.IsZero() {
		img.ID = contentID(fsys, img.Dir, entries)
	}
	return img
}

func (i *Image) measure(entries []fs.DirEntry) {
	for _, e := range entries {
		i.Present = true
		info, err := e.Info()
		if err != nil {
			i.problem("%s: %v", shown(e.Name()), cause(err))
			continue
		}
		if info.Mode().IsRegular() {
			i.Size += info.Size()
		}
	}
}

// regular gives the path of a member that must be a regular file with something in it. What is not
// there is a problem only when it is needed.
func (i *Image) regular(fsys fs.FS, member string, needed bool) string {
	name := path.Join(i.Dir, member)
	info, err := fs.Stat(fsys, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if needed {
			i.problem("%s: missing", member)
		}
	case err != nil:
		i.problem("%s: %v", member, cause(err))
	case !info.Mode().IsRegular():
		i.problem("%s: %v", member, errNotRegular)
	case info.Size() == 0:
		i.problem("%s: empty", member)
	default:
		return name
	}
	return ""
}

// version is the first line of kernel.ver, or of system.ver as Formilux named it.
func (i *Image) version(fsys fs.FS) string {
	before := len(i.Problems)
	for _, member := range []string{"kernel.ver", "system.ver"} {
		text := i.text(fsys, member, maxVersion)
		line, rest, _ := strings.Cut(strings.TrimSpace(text), "\n")
		if line = printable(strings.TrimSpace(line)); line == "" {
			continue
		}
		if rest != "" {
			i.problem("%s: more than one line", member)
		}
		return line
	}
	if len(i.Problems) == before { // there is none, not even a broken one
		i.problem("kernel.ver: missing")
	}
	return ""
}

// text reads a small text member; a missing one is "" and no problem.
func (i *Image) text(fsys fs.FS, member string, limit int64) string {
	text, err := readText(fsys, path.Join(i.Dir, member), limit)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		i.problem("%s: %v", member, cause(err))
	}
	return text
}

func (i *Image) problem(format string, args ...any) {
	i.Problems = append(i.Problems, fmt.Sprintf(format, args...))
}

func readText(fsys fs.FS, name string, limit int64) (string, error) {
	f, err := OpenRegular(fsys, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return "", err
	}
	if int64(len(b)) > limit {
		return "", fmt.Errorf("longer than %d bytes", limit)
	}
	return string(b), nil
}

// printable keeps what a terminal can show on one line without being driven by it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\uFFFD' {
			return -1
		}
		return r
	}, s)
}

// cause strips the path that an fs.PathError repeats: the problem names the file already. An operator
// who reads of a damaged image should know when it is the disk that failed.
func cause(err error) error {
	var p *fs.PathError
	switch {
	case errors.Is(err, errNotRegular):
		return errNotRegular
	case errors.As(err, &p):
		return fmt.Errorf("cannot be read: %w", p.Err)
	}
	return err
}
