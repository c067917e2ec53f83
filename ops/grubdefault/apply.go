package grubdefault

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"holdfast/flash"
	"holdfast/flash/access"
	"holdfast/flash/blockmap"
	"holdfast/flash/grub"
	"holdfast/flash/store"
	"holdfast/flash/volume"
	"holdfast/ops"
	"holdfast/ops/history"
	"holdfast/ops/lock"
	"holdfast/ops/safety"
	"holdfast/ops/status"
)

// Apply writes, reads back, and logs. Writing one sector cannot be cancelled half way: ctx is heeded
// before.
func (p Plan) Apply(ctx context.Context, rep ops.Reporter) error {
	if p.Nothing() {
		return nil
	}
	if !p.request.Locked {
		held, err := lock.Take(ctx, lockNames(p.request.Report.Target, p.loader.place.Form), p.request.NoWait, rep)
		if err != nil {
			return err
		}
		defer func() {
			for _, f := range held {
				f.Close()
			}
		}()
	}
	v, err := open(p.request.Report.Target.GRUB)
	if err != nil {
		return err
	}
	defer v.Close()
	now, err := p.request.plan(v) // all that was looked at before may be different by now
	if err != nil {
		return err
	}
	if !now.same(p) {
		return fail(ops.Refused, "", errors.New("the boot default, or where it lies, is not what the plan was made for"), "look again")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := now.checkImage(ctx, rep); err != nil {
		return err
	}
	now.logBefore(rep)
	if err = now.write(rep); err != nil {
		err = now.inForce(err)
	}
	now.logAfter(rep, err)
	return err
}

// same reports that another plan would write the same in the same place in the same way, and that it
// would mean the same: the menu gives a number its meaning.
func (p Plan) same(o Plan) bool {
	return p.From == o.From && p.To == o.To && p.spot.way == o.spot.way && p.spot.device == o.spot.device &&
		p.spot.blocks == o.spot.blocks && bytes.Equal(p.change.Old, o.change.Old) && bytes.Equal(p.change.New, o.change.New) &&
		p.name(p.To) == o.name(o.To) && p.chain() == o.chain()
}

// checkImage hashes the image that will be booted: GRUB does not, and would start a damaged one again
// and again. One that was hashed for this report is not hashed a second time, and one that was booted
// has shown what it is worth.
func (p Plan) checkImage(ctx context.Context, rep ops.Reporter) error {
	e, _ := p.loader.menu.Find(p.To)
	img, ok := p.request.Report.Image(e.Slot)
	if !ok || p.request.Booted || img.Integrity != flash.Unknown {
		return nil
	}
	img, err := img.Verify(ctx, p.request.Report.Target.FS, rep)
	switch {
	case err != nil:
		return err
	case img.Integrity == flash.Damaged:
		if err := safety.CheckReadable(p.request.Report.Verified(img), e.Slot); err != nil {
			return err
		}
		err = fmt.Errorf("%s is damaged: %s", e.Slot, strings.Join(img.Problems, ", "))
	case img.Broken != "":
		err = fmt.Errorf("%s: %s", e.Slot, img.Broken)
	default:
		return nil
	}
	return fail(ops.Refused, "entry "+describe(p.To, e), err, "the boot default never names what cannot boot")
}

// LockName is what everybody locks who writes files of a flash: its device or image file, but of a
// directory of a larger file system that directory. Others have flashes beside it.
func LockName(v *volume.Volume) string {
	if v.Dir != "" && !v.Whole() {
		return v.Dir
	}
	return cmp.Or(v.Device, v.Disk, v.Dir)
}

// LockNames are what everybody locks who writes to the flash t, or to the saved default that boots it:
// two flashes can share one. The flash's own name is the first.
func LockNames(t status.Target) []string {
	var form grub.Form
	if g := t.GRUB; g.FS != nil && g.Volume != nil {
		if place, err := grub.Find(g.FS, g.Volume.DiskReader()); err == nil {
			form = place.Form
		}
	}
	return lockNames(t, form)
}

func lockNames(t status.Target, form grub.Form) []string {
	var names []string
	if v := t.Volume; v != nil {
		names = append(names, LockName(v))
	}
	if g := t.GRUB.Volume; g != nil && form == grub.Stage2 && g.Disk != "" {
		names = append(names, g.Disk)
	} else if g != nil {
		names = append(names, cmp.Or(g.Device, g.Disk, g.Dir))
	}
	return names
}

// write writes in the way of the plan and makes sure that GRUB will see it.
func (p Plan) write(rep ops.Reporter) error {
	s := p.spot
	raw := p.change
	raw.Offset += s.blocks.Sector * blockmap.Sector
	var err error
	switch s.way {
	case throughFile:
		err = store.OverwriteFile(s.volume.Dir, s.path, p.change)
	case throughMounted:
		s.device.Mounted = true
		if err = s.device.Overwrite(raw); errors.Is(err, syscall.EBUSY) {
			err = p.writeRemounted(rep)
		}
	case throughDevice:
		err = s.device.Overwrite(raw)
	}
	s.forget()
	if err == nil || errors.Is(err, store.ErrReadBack) {
		err = p.readBack()
	}
	return explain(err)
}

// writeRemounted is for kernels that let nobody write to a device that is mounted (from 6.8 on,
// without CONFIG_BLK_DEV_WRITE_MOUNTED): the file system is writable for the time of the write.
func (p Plan) writeRemounted(rep ops.Reporter) error {
	dir, _ := p.spot.volume.Mounted()
	without, err := access.WithoutJournal(dir, p.spot.volume.Type)
	if err != nil {
		return fail(ops.NotWritable, dir, fmt.Errorf("how it is mounted is not known: %w", err), "unmount it, and name its device")
	}
	if without {
		return fail(ops.NotWritable, dir, errors.New("mounted without its journal, and the kernel lets nobody write to its device"),
			"unmount it, and name its device or mount it again for writing")
	}
	rep.Log(fmt.Sprintf("the kernel lets nobody write to %s while it is mounted: %s is mounted for writing meanwhile", p.spot.device.Name, dir))
	err = access.Remounted(dir, func() error { return store.OverwriteFile(p.spot.volume.Dir, p.spot.path, p.change) })
	if errors.Is(err, access.ErrStays) {
		return fail(ops.Internal, "", err, "mount -o remount,ro "+dir)
	}
	return err
}

// inForce adds to an error of writing what GRUB finds now: some come when all is written already.
func (p Plan) inForce(err error) error {
	e := &ops.Error{Kind: ops.Internal, Hint: "look again: holdfast default show"}
	var known *ops.Error
	if errors.As(err, &known) {
		e.Kind, e.Hint = known.Kind, cmp.Or(known.Hint, e.Hint)
	}
	state := "GRUB finds something else now"
	text := make([]byte, len(p.change.Old))
	_, readErr := p.spot.device.ReadAt(text, p.spot.blocks.Sector*blockmap.Sector)
	switch {
	case readErr != nil:
		state = fmt.Sprintf("what GRUB finds now cannot be read: %v", readErr)
	case bytes.Equal(text, p.change.Old):
		state = "GRUB still finds " + p.name(p.From)
	case bytes.Equal(text, p.change.New):
		state = "GRUB finds " + p.name(p.To) + " now all the same"
	}
	e.Err = fmt.Errorf("%w; %s", err, state)
	return e
}

// readBack reads what GRUB will read. A file system that has the change in its journal only, as with
// data=journal, may have it in its place after a sync.
func (p Plan) readBack() error {
	err := p.onDevice()
	if err != nil && p.spot.way == throughFile {
		if err := store.SyncFileSystem(p.spot.volume.Dir); err != nil {
			return err
		}
		err = p.onDevice()
	}
	if err != nil || p.spot.volume.Dir == "" || p.spot.path == "" {
		return err
	}
	shown, err := read(p.spot.volume.FS(), p.spot)
	if err == nil && !bytes.HasPrefix(shown, p.change.New) {
		err = errors.New("GRUB will see the change, but the file system goes on showing the old text: unmount it before anything is written to it")
	}
	return err
}

// onDevice decodes what the device holds.
func (p Plan) onDevice() error {
	text := make([]byte, len(p.loader.text))
	if _, err := p.spot.device.ReadAt(text, p.spot.blocks.Sector*blockmap.Sector); err != nil {
		return err
	}
	saved, err := p.loader.place.Form.Decode(text)
	if err == nil && (saved.Entry() != p.To || saved.Once() != p.after.Once() || !bytes.HasPrefix(text, p.change.New)) {
		err = store.ErrReadBack
	}
	return err
}

// explain turns an error of writing into one for people.
func explain(err error) error {
	var known *ops.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, store.ErrReadBack):
		return fail(ops.Internal, "", fmt.Errorf("GRUB does not see the change: %w", err), "unmount the file system and set the default again")
	case errors.Is(err, store.ErrChanged):
		return fail(ops.Refused, "", err, "look again")
	case errors.Is(err, syscall.EBUSY):
		return fail(ops.NotWritable, "", err, "somebody else has it: where it is mounted, name that directory")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EIO):
		return fail(ops.NotWritable, "", err, "")
	case errors.Is(err, syscall.ENOSPC): // nothing of the file grows: a thin device has no more
		return fail(ops.NoSpace, "", err, "")
	}
	return fail(ops.Internal, "", err, "")
}

