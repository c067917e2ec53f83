// Package mkdisk makes a bootable disk image: a partition table, a boot partition with a real GRUB,
// the maintenance kernel and the console, and a flash partition with images. It needs neither root
// nor loop devices.
package mkdisk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/ops"
	"holdfast/ops/archive"
	"holdfast/ops/output"
	"holdfast/ops/pack"
)

const op = "disk create"

// DefaultConsoleArgs is what the maintenance kernel is given when a Request says nothing: VGA, and
// the serial line as the owner of /dev/console.
const DefaultConsoleArgs = "console=tty0 console=ttyS0,115200"

// DefaultSize is the size of a disk when a Request says nothing, in bytes.
const DefaultSize = 256 << 20

// Loader is a boot loader that can be put on a disk.
type Loader string

// The loaders.
const (
	GRUBLegacy Loader = "grub-legacy" // GRUB 0.97, of Debian's package grub-legacy
	GRUB2      Loader = "grub2"       // GRUB 2, of Debian's packages grub-common and grub-pc-bin
)

// Request says what disk to make. Empty fields mean: GRUBLegacy, the active image as boot default,
// DefaultConsoleArgs, DefaultSize.
type Request struct {
	Output      string
	Loader      Loader
	Kernel      string            // file name of the maintenance kernel
	Console     string            // file name of its initramfs
	Images      map[string]string // archives by slot: active, backup, factory
	Default     string            // active, backup or maintenance
	ConsoleArgs string            // words for the maintenance kernel; its consoles are also the images'
	SystemArgs  string            // text of cfg/system.arg; its last line is ended here
	MenuTimeout int               // seconds that GRUB waits at its menu, and before it at the choice of a terminal
	Size        int64             // of the whole disk, in bytes
	Force       bool              // replace an existing file
}

// maxTimeout bounds what GRUB's menu waits: an appliance that nobody looks at has to start.
const maxTimeout = 600

// Plan is a checked Request with everything that is known before the first write.
type Plan struct {
	request Request
	images  []image
	layout  layout
	menu    menu
	files   map[string][]byte // of GRUB's folder, made here, by name
	id      identity
	notes   []string // what may go wrong
}

// image is an archive for a slot.
type image struct {
	slot string
	from archive.Source
	archive.Image
}

// Plan checks the request, reads the archives whole, and looks for the tools.
func (r Request) Plan(ctx context.Context) (*Plan, error) {
	r.fill()
	if err := r.check(); err != nil {
		return nil, err
	}
	images, err := r.inspect(ctx)
	if err != nil {
		return nil, err
	}
	p := &Plan{request: r, images: images}
	if p.notes, err = r.checkConsole(); err != nil {
		return nil, err
	}
	if p.id, err = r.identify(); err != nil {
		return nil, &ops.Error{Kind: ops.Invalid, Op: op, Err: err}
	}
	if p.menu, err = p.makeMenu(); err != nil {
		return nil, &ops.Error{Kind: ops.Invalid, Op: op, Step: "boot menu", Err: err}
	}
	if p.files, err = p.loaderFiles(); err != nil {
		return nil, &ops.Error{Kind: ops.Invalid, Op: op, Step: "boot menu", Err: err}
	}
	if p.layout, err = p.plan(); err != nil {
		return nil, err
	}
	return p, nil
}

func (r *Request) fill() {
	if r.Loader == "" {
		r.Loader = GRUBLegacy
	}
	if r.Default == "" {
		r.Default = flash.Active
	}
	if r.ConsoleArgs == "" {
		r.ConsoleArgs = DefaultConsoleArgs
	}
	if r.Size == 0 {
		r.Size = DefaultSize
	}
	if r.SystemArgs != "" && !strings.HasSuffix(r.SystemArgs, "\n") {
		r.SystemArgs += "\n"
	}
}

func (r Request) check() error {
	usage := func(format string, args ...any) error {
		return &ops.Error{Kind: ops.Usage, Op: op, Err: fmt.Errorf(format, args...)}
	}
	if r.Loader != GRUBLegacy && r.Loader != GRUB2 {
		return usage("boot loader %q: want %s or %s", r.Loader, GRUBLegacy, GRUB2)
	}
	if r.Kernel == "" || r.Console == "" {
		return usage("no maintenance kernel or no console given")
	}
	for slot := range r.Images {
		if !slices.Contains(flash.Slots[:], slot) {
			return usage("image slot %q: want active, backup or factory", slot)
		}
	}
	if r.MenuTimeout < 0 || r.MenuTimeout > maxTimeout {
		return usage("a menu that waits %d seconds: want 0 to %d", r.MenuTimeout, maxTimeout)
	}
	if _, ok := firstEntry(r.Default); !ok {
		return usage("boot default %q: want active, backup or maintenance", r.Default)
	}
	if r.Default != "maintenance" && r.Images[r.Default] == "" {
		return &ops.Error{Kind: ops.Refused, Op: op, Err: fmt.Errorf("the boot default would name the empty slot %s", r.Default),
			Hint: fmt.Sprintf("give --image %s=ARCHIVE, or --default maintenance", r.Default)}
	}
	if _, err := pack.ReadKernel(r.Kernel); err != nil {
		return &ops.Error{Kind: ops.Invalid, Op: op, Step: "maintenance kernel", Err: err}
	}
	if err := r.Loader.check(); err != nil {
		return err
	}
	inputs := slices.AppendSeq([]string{r.Kernel, r.Console}, maps.Values(r.Images))
	return output.Check(r.Output, r.Force, inputs...)
}

