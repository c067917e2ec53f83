package mkdisk

import (
	"fmt"
	"strconv"
	"strings"

	"holdfast/flash"
	"holdfast/kexec"
)

// menu is GRUB's menu as both loaders have it: each image twice, so that it has a second try, and
// the maintenance console at the end.
type menu struct {
	entries []entry
	serial  *serialLine // of the first serial console; nil when there is none
	vgaLast bool        // VGA owns /dev/console
	timeout int         // seconds that it waits
}

// entry is one entry of the menu.
type entry struct {
	title     string
	partition int    // on which kernel and initrd are, from 1
	kernel    string // path
	initrd    string // path; "" for an image without one
	line      kexec.CommandLine
	next      int // the entry that is the saved default while this one runs
}

type serialLine struct{ unit, speed string }

// The numbers of the entries are known to the rest of the appliance: the saved default names them,
// and GRUB_ENTRY= tells the booted system which one it was.
const (
	activeEntry      = 0
	backupEntry      = 2
	maintenanceEntry = 4
)

// firstEntry is the number of the first entry for a boot default.
func firstEntry(slot string) (int, bool) {
	switch slot {
	case "active":
		return activeEntry, true
	case "backup":
		return backupEntry, true
	case "maintenance":
		return maintenanceEntry, true
	}
	return 0, false
}

// fallbacks are the entries GRUB tries when it cannot load the one it wants, in this order, always
// from the first. The retry entries are not among them, for a kernel that cannot be read cannot be
// read a second time; and with 1 in front, an empty backup slot would lead to 1, which saves 2, which
// leads to 1 again.
func fallbacks() string { return fmt.Sprint(backupEntry, " ", maintenanceEntry) }

func (p *Plan) makeMenu() (menu, error) {
	consoles := kexec.ParseConsoles(p.request.ConsoleArgs, "")
	m := menu{serial: firstSerial(consoles), timeout: p.request.MenuTimeout}
	if n := len(consoles); n > 0 {
		m.vgaLast = !strings.HasPrefix(consoles[n-1].Name, "ttyS")
	}
	for _, slot := range []struct {
		name, title string
		first       int
	}{{flash.Active, "Active image", activeEntry}, {flash.Backup, "Backup image", backupEntry}} {
		for try, suffix := range []string{"", " (retry)"} {
			m.entries = append(m.entries, p.imageEntry(slot.name, slot.title+suffix, slot.first+try, consoles))
		}
	}
	words := append(kexec.SplitWords(p.request.ConsoleArgs), "flash="+p.id.flash())
	var line kexec.CommandLine
	for _, word := range words {
		line.Words = append(line.Words, kexec.Word{Text: word})
	}
	m.entries = append(m.entries, entry{
		title: "Maintenance console", partition: 1, kernel: "/firmware/kernel.img", initrd: "/firmware/initrd.img",
		line: line, next: maintenanceEntry,
	})
	for _, e := range m.entries {
		if err := p.request.Loader.checkLine(e.line); err != nil {
			return menu{}, fmt.Errorf("%s: %w", e.title, err)
		}
	}
	return m, nil
}

// legacyLine is how many bytes of kernel arguments GRUB Legacy passes: it puts them between 0x9000
// and 0x90ff (LINUX_CL_END_OFFSET in stage2/shared.h) and cuts off the rest without a word.
const legacyLine = 255

func (l Loader) checkLine(line kexec.CommandLine) error {
	if n := len(line.String()); l == GRUBLegacy && n > legacyLine {
		return fmt.Errorf("kernel arguments of %d bytes, GRUB Legacy passes only the first %d", n, legacyLine)
	}
	return line.Check(0)
}

// imageEntry is an entry for a slot. An empty slot is described by the image that will come there
// when the next one is installed: the active image becomes the backup.
func (p *Plan) imageEntry(slot, title string, number int, consoles []kexec.Console) entry {
	img := p.describing(slot)
	dir := "/system/" + slot
	e := entry{title: title, partition: 2, kernel: dir + "/kernel.img", next: number + 1}
	if _, ok := img.Sizes["initrd.img"]; ok {
		e.initrd = dir + "/initrd.img"
	}
	e.line = kexec.Compose(kexec.Parts{
		Image: img.Arguments, Consoles: consoles, Local: p.request.SystemArgs,
		Flash: p.id.flash(), Slot: slot, GRUBEntry: strconv.Itoa(number),
	})
	return e
}

func (p *Plan) describing(slot string) image {
	for _, img := range p.images {
		if img.slot == slot {
			return img
		}
	}
	if len(p.images) > 0 {
		return p.images[0]
	}
	return image{}
}

// firstSerial is the first serial console, at 9600 baud when nothing is said, as the kernel has it.
func firstSerial(consoles []kexec.Console) *serialLine {
	for _, c := range consoles {
		unit, ok := strings.CutPrefix(c.Name, "ttyS")
		if _, err := strconv.Atoi(unit); !ok || err != nil {
			continue
		}
		speed := c.Options
		if end := strings.IndexFunc(speed, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
			speed = speed[:end] // parity and the like follow: 115200n8
		}
		if speed == "" {
			speed = "9600"
		}
		return &serialLine{unit: unit, speed: speed}
	}
	return nil
}
