package stage

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTargetAwaitsMount: a flash that a guard is mounting anew is waited for.
func TestTargetAwaitsMount(t *testing.T) {
	dir := t.TempDir()
	mounted := make(chan error, 1)
	time.AfterFunc(100*time.Millisecond, func() { mounted <- unix.Mount("flash", dir, "tmpfs", 0, "") })
	info := Info{State: Found, Flash: Volume{Device: "sda2", Dir: dir}, Mounts: []Mount{{Device: "/dev/sda2", Dir: dir}}}
	target, _ := info.Target()
	if err := <-mounted; err != nil {
		t.Fatalf("mount (as root?): %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	if target.Volume == nil || !target.Volume.Whole() {
		t.Errorf("the flash is %+v, want what was mounted there late", target.Volume)
	}
}
