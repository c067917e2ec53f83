// Package vm runs virtual machines in QEMU for tests and benches, and reads and types on their
// consoles: serial lines through a terminal emulator, so that a test sees screens, and the VGA text
// screen through the machine's memory. The monitor and the serial lines are UNIX sockets in a
// temporary directory; no TCP port is opened.
//
// Every wait is bounded by its context, and its error carries what the console showed last.
package vm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const program = "qemu-system-x86_64"

// Config says which machine to start: a PC with one processor. It boots from the first disk, or,
// where Kernel is given, that kernel at once.
type Config struct {
	Memory int    // MiB, 512 when 0
	Accel  string // QEMU's -accel, "tcg" when empty
	Disks  []Disk

	Kernel string // path of a bzImage
	Initrd string // path; may be empty
	Append string // the kernel's command line

	Serials  int      // serial lines, 0 to 4: ttyS0 and so on
	VGA      bool     // a VGA card with a PS/2 keyboard; never a window
	NoReboot bool     // QEMU ends where the machine would reboot
	Extra    []string // more arguments for QEMU
}

// Disk is a raw disk image.
type Disk struct {
	Path     string
	Bus      Bus
	Snapshot bool // writes go to a temporary file that is gone with QEMU
}

// Bus is how a disk is attached.
type Bus string

// The buses. An IDE disk is sda to Linux (ata_piix, sd_mod), a virtio disk is vda (virtio_blk);
// the firmware and GRUB boot from both.
const (
	IDE    Bus = "" // the default
	Virtio Bus = "virtio"
)

// Start starts QEMU. The machine lives until Close or Kill, until it ends itself, or until ctx
// ends: then it is killed.
func Start(ctx context.Context, cfg Config) (*Machine, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("%s is missing: apt-get install qemu-system-x86", program)
	}
	dir, err := socketDir()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	m := &Machine{dir: dir, exited: make(chan struct{})}
	if err := m.start(ctx, path, cfg); err != nil {
		_ = m.Close()
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return m, nil
}

// socketDir makes a directory whose files have short names: a UNIX socket's path is limited to 108
// bytes, and temporary directories of tests are long.
func socketDir() (string, error) {
	parent := os.TempDir()
	if len(parent) > 60 {
		parent = "/tmp"
	}
	return os.MkdirTemp(parent, "vm-")
}

// start listens on a socket for each line, starts QEMU, and takes the connections it makes: so no
// byte of the boot is missed, and nobody has to wait for a socket to appear.
func (m *Machine) start(ctx context.Context, path string, cfg Config) error {
	names := []string{"monitor"}
	for i := range cfg.Serials {
		names = append(names, fmt.Sprintf("serial%d", i))
	}
	listeners := make([]net.Listener, len(names))
	for i, name := range names {
		l, err := net.Listen("unix", filepath.Join(m.dir, name))
		if err != nil {
			return err
		}
		defer l.Close()
		listeners[i] = l
	}
	m.cmd = exec.CommandContext(ctx, path, arguments(cfg, m.dir)...)
	m.cmd.Stdout, m.cmd.Stderr = &m.output, &m.output
	m.cmd.WaitDelay = time.Second
	if err := m.run(ctx); err != nil {
		return err
	}
	stop := context.AfterFunc(m.alive(), func() {
		for _, l := range listeners {
			_ = l.Close() // ends Accept
		}
	})
	defer stop()
	for i, l := range listeners {
		conn, err := l.Accept()
		if err != nil {
			return errors.Join(m.exitError(), err)
		}
		if i == 0 {
			m.monitor = newMonitor(conn)
		} else {
			m.serials = append(m.serials, newSerial(names[i], conn, m))
		}
	}
	return m.monitor.hello(ctx)
}

// arguments are QEMU's, for sockets in dir.
func arguments(cfg Config, dir string) []string {
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none",
		"-machine", "pc", "-cpu", "qemu64", "-smp", "1", // of max, an emulation takes a tenth more time
		"-accel", valueOr(cfg.Accel, "tcg"),
		"-m", fmt.Sprint(valueOr(cfg.Memory, 512)),
		"-chardev", socket(dir, "monitor"), "-mon", "chardev=monitor,mode=control",
	}
	for i := range cfg.Serials {
		name := fmt.Sprintf("serial%d", i)
		args = append(args, "-chardev", socket(dir, name), "-serial", "chardev:"+name)
	}
	if cfg.VGA {
		args = append(args, "-vga", "std")
	}
	for _, d := range cfg.Disks {
		args = append(args, "-drive", d.option())
	}
	if cfg.Kernel != "" {
		args = append(args, "-kernel", cfg.Kernel, "-append", cfg.Append)
	}
	if cfg.Initrd != "" {
		args = append(args, "-initrd", cfg.Initrd)
	}
	if cfg.NoReboot {
		args = append(args, "-no-reboot")
	}
	return append(args, cfg.Extra...)
}

func socket(dir, name string) string {
	return fmt.Sprintf("socket,id=%s,path=%s", name, escape(filepath.Join(dir, name)))
}

func (d Disk) option() string {
	option := "format=raw,if=" + string(valueOr(d.Bus, "ide")) + ",file=" + escape(d.Path)
	if d.Snapshot {
		option += ",snapshot=on"
	}
	return option
}

// escape writes a value the way QEMU's option parser reads it back.
func escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }

func valueOr[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
