package crashlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
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

// verdict is what the judges say of a state.
type verdict struct {
	wrong  []string
	did    []string // what recovery did
	manual bool     // e2fsck -p left it to a person, and -y was run
	stuck  bool     // recovery could not go on before an e2fsck
}

// The ways in which Linux comes to look at a state. Neither the console nor most appliances have an
// e2fsck, and the kernel mounts without one; others run it before.
type way int

const (
	unchecked way = iota
	checked
)

func (w way) String() string { return []string{"unchecked", "checked"}[w] }

// judge looks at the state that load makes in the image, first as GRUB does and then as Linux does in each of
// the ways, and says what is wrong.
func (b *bench) judge(load func(image []byte), law Law, done bool, recover Recover, ways ...way) (v verdict) {
	known := newCatalogue(law.Known...)
	load(b.image)
	raw, err := b.grub(known)
	if err != nil {
		return verdict{wrong: []string{"GRUB's eye: " + err.Error()}}
	}
	for _, w := range law.instant(raw) {
		v.wrong = append(v.wrong, "GRUB's eye: "+w+": "+raw.String())
	}
	for i, w := range ways {
		if i > 0 {
			load(b.image)
		}
		did, wrong := b.linux(known, law, done, recover, w, &v)
		v.did = append(v.did, did...)
		for _, what := range wrong {
			v.wrong = append(v.wrong, fmt.Sprintf("Linux's eye, %v: %s (recovery: %q)", w, what, did))
		}
	}
	return v
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

// linux mounts the file system and has it recovered, twice.
func (b *bench) linux(known catalogue, law Law, done bool, recover Recover, w way, v *verdict) (did, wrong []string) {
	if w == checked {
		var err error
		if v.manual, err = fsck(b.file); err != nil {
			return nil, []string{err.Error()}
		}
	}
	if err := mount(b.loop, b.dir, b.fstype); err != nil {
		return nil, []string{err.Error()}
	}
	did, wrong = b.recovered(known, law, done, recover, w, v)
	if err := unmount(b.dir); err != nil {
		wrong = append(wrong, err.Error())
	}
	return did, wrong
}

// fsck does what is done to a flash after an unclean stop: e2fsck -p, and where that will not decide
// alone, as on ext2 after almost any power cut, e2fsck -y. 0 is "nothing wrong", 1 "all corrected".
func fsck(file string) (manual bool, err error) {
	status, out, err := e2fsck("-p", file)
	if err == nil && status&^1 == 4 {
		manual = true
		status, out, err = e2fsck("-y", file)
	}
	if err == nil && status > 1 {
		err = fmt.Errorf("e2fsck: exit status %d\n%s", status, out)
	}
	return manual, err
}

func e2fsck(args ...string) (status int, out []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeLimit)
	defer cancel()
	out, err = exec.CommandContext(ctx, "e2fsck", args...).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), out, nil
	}
	if errors.Is(err, exec.ErrNotFound) {
		err = errors.New("e2fsck is missing: apt-get install e2fsprogs")
	}
	return 0, out, err
}

func (b *bench) recovered(known catalogue, law Law, done bool, recover Recover, w way, v *verdict) (did, wrong []string) {
	did, err := recover(b.dir, b.fstype)
	if needsCheck(b.fstype, w, err) {
		v.stuck = true
		return did, law.stuck(known, b.dir)
	}
	if err != nil {
		return did, []string{"recovery: " + err.Error()}
	}
	once, err := readTree(b.dir)
	if needsCheck(b.fstype, w, err) {
		v.stuck = true
		return did, law.stuck(known, b.dir)
	}
	if err != nil {
		return did, []string{err.Error()}
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
		wrong[i] = fmt.Sprintf("%s: %v", wrong[i], known.view(once))
	}
	return did, wrong
}

// needsCheck reports that an error is of an ext2 whose power went: a name without an inode in what was being
// written, or no block to be had where the kernel has taken a group out of use whose bitmap is wrong. Recovery
// says so, and nothing but an e2fsck makes them go away.
func needsCheck(fstype string, w way, err error) bool {
	return fstype == "ext2" && w == unchecked && (errors.Is(err, unix.EUCLEAN) || errors.Is(err, unix.ENOSPC))
}

// stuck is what holds all the same: the slots.
func (l Law) stuck(known catalogue, dir string) []string {
	files := map[string][]byte{}
	for _, part := range []string{"boot/grub", "system/active", "system/backup", "system/factory"} {
		below, err := readTree(filepath.Join(dir, part))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return []string{"recovery was stuck, and " + err.Error()}
		}
		for name, data := range below {
			files[part+"/"+name] = data
		}
	}
	return l.instant(known.view(files))
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
		if below, err := os.ReadDir(filepath.Join(dir, "system", e.Name())); e.Name() == "incoming" && err == nil && len(below) == 0 {
			continue // an empty one is nothing that is left: the next image goes there
		}
		if !slices.Contains(append([]string{"active", "backup", "factory"}, l.Beside...), e.Name()) {
			wrong = append(wrong, "system/"+e.Name()+" is left")
		}
	}
	return wrong
}
