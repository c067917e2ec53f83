// Command mapinit is the /init of the test machine: it fills the file systems of the disks it is told
// of, asks the kernel where the files lie, and says so on the serial line, one JSON value a line.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"holdfast/flash/blockmap"
)

// Report is what is said of one file.
type Report struct {
	Disk, Name string
	Sum        string
	Map        blockmap.Map
	Err        string
}

func main() {
	if err := run(); err != nil {
		fmt.Println("ERROR", err)
	}
	unix.Sync()
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

func run() error {
	for _, m := range []string{"proc", "devtmpfs"} {
		dir := map[string]string{"proc": "/proc", "devtmpfs": "/dev"}[m]
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m, dir, m, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m, err)
		}
	}
	list, err := os.ReadFile("/modules/list")
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(list)) {
		f, err := os.Open("/modules/" + name)
		if err != nil {
			return err
		}
		if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil {
			return fmt.Errorf("load %s: %w", name, err)
		}
		f.Close()
	}
	for i, fstype := range strings.Split(os.Getenv("disks"), ",") {
		if err := disk("vd"+string(rune('a'+i)), fstype); err != nil {
			return fmt.Errorf("disk %d, %s: %w", i, fstype, err)
		}
	}
	return nil
}

func disk(name, fstype string) error {
	dir := "/mnt/" + name
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	options := ""
	if fstype == "vfat" {
		options = "utf8" // and shortname=mixed by default
	}
	if err := unix.Mount("/dev/"+name, dir, fstype, 0, options); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if err := fill(dir, fstype); err != nil {
		return err
	}
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		say(name, strings.TrimPrefix(path, dir+"/"), path)
		return nil
	}); err != nil {
		return err
	}
	return unix.Unmount(dir, 0)
}

// fill makes files of all sorts that the file system has.
func fill(dir, fstype string) error {
	for name, size := range map[string]int{
		"boot/grub/default": 600, "empty": 0, "one": 1, "sector": 512, "block": 4096, "block+1": 4097,
		"UPPER.TXT": 5, "lower.txt": 5, "lower.TXT": 5, "UPPER2.txt": 5, "Mixed Case and long.TXT": 5,
		"Grüße aus Köln": 5, "clef 𝄞": 5, "日本語": 5, "CAFÉ.TXT": 5, ".hidden": 5,
	} {
		if err := write(filepath.Join(dir, name), size, 0); err != nil {
			return err
		}
	}
	many := 20
	if filepath.Base(dir) == "vdb" {
		many = 300
	}
	for i := range many {
		if err := write(fmt.Sprintf("%s/many/%d is the number of this file", dir, i), i%7, 0); err != nil {
			return err
		}
	}
	for i := range 60 { // two files that grow by turns: a block of one, a block of the other
		for _, name := range []string{"torn.bin", "other.bin"} {
			if err := write(filepath.Join(dir, name), 4096, int64(i)*4096); err != nil {
				return err
			}
		}
	}
	if fstype == "vfat" {
		return nil
	}
	for _, off := range []int64{8192, 60000, 1 << 20} {
		if err := write(filepath.Join(dir, "sparse"), 5000, off); err != nil {
			return err
		}
	}
	if fstype != "ext4" {
		return nil
	}
	f, err := os.Create(filepath.Join(dir, "preallocated"))
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Fallocate(int(f.Fd()), 0, 0, 50000)
}

// write writes size bytes at an offset and lets the kernel allocate them.
func write(name string, size int, off int64) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	text := bytes.Repeat([]byte(fmt.Sprintf("%s at %d\n", filepath.Base(name), off)), size/10+1)
	if _, err := f.WriteAt(text[:size], off); err != nil {
		return err
	}
	if off == 0 && size < 512 {
		return nil // what Map writes out is its own affair
	}
	return unix.Fdatasync(int(f.Fd()))
}

func say(disk, name, path string) {
	r := Report{Disk: disk, Name: name}
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		r.Map, err = blockmap.File(f)
	}
	data, _ := os.ReadFile(path)
	r.Sum = fmt.Sprintf("%x", sha256.Sum256(data))
	if err != nil {
		r.Err = err.Error()
	}
	line, _ := json.Marshal(r)
	fmt.Printf("FILE %s\n", line)
}
