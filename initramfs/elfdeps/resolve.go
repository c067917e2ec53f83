package elfdeps

import (
	"debug/elf"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Library is a file that a program needs in order to start.
type Library struct {
	Path   string // where the dynamic linker of the archive finds it, absolute
	Source string // the file on this machine
	// Link is a second absolute path that has to lead to Path, or "": a library that this machine finds
	// only by ld.so.conf is otherwise not found where there is no ld.so.cache.
	Link string
}

// Resolver finds libraries on this machine. It remembers nothing but where to look.
type Resolver struct {
	conf []string // directories of ld.so.conf
}

// NewResolver reads /etc/ld.so.conf; a machine without one is fine.
func NewResolver() *Resolver { return &Resolver{conf: readConf("/etc/ld.so.conf", 0)} }

// object is an ELF file in the search: where it is here, where it will be, and who asked for it.
type object struct {
	source, path string
	needs        Needs
	parent       *object
}

// Resolve gives the dynamic linker and every library that the program or library source needs, directly
// or not, for an archive in which it stands at dest. A static program needs nothing; for what is no ELF
// file the error is ErrNotELF.
func (r *Resolver) Resolve(source, dest string) ([]Library, error) {
	real, err := filepath.EvalSymlinks(source) // $ORIGIN of a program is where it really is
	if err != nil {
		return nil, err
	}
	root := &object{source: real, path: dest}
	if root.needs, err = readFile(real); err != nil {
		return nil, err
	}
	var found []Library
	loader := root.needs.Interpreter
	if loader != "" {
		if _, err := os.Stat(loader); err != nil {
			return nil, fmt.Errorf("%s: its dynamic linker: %w", source, err)
		}
		found = append(found, Library{Path: loader, Source: loader})
	}

	// Breadth first, and each name once, as the dynamic linker does.
	seen := map[string]bool{path.Base(loader): true}
	for queue := []*object{root}; len(queue) > 0; queue = queue[1:] {
		for _, name := range queue[0].needs.Libraries {
			if seen[name] {
				continue
			}
			seen[name] = true
			lib, child, err := r.find(queue[0], name, loader)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", source, err)
			}
			found = append(found, lib)
			queue = append(queue, child)
		}
	}
	return found, nil
}

// find looks for one library of o.
func (r *Resolver) find(o *object, name, loader string) (Library, *object, error) {
	if strings.Contains(name, "/") {
		lib, child, ok := o.try(place{filepath.Dir(name), filepath.Dir(name)}, filepath.Base(name))
		if !ok {
			return lib, nil, fmt.Errorf("%s needs %s, which is not there", o.source, name)
		}
		return lib, child, nil
	}
	places := o.ownPlaces()
	own := len(places)
	for _, dir := range slices.Concat(r.conf, systemDirs(o.needs.machine, loader)) {
		places = append(places, place{dir, dir})
	}
	for i, p := range places {
		lib, child, ok := o.try(p, name)
		if !ok {
			continue
		}
		if i >= own && loader != "" && !isSystemDir(p.here, loader) {
			lib.Link = path.Join(realDir(loader), name)
		}
		return lib, child, nil
	}
	var looked []string
	for _, p := range places {
		looked = append(looked, p.here)
	}
	slices.Sort(looked)
	return Library{}, nil, fmt.Errorf("%s needs %s, which is in none of %s", o.source, name, strings.Join(slices.Compact(looked), " "))
}

// place is a directory to search, on this machine and in the archive: they differ where $ORIGIN is
// used and a program is put elsewhere than it is here.
type place struct{ here, there string }

// ownPlaces are the directories that o and, by DT_RPATH, the objects that wanted o name.
func (o *object) ownPlaces() []place {
	var places []place
	if len(o.needs.RunPath) == 0 { // DT_RUNPATH switches DT_RPATH off
		for q := o; q != nil; q = q.parent {
			if len(q.needs.RunPath) == 0 {
				places = append(places, q.expand(q.needs.RPath)...)
			}
		}
	}
	return append(places, o.expand(o.needs.RunPath)...)
}

func (o *object) expand(dirs []string) []place {
	var places []place
	for _, dir := range dirs {
		with := func(origin string) string {
			return path.Clean(strings.NewReplacer("${ORIGIN}", origin, "$ORIGIN", origin).Replace(dir))
		}
		p := place{with(filepath.Dir(o.source)), with(path.Dir(o.path))}
		// $LIB and $PLATFORM have values that only the dynamic linker of the target knows.
		if !strings.Contains(p.here, "$") && path.IsAbs(p.here) {
			places = append(places, p)
		}
	}
	return places
}

// try gives the library of that name in p if it is one that fits o.
func (o *object) try(p place, name string) (Library, *object, bool) {
	source := filepath.Join(p.here, name)
	needs, err := readFile(source)
	if err != nil || needs.machine != o.needs.machine {
		return Library{}, nil, false
	}
	there := path.Join(p.there, name)
	return Library{Path: there, Source: source}, &object{source, there, needs, o}, true
}

func readFile(name string) (Needs, error) {
	f, err := os.Open(name)
	if err != nil {
		return Needs{}, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return Needs{}, err
	} else if !info.Mode().IsRegular() {
		return Needs{}, ErrNotELF
	}
	n, err := Read(f)
	if err != nil && err != ErrNotELF {
		return Needs{}, fmt.Errorf("%s: %w", name, err)
	}
	return n, err
}

// multiarch is Debian's directory name for a machine.
var multiarch = map[machine]string{
	{elf.ELFCLASS64, elf.EM_X86_64}:  "x86_64-linux-gnu",
	{elf.ELFCLASS32, elf.EM_386}:     "i386-linux-gnu",
	{elf.ELFCLASS64, elf.EM_AARCH64}: "aarch64-linux-gnu",
	{elf.ELFCLASS32, elf.EM_ARM}:     "arm-linux-gnueabihf",
}

// systemDirs are where a dynamic linker looks without being told. Which of them it has built in differs
// between distributions; a directory too many does no harm, since what is in it must fit the machine.
func systemDirs(m machine, loader string) []string {
	var dirs []string
	if triplet, ok := multiarch[m]; ok {
		dirs = append(dirs, "/lib/"+triplet, "/usr/lib/"+triplet)
	}
	if m.class == elf.ELFCLASS64 {
		dirs = append(dirs, "/lib64", "/usr/lib64")
	} else {
		dirs = append(dirs, "/lib32", "/usr/lib32")
	}
	dirs = append(dirs, "/lib", "/usr/lib")
	if loader != "" {
		dirs = append(dirs, realDir(loader))
	}
	return dirs
}

// isSystemDir tells whether the dynamic linker surely looks in dir: it always does in the directory
// that it lives in itself, and in /lib and /usr/lib.
func isSystemDir(dir, loader string) bool {
	real, err := filepath.EvalSymlinks(dir)
	return err == nil && (real == realDir(loader) || real == "/lib" || real == "/usr/lib")
}

// realDir is the directory that a file lives in when symbolic links are followed.
func realDir(file string) string {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real
	}
	return filepath.Dir(file)
}
