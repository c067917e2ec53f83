package mkdisk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"holdfast/flash/grub"
)

// grubDir is GRUB's folder on the boot partition.
const grubDir = "boot/grub"

const (
	legacyLib = "/usr/lib/grub/x86_64-pc" // Debian's grub-legacy
	grub2Lib  = "/usr/lib/grub/i386-pc"   // Debian's grub-pc-bin
)

// loaderTable is what a boot loader takes from the machine that makes the disk.
type loaderTable struct {
	copied []string // files for grubDir
	tools  []tool
}

func (l Loader) tables() loaderTable {
	tools := []tool{{"mke2fs", "e2fsprogs"}, {"debugfs", "e2fsprogs"}}
	if l == GRUB2 {
		return loaderTable{tools: append(tools, tool{"grub-mkimage", "grub-common"}, tool{grub2Lib + "/boot.img", "grub-pc-bin"})}
	}
	t := loaderTable{tools: append(tools, tool{"grub", "grub-legacy"})}
	for _, name := range []string{"stage1", "stage2", "e2fs_stage1_5"} {
		t.copied = append(t.copied, filepath.Join(legacyLib, name))
		t.tools = append(t.tools, tool{filepath.Join(legacyLib, name), "grub-legacy"})
	}
	// Debian's grub shell is a 32-bit program whose package does not name its C library.
	t.tools = append(t.tools, tool{"/lib/ld-linux.so.2", "libc6-i386"})
	return t
}

// check looks for everything the loader needs.
func (l Loader) check() error {
	for _, t := range l.tables().tools {
		if err := t.missing(); err != nil {
			return err
		}
	}
	return nil
}

// loaderFiles gives the files of grubDir that are made here: the menu and the saved default.
func (p *Plan) loaderFiles() (map[string][]byte, error) {
	entry, _ := firstEntry(p.request.Default)
	if p.request.Loader == GRUBLegacy {
		saved, err := grub.NewDefaultFile(entry).Encode()
		return map[string][]byte{"menu.lst": p.menu.legacy(), "default": saved}, err
	}
	env, err := grub.Env{Lines: []grub.EnvLine{{Name: "saved_entry", Value: fmt.Sprint(entry)}}}.Encode()
	if err != nil {
		return nil, err
	}
	config, err := p.menu.grub2()
	return map[string][]byte{"grub.cfg": config, "grubenv": env}, err
}

// install puts the loader's first parts in front of the boot partition.
func (l Loader) install(ctx context.Context, disk *os.File, work string) error {
	if l == GRUB2 {
		return installGRUB2(ctx, disk, work)
	}
	return installLegacy(ctx, disk.Name(), work)
}

// installLegacy runs GRUB's own shell on the disk image. It writes stage1 to the MBR,
// e2fs_stage1_5 behind it, and into stage2 where its menu is.
func installLegacy(ctx context.Context, disk, work string) error {
	deviceMap := filepath.Join(work, "device.map")
	if err := os.WriteFile(deviceMap, []byte("(hd0) "+disk+"\n"), 0o644); err != nil {
		return err
	}
	out, err := run(ctx, "root (hd0,0)\nsetup (hd0)\nquit\n", "grub", "--batch", "--no-floppy", "--device-map="+deviceMap)
	if err != nil {
		return err
	}
	// The shell's exit status is 0 whatever happens, and a setup that cannot embed stage1_5 falls
	// back to something that stops working when a file moves.
	for _, want := range []string{"sectors are embedded.\nsucceeded", "/boot/grub/menu.lst\"... succeeded"} {
		if !strings.Contains(out, want) {
			return fmt.Errorf("the grub shell said: %s", strings.TrimSpace(out))
		}
	}
	return nil
}

// grub2Modules are all that the menu and an operator at GRUB's prompt need; no module is loaded from
// the disk later.
func grub2Modules() []string {
	return strings.Fields("biosdisk part_msdos part_gpt ext2 fat normal linux loadenv configfile regexp test echo " +
		"serial terminal ls cat search search_fs_uuid search_label reboot halt minicmd sleep")
}

// installGRUB2 writes boot.img to the MBR and core.img right behind it. grub-bios-setup does the
// same, but only for a disk that it finds mounted on this machine, which takes root.
func installGRUB2(ctx context.Context, disk *os.File, work string) error {
	core := filepath.Join(work, "core.img")
	// A prefix without a disk means the one that GRUB was started from.
	args := []string{"-O", "i386-pc", "-d", grub2Lib, "-p", "(,msdos1)/" + grubDir, "-o", core}
	if _, err := run(ctx, "", "grub-mkimage", append(args, grub2Modules()...)...); err != nil {
		return err
	}
	boot, err := os.ReadFile(filepath.Join(grub2Lib, "boot.img"))
	if err != nil {
		return err
	}
	image, err := os.ReadFile(core)
	if err != nil {
		return err
	}
	if len(boot) != sector || len(image) > alignment-sector {
		return fmt.Errorf("boot.img has %d bytes and core.img %d: they do not fit in front of the first partition", len(boot), len(image))
	}
	// What boot.img and the first sector of core.img say by themselves is right for this place: core.img
	// begins in sector 1, its rest in sector 2 and is as long as grub-mkimage wrote there (kernel_sector
	// in grub-core/boot/i386/pc/boot.S, blocklist_default_start in diskboot.S). The BIOS's drive number
	// must not be doubted, as grub-bios-setup has it for hard disks: GRUB_BOOT_MACHINE_DRIVE_CHECK at
	// 0x66 becomes two nops. The disk signature and the table behind byte 440 stay.
	boot[0x66], boot[0x67] = 0x90, 0x90
	if _, err := disk.WriteAt(boot[:440], 0); err != nil {
		return err
	}
	_, err = disk.WriteAt(image, sector)
	return err
}
