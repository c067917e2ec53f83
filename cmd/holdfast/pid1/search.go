package pid1

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"holdfast/cmd/holdfast/stage"
	"holdfast/flash/disk"
)

// volume is a partition, or a disk without partitions, and what was seen on it.
type volume struct {
	stage.Volume
	disk  string      // the disk it is on, itself when it is one
	mount stage.Mount // how it was mounted to look at it, Dir aside
	flash bool        // holds a flash's layout
	grub  bool        // holds GRUB's files
	err   error       // why it could not be looked at
}

// search looks at every file system of the machine, once.
type search struct {
	sys  string // directory of all block devices: "/sys/class/block"
	dev  string // directory of their nodes: "/dev"
	look func(v *volume)
	seen map[string]*volume
}

// pass looks at what has come since the last pass, forgets what has gone, and reports whether there
// was either.
func (s *search) pass() (changed bool, err error) {
	found, err := devices(s.sys)
	if err != nil {
		return false, err
	}
	if s.seen == nil {
		s.seen = map[string]*volume{}
	}
	for name := range s.seen {
		if _, ok := found[name]; !ok {
			delete(s.seen, name)
			changed = true
		}
	}
	for name, on := range found {
		if s.seen[name] != nil {
			continue
		}
		if v, ok := s.examine(name, on); ok {
			s.seen[name] = v
			changed = true
		}
	}
	return changed, nil
}

// examine looks at one volume. Not ok means that its node is not there yet.
func (s *search) examine(name, on string) (*volume, bool) {
	v := &volume{Volume: stage.Volume{Device: name}, disk: on}
	f, err := os.Open(filepath.Join(s.dev, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false
	}
	if err != nil {
		v.err = cause(err)
		return v, true
	}
	defer f.Close()
	found, err := disk.Identify(f)
	if err != nil {
		v.err = cause(err)
		return v, true
	}
	v.Type, v.UUID, v.Label = found.Type, found.UUID, found.Label
	v.Unclean = needsReplay(f, found.Type)
	if v.Type != "" {
		v.mount.Device = f.Name()
		s.look(v)
	}
	return v, true
}

// needsReplay reports whether an ext file system's journal holds what its blocks do not have yet:
// the feature "recover" in its superblock (Documentation/filesystems/ext4/super.rst).
func needsReplay(r io.ReaderAt, fstype string) bool {
	if fstype != "ext3" && fstype != "ext4" {
		return false
	}
	var incompatible [4]byte
	_, err := r.ReadAt(incompatible[:], 1024+0x60)
	return err == nil && incompatible[0]&0x4 != 0
}

// volumes lists what was seen, by name.
func (s *search) volumes() []volume {
	var list []volume
	for _, v := range s.seen {
		list = append(list, *v)
	}
	sort.Slice(list, func(a, b int) bool { return list[a].Device < list[b].Device })
	return list
}

// devices gives every partition and every disk without partitions, each with its disk. In sysfs
// they are links into the tree of devices, where a partition lies in the directory of its disk.
func devices(sys string) (map[string]string, error) {
	entries, err := os.ReadDir(sys)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a kernel without block devices so far
	}
	if err != nil {
		return nil, err
	}
	disks, parted := map[string]string{}, map[string]bool{}
	for _, e := range entries {
		name := e.Name()
		if isNoDisk(name) || empty(filepath.Join(sys, name, "size")) {
			continue
		}
		disks[name] = name
		if _, err := os.Stat(filepath.Join(sys, name, "partition")); err != nil {
			continue
		}
		if to, err := os.Readlink(filepath.Join(sys, name)); err == nil {
			whole := filepath.Base(filepath.Dir(to))
			disks[name], parted[whole] = whole, true
		}
	}
	for whole := range parted {
		delete(disks, whole)
	}
	return disks, nil
}

// isNoDisk reports whether no flash can be on a block device of that name.
func isNoDisk(name string) bool {
	for _, prefix := range []string{"ram", "loop", "zram", "sr", "fd", "nbd"} {
		rest, ok := strings.CutPrefix(name, prefix)
		if ok && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			return true
		}
	}
	return false
}

// empty reports whether a device has no medium: its size in sectors is 0.
func empty(file string) bool {
	b, err := os.ReadFile(file)
	return err == nil && strings.TrimSpace(string(b)) == "0"
}

