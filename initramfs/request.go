package initramfs

import (
	"debug/elf"
	"fmt"
	"os"
	"path"

	"holdfast/initramfs/compress"
	"holdfast/initramfs/elfdeps"
)

// Request says what an archive is to hold. The zero value asks for an empty one.
type Request struct {
	// Init is the program that becomes /init. With it come the directories and device nodes of a
	// complete initramfs. Without it the archive is a layer, to be put behind a complete one: it has
	// only what is asked for and the directories above that.
	Init string

	Command string // name in /bin by which a rescue shell finds /init as a command; "" for none

	KernelModules string // .../lib/modules/VERSION, or a directory with one lib/modules/VERSION below it

	// Modules are names of kernel modules, in the order in which to load them. What they depend on comes
	// with them, and so do companions that no dependency names: sd_mod with any SCSI or ATA host driver
	// (an IDE disk needs ata_piix and sd_mod), virtio_pci with virtio drivers, code pages with vfat.
	Modules []string

	Busybox string // becomes /bin/busybox, with links for the usual applets
	Adds    []Add
	Texts   []Text

	Compress compress.Method
}

// Text is a small file that is made up for the archive.
type Text struct {
	Dest    string // exact path in the archive, absolute
	Content string
}

// Plan is the archive that Write will make: everything has been found, nothing is written.
type Plan struct {
	Entries  []Entry // in archive order, which is by path
	Compress compress.Method
	Notes    []string // what the person should know: built-in modules, modules added by themselves
}

// Plan reads whatever the request names and gives the archive's entries. Everything that is wrong with
// the request is an error here: nothing is left for the boot to find out.
func (r Request) Plan() (*Plan, error) {
	b := &builder{entries: map[string]Entry{}, resolver: elfdeps.NewResolver()}
	for _, step := range []func(*builder) error{r.addInit, r.addBusybox, r.addModules, r.addFiles} {
		if err := step(b); err != nil {
			return nil, fmt.Errorf("plan initramfs: %w", err)
		}
	}
	entries, err := b.finish()
	if err != nil {
		return nil, fmt.Errorf("plan initramfs: %w", err)
	}
	return &Plan{Entries: entries, Compress: r.Compress, Notes: b.notes}, nil
}

func (r Request) addInit(b *builder) error {
	if r.Init == "" {
		return nil
	}
	for _, e := range layout {
		if err := b.put(e); err != nil {
			return err
		}
	}
	if r.Command != "" {
		if err := b.put(linkEntry(path.Join("bin", r.Command), "../init", FromInit)); err != nil {
			return err
		}
	}
	return b.putProgram(r.Init, "init", FromInit)
}

func (r Request) addBusybox(b *builder) error {
	if r.Busybox == "" {
		return nil
	}
	if err := b.putProgram(r.Busybox, "bin/busybox", FromBusybox); err != nil {
		return err
	}
	applets, err := busyboxApplets(r.Busybox)
	if err != nil {
		return err
	}
	for _, name := range applets {
		if err := b.put(linkEntry(path.Join("bin", name), "busybox", FromBusybox)); err != nil {
			return err
		}
	}
	return nil
}

func (r Request) addFiles(b *builder) error {
	for _, a := range r.Adds {
		if err := b.add(a); err != nil {
			return fmt.Errorf("add %s: %w", a.Source, err)
		}
	}
	for _, t := range r.Texts {
		dest, err := archivePath(t.Dest)
		if err == nil {
			err = b.put(textEntry(dest, t.Content, FromAdd))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// putProgram puts an ELF program in, with its libraries.
func (b *builder) putProgram(source, dest string, origin Origin) error {
	if err := checkProgram(source); err != nil {
		return fmt.Errorf("/%s: %w", dest, err)
	}
	e, err := fileEntry(source, dest, 0o755, origin)
	if err != nil {
		return err
	}
	if err := b.put(e); err != nil {
		return err
	}
	return b.putLibraries(source, dest)
}

func checkProgram(source string) error {
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer f.Close()
	program, err := elf.NewFile(f)
	if err != nil {
		return fmt.Errorf("%s: not an ELF program: %v", source, err)
	}
	if program.Type != elf.ET_EXEC && program.Type != elf.ET_DYN {
		return fmt.Errorf("%s: an ELF file, but not a program (%v)", source, program.Type)
	}
	return nil
}
