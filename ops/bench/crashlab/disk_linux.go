package crashlab

import (
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Disk is a block device whose every request is recorded.
type Disk struct {
	Loop string // its device: /dev/loop3
	Dir  string // where Mount mounts it

	dir    string
	child  *exec.Cmd
	rpc    *rpc.Client
	once   sync.Once
	closed error
}

// NewDisk makes a disk with the given contents; all that it gets later have the same size. The caller
// closes it. The test binary has to call Main.
func NewDisk(image []byte) (_ *Disk, err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("the crash lab needs root: it mounts file systems on loop devices")
	}
	dir, err := os.MkdirTemp("", "crashlab-")
	if err != nil {
		return nil, err
	}
	d := &Disk{dir: dir, Dir: dir + "/mnt"}
	if err := errors.Join(os.Mkdir(d.Dir, 0o700), os.Mkdir(dir+"/fuse", 0o700)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	if err := d.start(); err != nil {
		return nil, err
	}
	if err := d.Load(image); err != nil {
		return nil, err
	}
	if d.Loop, err = attach(dir + "/fuse/disk"); err != nil {
		return nil, err
	}
	return d, d.Guard(d.Dir, d.Loop)
}

func (d *Disk) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	d.child = exec.Command(self)
	d.child.Env = append(os.Environ(), serveEnv+"="+d.dir)
	d.child.Stderr = os.Stderr
	in, err := d.child.StdinPipe()
	if err != nil {
		return err
	}
	out, err := d.child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := d.child.Start(); err != nil {
		return err
	}
	d.rpc = rpc.NewClient(struct {
		io.Reader
		io.WriteCloser
	}{out, in})
	return nil
}

func (d *Disk) call(method string, args, reply any) error {
	if err := d.rpc.Call("Disk."+method, args, reply); err != nil {
		return fmt.Errorf("ask the recorder to %s: %w", method, err)
	}
	return nil
}

// Guard has the mount on dir and the loop device taken down, should this process die before it can. The
// device is left alone when it is over no file below dir's parent any more.
func (d *Disk) Guard(dir, loop string) error {
	return d.call("Hold", [2]string{dir, loop}, new(int))
}

// Load gives the disk other contents and empties the log. It must not be mounted.
func (d *Disk) Load(image []byte) error { return d.call("Load", image, new(int)) }

// Mark adds a mark to the log.
func (d *Disk) Mark(name string) error { return d.call("Mark", name, new(int)) }

// Fail sets the fault of the disk, and tells how many requests of the former fault's kind there were.
func (d *Disk) Fail(f Fault) (count int, err error) { return count, d.call("Fail", f, &count) }

// Log is what was recorded since Load.
func (d *Disk) Log() (log Log, err error) { return log, d.call("Log", 0, &log) }

// Image is what is on the disk.
func (d *Disk) Image() (image []byte, err error) { return image, d.call("Image", 0, &image) }

// Mount mounts the disk on Dir.
func (d *Disk) Mount(fstype string) error { return mount(d.Loop, d.Dir, fstype) }

// Unmount unmounts it.
func (d *Disk) Unmount() error { return unmount(d.Dir) }

// limit is how long one recording may take: then the disk is killed, and whatever hangs on it gets EIO.
const limit = 2 * time.Minute

// Record runs an operation on the disk, which holds image at first, and gives what it was asked from the
// mount to the unmount. The log has the mark "mounted", those that run makes, and "returned" when it
// has come back without an error.
func (d *Disk) Record(image []byte, fstype string, run func(dir string, mark func(string)) error) (Log, error) {
	watchdog := time.AfterFunc(limit, func() { d.child.Process.Kill() })
	defer watchdog.Stop()
	if err := errors.Join(d.Load(image), d.Mount(fstype), d.Mark("mounted")); err != nil {
		return nil, err
	}
	err := run(d.Dir, func(name string) { _ = d.Mark(name) })
	if err == nil {
		err = d.Mark(Returned)
	}
	if err := errors.Join(err, d.Unmount()); err != nil {
		return nil, err
	}
	return d.Log()
}

// Close takes everything down. It is safe to call twice.
func (d *Disk) Close() error {
	d.once.Do(func() {
		if d.rpc != nil {
			d.closed = d.rpc.Close() // the child sees the end of its input, and takes the rest down
		}
		if d.child != nil && d.child.Process != nil {
			kill := time.AfterFunc(patience, func() { d.child.Process.Kill() })
			defer kill.Stop()
			d.closed = errors.Join(d.closed, d.child.Wait())
		}
		for _, name := range []string{"/mnt", "/fuse", ""} {
			_ = os.Remove(d.dir + name)
		}
	})
	return d.closed
}