// inspect reads the archives, in the order of the slots.
func (r Request) inspect(ctx context.Context) ([]image, error) {
	var images []image
	for _, slot := range flash.Slots {
		name := r.Images[slot]
		if name == "" {
			continue
		}
		src, err := archive.File(name)
		if err == nil && src.Once {
			err = &ops.Error{Kind: ops.Invalid, Step: name, Err: errors.New("not a regular file")}
		}
		var content archive.Image
		if err == nil {
			content, err = archive.Copy(ctx, src, signature.Trust{}, 0, archive.Discard, ops.Discard)
		}
		if err != nil {
			return nil, about(slot, err)
		}
		images = append(images, image{slot, src, content})
	}
	return images, nil
}

// about says which slot's archive an error is about.
func about(slot string, err error) error {
	var e *ops.Error
	if !errors.As(err, &e) {
		return err
	}
	return &ops.Error{Kind: e.Kind, Op: op, Step: slot + " image", Err: e, Hint: e.Hint}
}

// String says in plain words what Apply will write.
func (p *Plan) String() string {
	r := p.request
	lines := []string{
		fmt.Sprintf("write %s, %d MiB", r.Output, r.Size>>20),
		fmt.Sprintf("  partition 1, boot: ext2, %d MiB, %s, maintenance kernel and console", p.layout.boot.size>>20, r.Loader),
		fmt.Sprintf("  partition 2, flash: ext2, %d MiB, label %s", p.layout.flash.size>>20, p.id.label),
	}
	for _, img := range p.images {
		state := "not checked, it has no manifest"
		if img.Integrity == flash.Intact {
			state = "hashes right"
		}
		version := img.Version
		if version == "" {
			version = "without a version"
		}
		lines = append(lines, fmt.Sprintf("    %s: %s, %s", img.slot, version, state))
	}
	lines = append(lines, "  boot menu, default "+r.Default)
	for i, e := range p.menu.entries {
		lines = append(lines, fmt.Sprintf("    %d %s: %s %s", i, e.title, e.kernel, e.line))
	}
	for _, note := range p.notes {
		lines = append(lines, "  "+note)
	}
	return strings.Join(lines, "\n")
}

// Apply makes the disk image. The same request makes the same bytes with the same tools.
func (p *Plan) Apply(ctx context.Context, rep ops.Reporter) error {
	return output.Error(op, p.apply(ctx, rep))
}

func (p *Plan) apply(ctx context.Context, rep ops.Reporter) error {
	work, err := os.MkdirTemp("", "holdfast-disk-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	bootDir, flashDir := filepath.Join(work, "boot"), filepath.Join(work, "flash")
	if err := p.fillBoot(ctx, bootDir, rep); err != nil {
		return err
	}
	if err := p.fillFlash(ctx, flashDir, rep); err != nil {
		return err
	}
	disk, err := output.Create(p.request.Output, p.request.Force)
	if err != nil {
		return err
	}
	defer disk.Cleanup()
	if err := p.writeTable(disk.File); err != nil {
		return fmt.Errorf("write partition table: %w", err)
	}
	for _, fs := range []struct {
		fileSystem
		from string
	}{
		{fileSystem{label: "boot", uuid: p.id.bootUUID, partition: p.layout.boot}, bootDir},
		{fileSystem{label: p.id.label, uuid: p.id.flashUUID, partition: p.layout.flash}, flashDir},
	} {
		rep.Progress(ops.Progress{Step: "make file system " + fs.label})
		if err := fs.make(ctx, disk.Name(), fs.from); err != nil {
			return fmt.Errorf("make file system %s: %w", fs.label, err)
		}
	}
	rep.Progress(ops.Progress{Step: "install " + string(p.request.Loader)})
	if err := p.request.Loader.install(ctx, disk.File, work); err != nil {
		return fmt.Errorf("install %s: %w", p.request.Loader, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := disk.Commit(); err != nil {
		return err
	}
	rep.Log("wrote " + p.request.Output)
	return nil
}
