package crashlab_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"holdfast/ops/bench/crashlab"
)

// newDisk is a disk with an empty flash, taken down with the test.
func newDisk(t *testing.T, fstype string) (*crashlab.Disk, []byte) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "flash")
	if err := (crashlab.Fixture{Type: fstype}).Make(name); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	d, err := crashlab.NewDisk(image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, image
}

func synced(dir string) error {
	f, err := os.Create(filepath.Join(dir, "cfg/new"))
	if err != nil {
		return err
	}
	_, err = f.Write(bytes.Repeat([]byte("holdfast"), 1024))
	return errors.Join(err, f.Sync(), f.Close())
}

// TestRecord holds that the recording is all that changed the disk, in its order with the marks.
func TestRecord(t *testing.T) {
	for _, typ := range types {
		d, image := newDisk(t, typ)
		log, err := d.Record(image, typ, func(dir string, mark func(string)) error {
			mark("before")
			err := synced(dir)
			mark("after")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		after, err := d.Image()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(log.Apply(bytes.Clone(image)), after) {
			t.Errorf("%s: the disk is not what the writes of the recording make of it", typ)
		}
		n := log.Totals("before", "after")
		if n.Writes < 2 || n.Flushes < 1 || n.Bytes < 8192 {
			t.Errorf("%s: %+v of a file of 8192 bytes and its fsync", typ, n)
		}
		if all := log.Totals("", ""); all.Writes <= n.Writes {
			t.Errorf("%s: mount and unmount wrote nothing: %+v of %+v", typ, n, all)
		}
	}
}

// TestFault holds that the disk fails where it is told to.
func TestFault(t *testing.T) {
	d, _ := newDisk(t, "ext2")
	if err := d.Mount("ext2"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Fail(crashlab.Fault{Kind: crashlab.Write, At: 1, Errno: int(syscall.EIO)}); err != nil {
		t.Fatal(err)
	}
	if err := synced(d.Dir); !errors.Is(err, syscall.EIO) {
		t.Errorf("fsync on a disk that fails: %v, want EIO", err)
	}
	if n, err := d.Fail(crashlab.Fault{}); n < 1 || err != nil {
		t.Errorf("%d writes were counted, %v", n, err)
	}
	if err := d.Unmount(); err != nil {
		t.Error(err)
	}
}

// TestTakeDown holds that nothing stays mounted or attached, even when it was left so.
func TestTakeDown(t *testing.T) {
	d, _ := newDisk(t, "ext4")
	if err := d.Mount("ext4"); err != nil {
		t.Fatal(err)
	}
	loop := d.Loop
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), filepath.Dir(d.Dir)) {
		t.Errorf("%s is still mounted", d.Dir)
	}
	file, _ := os.ReadFile("/sys/block/" + filepath.Base(loop) + "/loop/backing_file")
	if strings.HasPrefix(string(file), filepath.Dir(d.Dir)) {
		t.Errorf("%s is still attached", loop)
	}
	if _, err := os.Stat(filepath.Dir(d.Dir)); err == nil {
		t.Errorf("%s is still there", filepath.Dir(d.Dir))
	}
}
