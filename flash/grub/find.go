package grub

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// Place says where a loader's saved default is.
type Place struct {
	Form Form
	Path string // of its file: "boot/grub/default"; "" of Stage2, which is in no file
}

// Find looks for the saved default: below fsys, which is the boot partition or the flash, and
// behind the MBR of the disk it is on, where disk is not nil. Where both GRUBs have files, the disk's
// first sector tells which of them boots; when it does not, that is an error. The error wraps
// fs.ErrNotExist when there is no saved default.
func Find(fsys fs.FS, disk io.ReaderAt) (Place, error) {
	place, err := find(fsys, disk)
	if err != nil {
		return Place{}, fmt.Errorf("find the saved boot default: %w", err)
	}
	return place, nil
}

func find(fsys fs.FS, disk io.ReaderAt) (Place, error) {
	boots, err := whichLoader(fsys, disk)
	if err != nil {
		return Place{}, err
	}
	name, err := firstOf(fsys, boots.files().saved)
	switch {
	case err == nil && boots == grub2:
		return Place{Form: EnvFile, Path: name}, nil
	case err == nil:
		return Place{Form: LegacyFile, Path: name}, nil
	case !errors.Is(err, fs.ErrNotExist) || boots == grub2 || disk == nil:
		return Place{}, err
	}
	sector, readErr := readSector(disk, Stage2At)
	if readErr != nil {
		return Place{}, readErr
	}
	if _, stage2Err := DecodeStage2(sector); stage2Err != nil {
		return Place{}, fmt.Errorf("%w, and sector %d of the disk holds none", err, Stage2At)
	}
	return Place{Form: Stage2}, nil
}

// Read reads the saved default at the place.
func (p Place) Read(fsys fs.FS, disk io.ReaderAt) (Saved, error) {
	what, b, err := fmt.Sprintf("sector %d", Stage2At), []byte(nil), errors.New("no disk to read it from")
	switch {
	case p.Form != Stage2:
		what = p.Path
		b, err = readFile(fsys, p.Path)
	case disk != nil:
		b, err = readSector(disk, Stage2At)
	}
	if err != nil {
		return nil, fmt.Errorf("read the saved boot default: %w", err)
	}
	saved, err := p.Form.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return saved, nil
}

// Menu reads the menu that belongs to the saved default: of the same loader, and in the same folder
// where there is one.
func (p Place) Menu(fsys fs.FS) (Menu, error) {
	if p.Path != "" {
		for _, name := range p.Form.loader().files().menus {
			name = path.Join(path.Dir(p.Path), name)
			if _, err := fs.Stat(fsys, name); err == nil {
				return readMenu(fsys, name)
			}
		}
	}
	return readMenuOf(fsys, p.Form.loader())
}

// whichLoader tells which GRUB boots, by whose files are there, and where those of both are, by the
// disk's first sector.
func whichLoader(fsys fs.FS, disk io.ReaderAt) (loader, error) {
	has := func(l loader) bool {
		_, err := firstOf(fsys, append(l.files().menus, l.files().saved)...)
		return err == nil || !errors.Is(err, fs.ErrNotExist)
	}
	if !has(grub2) {
		return legacy, nil
	}
	if !has(legacy) {
		return grub2, nil
	}
	if disk == nil {
		return 0, errors.New("there are files of GRUB Legacy and of GRUB 2, and nothing here tells which of them boots")
	}
	sector, err := readSector(disk, 0)
	if err != nil {
		return 0, err
	}
	l, ok := loaderOf(sector)
	if !ok {
		return 0, errors.New("there are files of GRUB Legacy and of GRUB 2, and the disk's first sector is neither's")
	}
	return l, nil
}

// loaderOf tells whose first sector it is. Both say GRUB. GRUB Legacy's has its compatibility version,
// 3.2, at 0x3e (stage1/stage1.h); GRUB 2's, that has no version there, begins with a jump over a longer
// header (grub-core/boot/i386/pc/boot.S, GRUB_BOOT_MACHINE_DRIVE_CHECK at 0x66).
func loaderOf(sector []byte) (loader, bool) {
	version := bytes.Equal(sector[0x3e:0x40], []byte{3, 2})
	long := bytes.HasPrefix(sector, []byte{0xeb, 0x63})
	if !bytes.Contains(sector, []byte("GRUB \x00Geom")) || version == long {
		return 0, false
	}
	if long {
		return grub2, true
	}
	return legacy, true
}

const sectorSize = 512

func readSector(disk io.ReaderAt, sector int64) ([]byte, error) {
	b := make([]byte, sectorSize)
	if n, err := disk.ReadAt(b, sector*sectorSize); n < len(b) {
		return nil, fmt.Errorf("sector %d of the disk: %w", sector, err)
	}
	return b, nil
}
