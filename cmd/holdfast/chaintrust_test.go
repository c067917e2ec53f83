package main

import (
	"path/filepath"
	"testing"
)

// TestStageRequiresSignature takes no key: the console believes what its archive says, passes over
// active, which nobody signed, and boots backup, which is signed.
func TestStageRequiresSignature(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	tool(t, "minisign", dir, "minisign", "-G", "-W", "-p", "release.pub", "-s", "release.key")
	holdfast(t, "initramfs", "create", "-o", in("console"), "--kernel-modules", made.modules, "--module", "virtio_blk,ata_piix,vfat",
		"--busybox", busybox, "--compress", "zstd", "--trust-key", in("release.pub"), "--model", "FW-2", "--require-signature")
	backup := packImage(t, "backup", "1.3.123", "marker=backup")
	holdfast(t, "image", "sign", "--key", in("release.key"), "--model", "FW-2", backup)
	holdfast(t, "disk", "create", "--menu-timeout", "0", "-o", in("disk.img"), "--loader", "grub-legacy", "--kernel", made.kernel, "--console", in("console"),
		"--image", "active="+packImage(t, "active", "1.3.124", "marker=active"), "--image", "backup="+backup,
		"--default", "maintenance", "--console-args", bothConsoles+" holdfast.autoboot=1", "--system-args", systemWord)
	ctx, m := bootDisk(t, in("disk.img"))
	hasWords(t, imageRuns(t, ctx, m), "marker=backup", "img=backup")
}
