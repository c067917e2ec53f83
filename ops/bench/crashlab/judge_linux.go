package crashlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Law is what has to hold in every state of a scenario.
type Law struct {
	Known  []string                          // versions of all images that there are
	Keep   []string                          // each of them is whole under active or backup at every instant
	Legal  []Slots                           // what recovery may end in
	Done   Slots                             // what it ends in once the operation has returned
	Beside []string                          // directories that may stay beside the slots: staged versions
	Boots  []string                          // what GRUB may come to; empty for any whole image
	Check  func(dir string, done bool) error // more about the flash after recovery; nil for nothing
}

// Recover is what a start does with a flash: it tells what it did, nothing when there was nothing to do.
type Recover func(dir, fstype string) (did []string, err error)

// timeLimit is for one tool: on a broken file system one may run for ever.
const timeLimit = time.Minute

// bench is a place where states are judged, one at a time.
type bench struct {
	fstype  string
	file    string // the state, in memory
	image   []byte // the same bytes
	loop    string
	dir     string // where it is mounted
	scratch string
}

// newBench makes a bench for disks of size bytes.
func newBench(size int, fstype string) (b *bench, err error) {
	root := "/dev/shm" // a state is written and read a thousand times
	if _, err := os.Stat(root); err != nil {
		root = ""
	}
	scratch, err := os.MkdirTemp(root, "crashlab-")
	if err != nil {
		return nil, err
	}
	b = &bench{fstype: fstype, scratch: scratch, file: scratch + "/disk", dir: scratch + "/mnt"}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	f, err := os.OpenFile(b.file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := errors.Join(os.Mkdir(b.dir, 0o700), f.Truncate(int64(size))); err != nil {
		return nil, err
	}
	if b.image, err = unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, err
	}
	b.loop, err = attach(b.file)
	return b, err
}

// close takes the bench down.
func (b *bench) close() error {
	err := unmount(b.dir)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) { // it is not mounted
		err = nil
	}
	if b.loop != "" {
		err = errors.Join(err, detach(b.loop))
	}
	if b.image != nil {
		err = errors.Join(err, unix.Munmap(b.image))
	}
	if err != nil {
		return err // what is mounted must not be deleted
	}
	return os.RemoveAll(b.scratch)
}

// judge looks at the state that is in b.image, first as GRUB does and then as Linux does, and says what
// is wrong. did is what recovery did.
func (b *bench) judge(law Law, done bool, recover Recover) (wrong, did []string) {
	known := newCatalogue(law.Known...)
	raw, err := b.grub(known)
	if err != nil {
		return []string{"GRUB's eye: " + err.Error()}, nil
	}
	for _, w := range law.instant(raw) {
		wrong = append(wrong, "GRUB's eye: "+w+": "+raw.String())
	}
	did, faults := b.linux(known, law, done, recover)
	return append(wrong, faults...), did
}

// instant is what holds at every instant.
func (l Law) instant(v View) (wrong []string) {
	for _, version := range l.Keep {
		if v.Slots["active"] != version && v.Slots["backup"] != version {
			wrong = append(wrong, version+" is neither under active nor under backup")
		}
	}
	for _, slot := range []string{"active", "backup", "factory"} {
		if v.Slots[slot] == Broken {
			wrong = append(wrong, slot+" is broken")
		}
	}
	if v.Boots == Broken || v.Boots == "maintenance" || len(l.Boots) > 0 && !slices.Contains(l.Boots, v.Boots) {
		wrong = append(wrong, "GRUB comes to "+v.Boots)
	}
	return wrong
}

// grub reads the state as GRUB does: as it is on the disk, without its journal. debugfs -c does not
// even read the bitmaps.
func (b *bench) grub(known catalogue) (View, error) {
	out := b.scratch + "/grub"
	defer os.RemoveAll(out)
	if err := os.MkdirAll(out+"/system", 0o700); err != nil {
		return View{}, err
	}
	script := fmt.Sprintf("rdump /boot %s\n", out)
	for _, slot := range []string{"active", "backup", "factory"} {
		script += fmt.Sprintf("rdump /system/%s %s/system\n", slot, out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeLimit)
	defer cancel()
	debugfs, err := exec.LookPath("debugfs")
	if err != nil {
		return View{}, errors.New("debugfs is missing: apt-get install e2fsprogs")
	}
	cmd := exec.CommandContext(ctx, debugfs, "-c", "-f", "-", b.file)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		return View{}, fmt.Errorf("debugfs: %w\n%s", err, out)
	}
	files, err := readTree(out)
	return known.view(files), err
}

// linux checks the file system, mounts it and has it recovered, twice.
func (b *bench) linux(known catalogue, law Law, done bool, recover Recover) (did, wrong []string) {
	if err := b.fsck(); err != nil {
		return nil, []string{"Linux's eye: " + err.Error()}
	}
	if err := mount(b.loop, b.dir, b.fstype); err != nil {
		return nil, []string{"Linux's eye: " + err.Error()}
	}
	did, wrong = b.recovered(known, law, done, recover)
	if err := unmount(b.dir); err != nil {
		wrong = append(wrong, err.Error())
	}
	return did, wrong
}

// fsck is what runs before a flash is mounted after an unclean stop. 1 is "errors were corrected".
func (b *bench) fsck() error {
	ctx, cancel := context.WithTimeout(context.Background(), timeLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, "e2fsck", "-p", b.file).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		return fmt.Errorf("e2fsck -p: %w\n%s", err, out)
	}
	return nil
}

func (b *bench) recovered(known catalogue, law Law, done bool, recover Recover) (did, wrong []string) {
	did, err := recover(b.dir, b.fstype)
	if err != nil {
		return did, []string{"recovery: " + err.Error()}
	}
	once, err := readTree(b.dir)
	if err != nil {
		return did, []string{"Linux's eye: " + err.Error()}
	}
	wrong = law.after(known.view(once), done)
	wrong = append(wrong, law.left(b.dir)...)
	if law.Check != nil {
		if err := law.Check(b.dir, done); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	again, err := recover(b.dir, b.fstype)
	twice, readErr := readTree(b.dir)
	if err := errors.Join(err, readErr); err != nil {
		wrong = append(wrong, "recovery again: "+err.Error())
	}
	if len(again) > 0 || !maps.EqualFunc(once, twice, bytes.Equal) {
		wrong = append(wrong, fmt.Sprintf("recovery again changes something: %q", again))
	}
	for i := range wrong {
		wrong[i] = fmt.Sprintf("Linux's eye: %s: %v (recovery: %q)", wrong[i], known.view(once), did)
	}
	return did, wrong
}

// after is what holds once recovery has run.
func (l Law) after(v View, done bool) []string {
	wrong := l.instant(v)
	switch {
	case done && v.pair() != l.Done:
		wrong = append(wrong, fmt.Sprintf("the operation had returned: want %v", l.Done))
	case !slices.Contains(append(l.Legal, l.Done), v.pair()):
		wrong = append(wrong, fmt.Sprintf("want one of %v", append(l.Legal, l.Done)))
	}
	return wrong
}

// left says what lies about that recovery should have taken away.
func (l Law) left(dir string) (wrong []string) {
	entries, err := os.ReadDir(filepath.Join(dir, "system"))
	if err != nil {
		return []string{err.Error()}
	}
	for _, e := range entries {
		if !slices.Contains(append([]string{"active", "backup", "factory"}, l.Beside...), e.Name()) {
			wrong = append(wrong, "system/"+e.Name()+" is left")
		}
	}
	return wrong
}