// verdict is what the volumes seen so far amount to.
type verdict struct {
	state      stage.State // Found, None or Several
	flash      volume      // when Found
	boot       volume      // Device is "" when there is none
	candidates []stage.Volume
	problem    string
}

// decide chooses the flash: the volume that word, the value of flash=, names, or with "" the only
// one that holds a flash's layout. It never chooses among several.
func decide(volumes []volume, word string) verdict {
	var v verdict
	var flashes []volume
	for _, c := range volumes {
		if c.flash {
			flashes = append(flashes, c)
			v.candidates = append(v.candidates, c.Volume)
		}
	}
	switch {
	case word != "":
		v.named(volumes, word)
	case len(flashes) == 0:
		v.state, v.problem = stage.None, nothing(volumes)
	case len(flashes) > 1:
		v.state = stage.Several
		v.problem = fmt.Sprintf("there is a flash on each of %s: say which by flash=%s on the kernel command line",
			described(flashes), flashes[0].Device)
	default:
		v.state, v.flash = stage.Found, flashes[0]
	}
	if v.state == stage.Found {
		v.boot = bootOf(volumes, v.flash)
	}
	return v
}

// named chooses the volume that flash= names.
func (v *verdict) named(volumes []volume, word string) {
	v.state = stage.None
	var match []volume
	for _, c := range volumes {
		if matches(word, c.Volume) {
			match = append(match, c)
		}
	}
	switch {
	case len(match) == 0:
		v.problem = fmt.Sprintf("flash=%s: no such partition; there is %s", word, names(volumes))
	case len(match) > 1:
		v.state = stage.Several
		v.problem = fmt.Sprintf("flash=%s: that is each of %s", word, described(match))
	case !match[0].flash:
		v.problem = fmt.Sprintf("flash=%s: %s", word, match[0].why())
	default:
		v.state, v.flash = stage.Found, match[0]
	}
}

// matches reports whether a value of flash= names the volume.
func matches(word string, v stage.Volume) bool {
	if id, ok := strings.CutPrefix(word, "UUID="); ok {
		return v.UUID != "" && strings.EqualFold(id, v.UUID)
	}
	if label, ok := strings.CutPrefix(word, "LABEL="); ok {
		return v.Label != "" && label == v.Label
	}
	return strings.TrimPrefix(word, "/dev/") == v.Device
}

// bootOf is where GRUB's files are: on the flash itself, else on its disk, else on the only other
// volume that has them.
func bootOf(volumes []volume, flash volume) volume {
	if flash.grub {
		return flash
	}
	var same, other []volume
	for _, c := range volumes {
		switch {
		case c.grub && c.disk == flash.disk:
			same = append(same, c)
		case c.grub:
			other = append(other, c)
		}
	}
	for _, list := range [][]volume{same, other} {
		if len(list) == 1 {
			return list[0]
		}
		if len(list) > 1 {
			break // which one GRUB came from cannot be told
		}
	}
	return volume{}
}

// why says in plain words why a volume is no flash.
func (v volume) why() string {
	switch {
	case v.err != nil:
		return fmt.Sprintf("%s cannot be read: %v", v.Device, v.err)
	case v.Type == "":
		return v.Device + " has no file system that is known here"
	}
	return v.Device + " holds neither system/ nor sys/ with cfg/ beside it"
}

// nothing says why there is no flash at all.
func nothing(volumes []volume) string {
	if len(volumes) == 0 {
		return "there is no disk: it is not connected, or its driver is not in this archive"
	}
	var reasons []string
	for _, v := range volumes {
		reasons = append(reasons, v.why())
	}
	return strings.Join(reasons, "; ")
}

// described names volumes with what tells them apart. A label may hold anything.
func described(volumes []volume) string {
	var list []string
	for _, v := range volumes {
		text := v.Device + " (" + v.Type
		if v.Label != "" {
			text += ", label " + strconv.QuoteToASCII(v.Label)
		}
		list = append(list, text+")")
	}
	return strings.Join(list, ", ")
}

func names(volumes []volume) string {
	if len(volumes) == 0 {
		return "no disk at all"
	}
	var list []string
	for _, v := range volumes {
		list = append(list, v.Device)
	}
	return strings.Join(list, ", ")
}
