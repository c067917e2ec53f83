// Command populate is the /init of a virtual machine. It writes the files of package tree to the file
// system on every virtio disk, and unmounts it. On the last disk it switches the machine off
// while the file system is mounted. Every line it prints begins with "init: ".
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/flash/blockmap/ext/testdata/tree"
)

const root = "/mnt"

func main() {
	err := run()
	fmt.Println("init: end:", err)
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func run() error {
	for _, m := range []struct{ fs, dir string }{{"devtmpfs", "/dev"}, {"sysfs", "/sys"}} {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.fs, m.dir, m.fs, 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	if err := loadModules(); err != nil {
		return err
	}
	disks, err := filepath.Glob("/sys/block/vd*")
	if err != nil {
		return err
	}
	slices.SortFunc(disks, func(a, b string) int { // vdz, vdaa
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	for i, disk := range disks {
		if err := populate(filepath.Base(disk), i == len(disks)-1); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(disk), err)
		}
	}
	fmt.Println("init: disks", len(disks))
	return nil
}

func loadModules() error {
	list, err := os.ReadFile("/modules/order")
	if err != nil {
		return err
	}
	for name := range strings.Lines(string(list)) {
		f, err := os.Open("/modules/" + strings.TrimSpace(name))
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("load %s: %w", name, err)
		}
	}
	return nil
}

// populate writes the tree to a disk.
func populate(disk string, keep bool) error {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("/dev/"+disk, root, "ext4", 0, ""); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(root, &stat); err != nil {
		return err
	}
	if err := writeTree(tree.Files(stat.Bsize)); err != nil {
		return err
	}
	if keep {
		// What was written before is on the disk; this waits in the journal.
		unix.Sync()
		return os.Mkdir(root+"/last", 0o755)
	}
	return unix.Unmount(root, 0)
}

func writeTree(files []tree.File) error {
	for len(files) > 0 {
		n := 1
		for n < len(files) && files[0].Group != "" && files[n].Group == files[0].Group {
			n++
		}
		if err := writeGroup(files[:n]); err != nil {
			return err
		}
		files = files[n:]
	}
	return nil
}

// writeGroup writes files in turn.
func writeGroup(files []tree.File) error {
	for turn, more := 0, true; more; turn++ {
		more = false
		for _, f := range files {
			done, err := step(f, turn)
			if err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
			more = more || !done
		}
	}
	for _, f := range files {
		name := filepath.Join(root, f.Name)
		if !f.Time.IsZero() {
			if err := os.Chtimes(name, time.Time{}, f.Time); err != nil {
				return err
			}
		}
		if f.Gone {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// step makes the file in the first turn, and writes a piece in each, or all where nothing else takes
// turns with it. It says whether it is done.
func step(f tree.File, turn int) (bool, error) {
	name := filepath.Join(root, f.Name)
	switch {
	case turn == 0 && !f.Mode.IsRegular():
		return true, makeSpecial(name, f)
	case turn == 0 && f.Target != "":
		return true, os.Link(filepath.Join(root, f.Target), name)
	case turn == 0 && len(f.Pieces) == 0 && f.Size == 0: // the quickest way: there are many
		return true, unix.Mknod(name, syscall.S_IFREG|0o644, 0)
	}
	pieces := f.Pieces
	if f.Group != "" {
		pieces = pieces[min(turn, len(pieces)):min(turn+1, len(pieces))]
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return false, err
	}
	defer file.Close()
	for _, p := range pieces {
		if err := write(file, f, p); err != nil {
			return false, err
		}
	}
	if f.Group != "" {
		return turn+1 >= len(f.Pieces), file.Sync()
	}
	if f.Size > 0 {
		return true, file.Truncate(f.Size)
	}
	return true, nil
}

func makeSpecial(name string, f tree.File) error {
	switch {
	case f.Mode.IsDir():
		return os.Mkdir(name, 0o755)
	case f.Mode&os.ModeSymlink != 0:
		return os.Symlink(f.Target, name)
	case f.Mode&os.ModeNamedPipe != 0:
		return unix.Mkfifo(name, 0o644)
	case f.Mode&os.ModeCharDevice != 0:
		return unix.Mknod(name, syscall.S_IFCHR|0o644, int(unix.Mkdev(1, 3)))
	}
	return unix.Mknod(name, syscall.S_IFBLK|0o644, int(unix.Mkdev(7, 300)))
}

func write(file *os.File, f tree.File, p tree.Piece) error {
	var mode uint32
	switch p.Action {
	case tree.Write:
		b := make([]byte, p.Length)
		tree.File{Name: f.Name, Pieces: []tree.Piece{p}}.Fill(b, p.Offset)
		_, err := io.Copy(io.NewOffsetWriter(file, p.Offset), bytes.NewReader(b))
		return err
	case tree.ReserveOver:
		mode = unix.FALLOC_FL_KEEP_SIZE
	case tree.Punch:
		mode = unix.FALLOC_FL_KEEP_SIZE | unix.FALLOC_FL_PUNCH_HOLE
	}
	err := unix.Fallocate(int(file.Fd()), mode, p.Offset, p.Length)
	if errors.Is(err, unix.EOPNOTSUPP) && p.Action == tree.Reserve {
		return file.Truncate(p.Offset + p.Length)
	}
	if errors.Is(err, unix.EOPNOTSUPP) && p.Action == tree.ReserveOver {
		return nil
	}
	return err
}
