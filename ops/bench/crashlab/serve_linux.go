package crashlab

import (
	"context"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// serveEnv makes a test binary the process that serves a disk.
const serveEnv = "HOLDFAST_CRASHLAB_SERVE"

// Main is what TestMain calls first. In the process that a Disk started it serves the disk and never
// returns; in every other it does nothing. A process of its own serves, because one that waits for a
// file system whose disk it serves itself can wait for ever.
func Main() {
	dir := os.Getenv(serveEnv)
	if dir == "" {
		return
	}
	if err := serve(dir); err != nil {
		fmt.Fprintln(os.Stderr, "crashlab:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve mounts the disk on dir/fuse and answers its parent until that is gone. Then it takes down what
// the parent left: a test that panics or runs out of time cannot.
func serve(dir string) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP) // the end of the parent is the sign
	s := &server{}
	mountpoint := dir + "/fuse"
	options := &fs.Options{MountOptions: fuse.MountOptions{
		DirectMountStrict: true, FsName: "crashlab", Name: "crashlab", MaxWrite: 512 << 10, DisableXAttrs: true,
	}}
	root := &fs.Inode{}
	options.OnAdd = func(ctx context.Context) {
		root.AddChild("disk", root.NewPersistentInode(ctx, &disk{server: s}, fs.StableAttr{Mode: fuse.S_IFREG}), true)
	}
	if _, err := fs.Mount(mountpoint, root, options); err != nil {
		return fmt.Errorf("mount FUSE on %s: %w", mountpoint, err)
	}
	calls := rpc.NewServer()
	if err := calls.RegisterName("Disk", &Calls{s}); err != nil {
		return err
	}
	calls.ServeConn(pipe{os.Stdin, os.Stdout})
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	for _, h := range held {
		takeDown(h[0], h[1])
	}
	_ = unix.Unmount(mountpoint, unix.MNT_DETACH)
	for _, name := range []string{"/mnt", "/fuse", ""} {
		_ = os.Remove(dir + name) // never more than an empty directory
	}
	return nil
}

// takeDown unmounts and detaches what is still the lab's: the device may be somebody else's by now. While
// somebody has it open a device stays, and takes the next call to go.
func takeDown(dir, loop string) {
	thaw(dir) // a frozen file system would outlive its last mount
	_ = unix.Unmount(dir, unix.MNT_DETACH)
	_ = retry(func() error {
		file, err := os.ReadFile("/sys/block/" + filepath.Base(loop) + "/loop/backing_file")
		if err != nil || !strings.HasPrefix(string(file), filepath.Dir(dir)+"/") {
			return nil
		}
		_ = detach(loop)
		return unix.EBUSY // look again
	})
	if os.Remove(dir) == nil { // it was a mount point, and is none any more
		_ = os.RemoveAll(filepath.Dir(dir) + "/grub")
		_ = os.Remove(filepath.Dir(dir) + "/disk")
		_ = os.Remove(filepath.Dir(dir))
	}
}

type pipe struct {
	io.Reader
	io.WriteCloser
}

// server is a disk in memory.
type server struct {
	mu    sync.Mutex
	image []byte
	log   Log
	fault Fault
	count map[Kind]int // requests since the fault was set
	held  [][2]string  // what to take down at the end
}

// Calls is what the parent asks over net/rpc.
type Calls struct{ s *server }

// Load gives the disk other contents and empties the log. Nothing may have it mounted.
func (c *Calls) Load(image []byte, _ *int) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.image, c.s.log, c.s.fault = image, nil, Fault{}
	return nil
}

// Mark adds a mark to the log.
func (c *Calls) Mark(name string, _ *int) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.log = append(c.s.log, Event{Kind: Mark, Name: name})
	return nil
}

// Log gives the log.
func (c *Calls) Log(_ int, log *Log) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	*log = c.s.log
	return nil
}

// Image gives the contents of the disk.
func (c *Calls) Image(_ int, image *[]byte) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	*image = append([]byte(nil), c.s.image...)
	return nil
}

// Fail sets the fault, and tells how many requests of its kind there were since the one before it.
func (c *Calls) Fail(f Fault, count *int) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	*count = c.s.count[c.s.fault.Kind]
	c.s.fault, c.s.count = f, map[Kind]int{}
	return nil
}

// Hold says what else is to be taken down when the parent is gone: a mount point and a loop device.
func (c *Calls) Hold(what [2]string, _ *int) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.held = append(c.s.held, what)
	return nil
}

// disk is the one file of the FUSE file system.
type disk struct {
	fs.Inode
	*server
}

var (
	_ fs.NodeOpener    = (*disk)(nil)
	_ fs.NodeReader    = (*disk)(nil)
	_ fs.NodeWriter    = (*disk)(nil)
	_ fs.NodeFsyncer   = (*disk)(nil)
	_ fs.NodeGetattrer = (*disk)(nil)
)

// Open asks for FOPEN_DIRECT_IO: the kernel must not keep pages of the disk between it and us.
func (d *disk) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (d *disk) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	out.Mode, out.Size = fuse.S_IFREG|0o600, uint64(len(d.image))
	return 0
}

// fails counts a request and says how it fails.
func (s *server) fails(kind Kind) syscall.Errno {
	if s.count == nil {
		s.count = map[Kind]int{}
	}
	s.count[kind]++
	if s.fault.hits(kind, s.count[kind]) {
		return syscall.Errno(s.fault.Errno)
	}
	return 0
}

func (d *disk) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if errno := d.fails(Read); errno != 0 {
		return nil, errno
	}
	if off >= int64(len(d.image)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(dest[:copy(dest, d.image[off:])]), 0
}

func (d *disk) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if errno := d.fails(Write); errno != 0 {
		return 0, errno
	}
	if off+int64(len(data)) > int64(len(d.image)) {
		return 0, syscall.ENOSPC
	}
	copy(d.image[off:], data)
	d.log = append(d.log, Event{Kind: Write, Offset: off, Data: append([]byte(nil), data...)})
	return uint32(len(data)), 0
}

func (d *disk) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, Event{Kind: Flush})
	return 0
}
