package history

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Append adds one event, which is on the disk when it returns. dir is the root of a flash that is
// mounted for writing, with its cfg.
func Append(dir, event string) error {
	if err := appendTo(dir, line(time.Now(), event)); err != nil {
		return fmt.Errorf("write cfg/%s: %w", name, err)
	}
	return nil
}

func appendTo(dir, text string) error {
	cfg, err := openCfg(dir)
	if err != nil {
		return err
	}
	defer cfg.Close()
	// Two that rotate at a time would rotate the old file away.
	if err := unix.Flock(int(cfg.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(cfg.Fd()), &fs); err != nil {
		return err
	}
	if fs.Type == unix.MSDOS_SUPER_MAGIC {
		return overwrite(cfg, text)
	}
	log, size, err := open(cfg)
	if err != nil {
		return err
	}
	defer func() { log.Close() }()
	if size > 0 && size+int64(len(text)) > maxSize {
		if err := rotate(cfg, log); err != nil {
			return err
		}
		log.Close()
		if log, size, err = open(cfg); err != nil {
			return err
		}
	}
	return add(cfg, log, size, text)
}

// openCfg opens the directory of the log. What lies on a flash may be anything: no link is followed.
func openCfg(dir string) (*os.File, error) {
	root, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return openAt(root, "cfg", unix.O_RDONLY|unix.O_DIRECTORY)
}

func openAt(dir *os.File, name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// open opens the log, makes it where there is none, and gives its size in bytes. To open a FIFO does
// not wait for its reader.
func open(cfg *os.File) (*os.File, int64, error) {
	log, err := openAt(cfg, name, unix.O_RDWR|unix.O_APPEND|unix.O_CREAT|unix.O_NONBLOCK)
	if err != nil {
		return nil, 0, err
	}
	info, err := log.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		log.Close()
		return nil, 0, err
	}
	return log, info.Size(), nil
}

// rotate gives the log the name of the old one.
func rotate(cfg, log *os.File) error {
	if err := unix.Renameat(int(cfg.Fd()), name, int(cfg.Fd()), oldName); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	if err := errors.Join(log.Sync(), cfg.Sync()); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	return nil
}

// add writes the line in one call, behind a newline where a power cut kept the last line from its end.
func add(cfg, log *os.File, size int64, text string) error {
	if size > 0 {
		last := make([]byte, 1)
		if _, err := log.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			text = "\n" + text
		}
	}
	if _, err := log.WriteString(text); err != nil {
		return err
	}
	if err := log.Sync(); err != nil {
		return err
	}
	if size > 0 {
		return nil
	}
	return cfg.Sync() // its name is new
}
