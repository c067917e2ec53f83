package powercut

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"holdfast/ops/bench/vm"
)

// patience is how long a machine may take to start: the processors of a build machine are shared, and
// GRUB alone takes six seconds.
const patience = 6 * time.Minute

// dead is what no start may say, by whom.
var dead = []string{"Kernel panic", "grub>", "grub rescue>", "Press any key to continue..."}

// machine is a running appliance that has begun to install.
type machine struct {
	*vm.Machine
	ctx      context.Context
	line     *vm.Serial
	version  string // says the image itself
	way      string // how it was started: img= and GRUB_ENTRY= of its command line
	installs archive
}

// boot starts the disk and waits until its image installs the next version. The image first confirms
// itself, if it is to.
func (s *series) boot(confirm bool) *machine {
	s.Helper()
	m := &machine{installs: s.next()}
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	s.Cleanup(cancel)
	var err error
	m.Machine, err = vm.Start(ctx, vm.Config{Serials: 1, VGA: true, NoReboot: true,
		Disks: []vm.Disk{{Path: s.disk, Bus: vm.Virtio}, {Path: s.jobDisk(m.installs, confirm), Bus: vm.Virtio}}})
	must(s, err)
	s.Cleanup(func() { m.Close() })
	m.ctx, m.line = ctx, m.Serial(0)
	must(s, m.line.Expect(ctx, "\nIMAGE "))
	must(s, m.line.Expect(ctx, "\n"))
	text := string(m.line.Bytes())
	for _, word := range dead {
		if strings.Contains(text, word) {
			s.Fatalf("the machine says %q on its way:\n%s", word, text)
		}
	}
	said := regexp.MustCompile(`\nIMAGE (\S+) (.*)`).FindStringSubmatch(text)
	m.version, m.way = said[1], way(said[2])
	if confirm {
		must(s, m.line.Expect(ctx, "CONFIRMED 0"))
		s.confirmed = append(s.confirmed, m.version)
	}
	must(s, m.line.Expect(ctx, "INSTALLING"))
	return m
}

// way says how a kernel with this command line was started.
func way(line string) string {
	slot, entry := "no slot", "the console"
	for _, word := range strings.Fields(line) {
		if v, ok := strings.CutPrefix(word, "img="); ok {
			slot = v
		}
		if v, ok := strings.CutPrefix(word, "GRUB_ENTRY="); ok {
			entry = "entry " + v
		}
	}
	return entry + " from " + slot
}

// jobDisk makes the second disk: the archive, and what the image is to do with it.
func (s *series) jobDisk(a archive, confirm bool) string {
	s.Helper()
	dir := s.TempDir()
	root, disk := filepath.Join(dir, "root"), filepath.Join(dir, "job.img")
	must(s, os.Mkdir(root, 0o755))
	write(s, filepath.Join(root, "next.tar"), tool(s, "gzip", "gzip", "-dc", a.path)) // to unpack costs an emulated machine more than the rest
	must(s, os.Link(s.binary, filepath.Join(root, "holdfast")))
	script := "echo INSTALLING\n/job/holdfast --yes install /job/next.tar\necho \"INSTALLED $?\"\n"
	if confirm {
		script = "/job/holdfast confirm\necho \"CONFIRMED $?\"\n" + script
	}
	write(s, filepath.Join(root, "run"), script)
	tool(s, "e2fsprogs", "mke2fs", "-q", "-t", "ext2", "-d", root, disk, "40M")
	return disk
}
