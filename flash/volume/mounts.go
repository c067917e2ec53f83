package volume

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
)

// mount is a line of /proc/self/mountinfo (Documentation/filesystems/proc.rst, 3.5).
type mount struct {
	number  string // of its device: "8:2"
	root    string // the part of the file system that it shows: "/" is all of it
	dir     string
	fstype  string // of the driver
	ro      bool   // this mount is read-only
	superRO bool   // the file system is: nobody writes to it by any mount
	super   string // options of the file system: "ro,norecovery"
}

// rank orders mounts of one file system: those where files can be written first, then those that
// show all of it.
func (m mount) rank() int {
	r := 0
	if !m.ro && !m.superRO {
		r += 2
	}
	if m.root == "/" {
		r++
	}
	return r
}

func readMounts(name string) ([]mount, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return decodeMounts(f)
}

// decodeMounts leaves out lines that it does not understand.
func decodeMounts(r io.Reader) ([]mount, error) {
	var list []mount
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		front, back, ok := strings.Cut(lines.Text(), " - ")
		f, b := strings.Fields(front), strings.Fields(back)
		if !ok || len(f) < 6 || len(b) < 3 {
			continue
		}
		list = append(list, mount{
			number: f[2], root: unescape(f[3]), dir: unescape(f[4]), ro: hasOption(f[5], "ro"),
			fstype: b[0], superRO: hasOption(b[len(b)-1], "ro"), super: b[len(b)-1],
		})
	}
	return list, lines.Err()
}

func hasOption(options, name string) bool {
	for o := range strings.SplitSeq(options, ",") {
		if o == name {
			return true
		}
	}
	return false
}

// unescape undoes what the kernel does to blanks, newlines and backslashes: "\040".
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// mountOf gives the mount that shows dir, an absolute path without links: the latest of those that
// are the nearest above it. number is dir's device, by which a mount that another one hides is told.
func mountOf(list []mount, dir, number string) (mount, bool) {
	var best mount
	found := false
	for _, m := range list {
		above := m.dir == "/" || dir == m.dir || strings.HasPrefix(dir, m.dir+"/")
		if above && m.number == number && len(m.dir) >= len(best.dir) {
			best, found = m, true
		}
	}
	return best, found
}

// mountsOf gives all mounts of the file system on a device.
func mountsOf(list []mount, number string) []mount {
	var of []mount
	for _, m := range list {
		if m.number == number {
			of = append(of, m)
		}
	}
	return of
}

// Mount is a mount as it is now.
type Mount struct {
	Type     string   // of the driver, which need not be the file system's own: "ext4"
	Options  []string // of the file system, as the kernel has them: "ro", "norecovery"
	ReadOnly bool     // this mount is read-only, whatever its file system is
	Whole    bool     // it shows all of the file system
	Others   []string // where else the same file system is mounted
}

// MountOn asks the kernel again what is mounted on dir, an absolute path without links; nil when
// nothing is.
func MountOn(dir string) (*Mount, error) {
	number, err := deviceNumber(dir)
	if err != nil {
		return nil, err
	}
	list, err := readMounts(thisMachine().mounts)
	if err != nil {
		return nil, err
	}
	at, ok := mountOf(list, dir, number)
	if !ok || at.dir != dir {
		return nil, nil
	}
	m := &Mount{Type: at.fstype, Options: strings.Split(at.super, ","), ReadOnly: at.ro, Whole: at.root == "/"}
	for _, other := range mountsOf(list, number) {
		if other != at {
			m.Others = append(m.Others, other.dir)
		}
	}
	return m, nil
}