// logBefore keeps the sector as it is, where the flash can be written to. What keeps it from doing so,
// as a full disk, must not keep a good boot from being confirmed.
func (p Plan) logBefore(rep ops.Reporter) {
	s := p.spot
	dir := p.historyDir()
	if dir == "" {
		return
	}
	sector := make([]byte, blockmap.Sector)
	_, err := s.device.ReadAt(sector, s.blocks.Sector*blockmap.Sector)
	if err == nil {
		err = history.Append(dir, fmt.Sprintf("default: %s; to put the old sector back: echo %s | base64 -d | dd of=%s bs=512 seek=%d conv=notrunc",
			p.summary(), base64.StdEncoding.EncodeToString(sector), s.device.Name, s.device.Start/blockmap.Sector+s.blocks.Sector))
	}
	if err != nil {
		rep.Log(fmt.Sprintf("the old sector is not in the log: %v", err))
	}
}

// logAfter says how it went.
func (p Plan) logAfter(rep ops.Reporter, err error) {
	event := "default: done: " + p.summary()
	if err == nil {
		rep.Log(p.summary())
	} else {
		event = fmt.Sprintf("default: failed: %s: %v", p.summary(), err)
	}
	if dir := p.historyDir(); dir != "" {
		if err := history.Append(dir, event); err != nil {
			rep.Log(fmt.Sprintf("not in the log: %v", err))
		}
	}
}

// summary is what is changed, and where: "disk.img partition 1 sector 1064: 0 -> 2".
func (p Plan) summary() string {
	v := p.spot.volume
	where := v.Disk
	if v.Partition != 0 && p.spot.path != "" {
		where += fmt.Sprintf(" partition %d", v.Partition)
	}
	return fmt.Sprintf("%s sector %d: %s -> %s", where, p.spot.blocks.Sector, cmp.Or(shown(p.From), "none"), shown(p.To))
}

// historyDir is the root of the flash where its log can be written, "" where it cannot.
func (p Plan) historyDir() string {
	v := p.request.Report.Target.Volume
	if v == nil || v.Dir == "" {
		return ""
	}
	if ro, err := access.ReadOnly(v.Dir); ro || err != nil {
		return ""
	}
	return v.Dir
}
