package initramfs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"holdfast/initramfs/compress"
	"holdfast/initramfs/kmod"
	"holdfast/initramfs/newc"
)

// ModuleListPath is where an archive says which modules /init has to load: one absolute path a line,
// in load order; lines that start with '#' and empty lines mean nothing.
const ModuleListPath = "/etc/holdfast/modules"

// ReadModuleList gives the paths of a module list; with an error, those in front of what cannot be
// read.
func ReadModuleList(r io.Reader) ([]string, error) {
	var paths []string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && line[0] != '#' {
			paths = append(paths, line)
		}
	}
	if err := lines.Err(); err != nil {
		return paths, fmt.Errorf("read the list of modules: %w", err)
	}
	return paths, nil
}

// addModules puts in the modules and their list. Compressed modules go in unpacked: /init needs no
// decompressor, and the archive as a whole compresses better.
func (r Request) addModules(b *builder) error {
	if len(r.Modules) == 0 {
		return nil
	}
	if r.KernelModules == "" {
		return errors.New("modules are asked for, but no directory of kernel modules is named")
	}
	tree, err := kmod.Open(r.KernelModules)
	if err != nil {
		return err
	}
	load, err := tree.Load(r.Modules)
	if err != nil {
		return err
	}
	for _, name := range load.Builtin {
		b.notes = append(b.notes, fmt.Sprintf("module %s is built into kernel %s", name, tree.Version))
	}
	for _, added := range load.Added {
		b.notes = append(b.notes, "added module "+added)
	}

	var list strings.Builder
	fmt.Fprintf(&list, "# Kernel modules for %s, in load order.\n", tree.Version)
	for _, file := range load.Files {
		e, err := moduleEntry(tree, file)
		if err != nil {
			return err
		}
		if err := b.put(e); err != nil {
			return err
		}
		list.WriteString("/" + e.Path + "\n")
	}
	return b.put(textEntry(ModuleListPath[1:], list.String(), FromModules))
}

func moduleEntry(tree *kmod.Tree, file string) (Entry, error) {
	source := filepath.Join(tree.Dir, filepath.FromSlash(file))
	plain, suffix, _ := strings.Cut(path.Base(file), ".ko")
	dest := path.Join("lib/modules", tree.Version, path.Dir(file), plain+".ko")
	if suffix == "" {
		return fileEntry(source, dest, 0o644, FromModules)
	}
	e := Entry{
		Path: dest, Mode: newc.TypeRegular | 0o644, Origin: FromModules, Source: source,
		open: func() (io.ReadCloser, error) { return openCompressed(source) },
	}
	content, err := e.open()
	if err != nil {
		return Entry{}, err
	}
	defer content.Close()
	if e.Size, err = io.Copy(io.Discard, content); err != nil {
		return Entry{}, fmt.Errorf("unpack %s: %w", source, err)
	}
	return e, e.checkSize()
}

// unpackedFile is the content of a compressed file.
type unpackedFile struct {
	*compress.Reader
	file *os.File
}

func (u unpackedFile) Close() error {
	u.Reader.Close()
	return u.file.Close()
}

func openCompressed(name string) (io.ReadCloser, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	z, err := compress.NewReader(bufio.NewReader(f))
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	return unpackedFile{z, f}, nil
}
