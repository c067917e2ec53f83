package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestInstallKilled kills an installation whose archive does not go on, while another command waits for
// it: the mount and the loop device go, and the other one finds the flash as it was but for what it clears.
func TestInstallKilled(t *testing.T) {
	disk := lookDisk(t, "grub-legacy")
	archive, err := os.ReadFile(packImage(t, "new", "1.3.125", ""))
	if err != nil {
		t.Fatal(err)
	}
	install := exec.Command(made.binary, "install", "-", "--yes", "--flash", disk)
	in, err := install.StdinPipe()
	if err == nil {
		err = install.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer install.Process.Kill()
	go in.Write(archive[:len(archive)/2])
	arrives := func() bool {
		found, _ := filepath.Glob("/proc/" + fmt.Sprint(install.Process.Pid) + "/fd/*")
		for _, fd := range found {
			if to, _ := os.Readlink(fd); strings.Contains(to, "/incoming/") {
				return true
			}
		}
		return false
	}
	waitFor(t, "the image arrives", arrives)

	out, err := made.run("rotate", "--no-wait", "--yes", "--flash", disk)
	by := fmt.Sprintf("%s: another holdfast is at work there (pid %d)", disk, install.Process.Pid)
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 6 || !strings.Contains(out, by) {
		t.Errorf("rotate --no-wait says %q, %v", out, err)
	}
	rotate := exec.Command(made.binary, "rotate", "--yes", "--flash", disk)
	said, err := rotate.StdoutPipe()
	rotate.Stderr = rotate.Stdout
	if err == nil {
		err = rotate.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(said)
	for line := ""; line != "waiting for "+by+"\n"; {
		if line, err = lines.ReadString('\n'); err != nil {
			t.Fatalf("rotate says %q, %v, want that it waits for %s", line, err, by)
		}
	}
	if err := install.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = install.Wait() // killed
	rest, _ := io.ReadAll(lines)
	if err := rotate.Wait(); err != nil || !strings.Contains(string(rest), "1-backup is active") {
		t.Errorf("rotate: %v\n%s", err, rest)
	}
	if by := tool(t, "mount", "", "losetup", "-j", disk); by != "" {
		t.Errorf("stays attached: %s", by)
	}
	doc := document(t, "status", "--flash", disk)
	if *doc.Slots[0].Version != "1-backup" || *doc.Slots[1].Version != "1-active" || len(doc.Staged)+len(doc.Problems) != 0 {
		t.Errorf("status says %s", whole(t, doc))
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waits in vain: %s", what)
		}
	}
}

// TestWithoutRoot: an image file can be read by anybody; to rewrite its files takes root.
func TestWithoutRoot(t *testing.T) {
	disk := lookDisk(t, "grub-legacy")
	for _, dir := range []string{filepath.Dir(disk), filepath.Dir(filepath.Dir(disk)), made.dir} {
		must(t, os.Chmod(dir, 0o755))
	}
	must(t, os.Chmod(disk, 0o666))
	rotate := exec.Command(made.binary, "rotate", "--yes", "--flash", disk)
	rotate.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, _ := rotate.CombinedOutput()
	if code := rotate.ProcessState.ExitCode(); code != 4 || !strings.Contains(string(out), "permission denied\nhint: run this as root") {
		t.Errorf("rotate says %q, exit code %d", out, code)
	}
}
