// Package elfdeps finds the shared libraries of ELF programs by reading them, never by running them
// or ldd: the program may be for another machine, or hostile. It follows the search of glibc's dynamic
// linker (ld.so(8), elf/dl-load.c): DT_RPATH, DT_RUNPATH with $ORIGIN, the directories of ld.so.conf,
// the system directories. Libraries that a program opens by name at run time (dlopen: NSS modules,
// plugins) cannot be seen in it.
package elfdeps

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrNotELF says that a file is no ELF program or shared library. A relocatable object, such as a
// kernel module, is none either.
var ErrNotELF = errors.New("not an ELF program or library")

// Needs is what an ELF file asks of the dynamic linker. All of it is empty in a static program.
type Needs struct {
	Interpreter string   // PT_INTERP: absolute path of the dynamic linker; "" in static files and most libraries
	Libraries   []string // DT_NEEDED, in the file's order
	RPath       []string // directories of DT_RPATH, which also serve the libraries' own libraries
	RunPath     []string // directories of DT_RUNPATH

	machine machine
}

// machine tells files apart that cannot be linked with each other.
type machine struct {
	class elf.Class
	arch  elf.Machine
}

// Read reads what the ELF file r needs. The error is ErrNotELF where r is something else.
func Read(r io.ReaderAt) (Needs, error) {
	var magic [4]byte
	if _, err := r.ReadAt(magic[:], 0); err != nil && err != io.EOF {
		return Needs{}, err
	}
	if string(magic[:]) != elf.ELFMAG {
		return Needs{}, ErrNotELF
	}
	f, err := elf.NewFile(r)
	if err != nil {
		return Needs{}, fmt.Errorf("read ELF header: %w", err)
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return Needs{}, ErrNotELF
	}
	n := Needs{machine: machine{f.Class, f.Machine}}
	if n.Interpreter, err = interpreter(f); err != nil {
		return Needs{}, err
	}
	for tag, list := range map[elf.DynTag]*[]string{elf.DT_NEEDED: &n.Libraries, elf.DT_RPATH: &n.RPath, elf.DT_RUNPATH: &n.RunPath} {
		if *list, err = f.DynString(tag); err != nil {
			return Needs{}, fmt.Errorf("read dynamic section: %w", err)
		}
	}
	n.RPath, n.RunPath = splitPath(n.RPath), splitPath(n.RunPath)
	return n, nil
}

func interpreter(f *elf.File) (string, error) {
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		name, err := io.ReadAll(io.LimitReader(p.Open(), 4096))
		if err != nil {
			return "", fmt.Errorf("read ELF interpreter: %w", err)
		}
		return strings.TrimRight(string(name), "\x00"), nil
	}
	return "", nil
}

func splitPath(paths []string) []string {
	var dirs []string
	for _, p := range paths {
		for _, dir := range strings.Split(p, ":") {
			if dir != "" {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}
