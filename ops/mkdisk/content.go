package mkdisk

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/ops"
	"holdfast/ops/archive"
	"holdfast/ops/output"
)

// fillBoot makes the content of the boot partition below dir.
func (p *Plan) fillBoot(ctx context.Context, dir string, rep ops.Reporter) error {
	firmware, grub := filepath.Join(dir, "firmware"), filepath.Join(dir, grubDir)
	for _, d := range []string{firmware, grub} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	for _, f := range []struct{ from, name string }{{p.request.Kernel, "kernel.img"}, {p.request.Console, "initrd.img"}} {
		if err := copyFile(ctx, filepath.Join(firmware, f.name), f.from, rep); err != nil {
			return err
		}
	}
	for name, content := range p.files {
		if err := os.WriteFile(filepath.Join(grub, name), content, 0o644); err != nil {
			return err
		}
	}
	for _, name := range p.request.Loader.tables().copied {
		if err := copyFile(ctx, filepath.Join(grub, filepath.Base(name)), name, rep); err != nil {
			return err
		}
	}
	return nil
}

// fillFlash makes the content of the flash partition below dir.
func (p *Plan) fillFlash(ctx context.Context, dir string, rep ops.Reporter) error {
	cfg := filepath.Join(dir, "cfg")
	if err := os.MkdirAll(cfg, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(cfg, "system.arg"), []byte(p.request.SystemArgs), 0o644); err != nil {
		return err
	}
	if err := makeRecords(dir); err != nil {
		return err
	}
	for _, img := range p.images {
		if err := img.unpack(ctx, filepath.Join(dir, "system", img.slot), rep); err != nil {
			return err
		}
	}
	return os.MkdirAll(filepath.Join(dir, "system"), 0o755)
}

// makeRecords makes the files for state records, with records that say nothing: the first operation then
// overwrites them in place, and needs no space and no new name of a file system that a power cut may have hurt. They
// are no zeros, of which mke2fs would make holes.
func makeRecords(dir string) error {
	block, err := flash.Record{}.Encode()
	if err != nil {
		return err
	}
	for _, name := range flash.RecordFiles {
		if err := os.WriteFile(filepath.Join(dir, name), block, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (i image) unpack(ctx context.Context, dir string, rep ops.Reporter) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	rep.Progress(ops.Progress{Step: "unpack " + i.slot + " image"})
	_, err := archive.Copy(ctx, i.from, signature.Trust{}, 0, func(name string, _ int64) (io.WriteCloser, error) {
		return os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	}, rep)
	return about(i.slot, err)
}

func copyFile(ctx context.Context, to, from string, rep ops.Reporter) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	defer dst.Close()
	if err := output.Copy(ctx, dst, src, rep, "copy "+filepath.Base(to), info.Size()); err != nil {
		return err
	}
	return dst.Close()
}
