package history

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"holdfast/flash"
)

// overwrite adds a line to a log that has its size from the beginning. A file that grows on vfat may have, after a
// power cut, clusters that the table calls free: the next file gets them too, and the next line is written
// into that, which may be an image (measured). What was never grown since it got its name cannot be so.
func overwrite(cfg *os.File, text string) error {
	log, err := fixed(cfg)
	if err != nil {
		return err
	}
	defer log.Close()
	old := make([]byte, fixedSize)
	if _, err := io.ReadFull(log, old); err != nil {
		return err
	}
	now, from, err := with(old, text)
	if err != nil {
		return err
	}
	if _, err := log.WriteAt(now[from:], int64(from)); err != nil {
		return err
	}
	return log.Sync()
}

// with gives a log with one line more, and from where on it is another one.
func with(old []byte, text string) (now []byte, from int, err error) {
	lines, _, _ := bytes.Cut(old, []byte{0})
	now = ended(lines, text)
	if len(now) <= fixedSize {
		return now, len(lines), nil
	}
	_, lines, _ = bytes.Cut(lines[min(fixedSize/2, len(lines)):], []byte("\n"))
	if now = ended(lines, text); len(now) > fixedSize {
		return nil, 0, fmt.Errorf("a line of %d bytes", len(text))
	}
	return append(now, make([]byte, fixedSize-len(now))...), 0, nil
}

// ended is some lines and one more, behind a newline where a power cut kept the last one from its end.
func ended(lines []byte, text string) []byte {
	lines = bytes.Clone(lines)
	if n := len(lines); n > 0 && lines[n-1] != '\n' {
		lines = append(lines, '\n')
	}
	return append(lines, text...)
}

// fixed opens the log of a fixed size, and makes it where there is none. One that grew, of a version before this, may be
// what overwrite speaks of: it gets the name of the old log, for good, as to delete it would be no better.
func fixed(cfg *os.File) (*os.File, error) {
	log, err := openAt(cfg, name, unix.O_RDWR|unix.O_NONBLOCK)
	if errors.Is(err, unix.ENOENT) {
		return makeFixed(cfg)
	}
	if err != nil {
		return nil, err
	}
	info, err := log.Stat()
	switch {
	case err == nil && !info.Mode().IsRegular():
		err = errors.New("not a regular file")
	case err == nil && info.Size() == fixedSize:
		return log, nil
	}
	if err := errors.Join(err, log.Close()); err != nil {
		return nil, err
	}
	fd := int(cfg.Fd())
	if err := unix.Renameat2(fd, name, fd, oldName, unix.RENAME_NOREPLACE); err != nil {
		return nil, fmt.Errorf("it is not of this version; move it to %s: %w", oldName, err)
	}
	return makeFixed(cfg)
}

// makeFixed makes the log: it gets its name when all of it is on the disk.
func makeFixed(cfg *os.File) (log *os.File, err error) {
	const unfinished = name + flash.Unfinished
	fd := int(cfg.Fd())
	if err := unix.Unlinkat(fd, unfinished, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("delete %s: %w", unfinished, err)
	}
	if log, err = openAt(cfg, unfinished, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			log.Close()
		}
	}()
	if _, err := log.WriteAt(make([]byte, fixedSize), 0); err != nil {
		_ = unix.Unlinkat(fd, unfinished, 0) // of a full flash, or the next session does
		return nil, err
	}
	if err := errors.Join(log.Sync(), barrier(cfg)); err != nil {
		return nil, err
	}
	if err := unix.Renameat(fd, unfinished, fd, name); err != nil {
		return nil, err
	}
	return log, barrier(cfg)
}

// barrier is flash/store's for vfat, where a directory must not be synced before its files.
func barrier(cfg *os.File) error {
	return errors.Join(unix.Syncfs(int(cfg.Fd())), cfg.Sync())
}
