package powercut

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// flashPlace is where the second partition of a disk is, as debugfs and e2fsck take it: with the offset.
func flashPlace(t testing.TB, disk string) string {
	t.Helper()
	f, err := os.Open(disk)
	must(t, err)
	defer f.Close()
	table := make([]byte, 512)
	_, err = f.ReadAt(table, 0)
	must(t, err)
	return fmt.Sprintf("%s?offset=%d", disk, int64(binary.LittleEndian.Uint32(table[446+16+8:]))*512)
}

// slotsOf is which version each slot holds whole, as it is on the disk: nobody has repaired or even
// mounted it. debugfs is an independent reader, and GRUB sees no more than it does. A slot that is no
// version we know is not in the map.
func slotsOf(t testing.TB, disk string, known map[string]archive) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, name := range []string{"active", "backup"} {
		dir := t.TempDir()
		tool(t, "e2fsprogs", "debugfs", "-R", "rdump /system/"+name+" "+dir, flashPlace(t, disk))
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			content := readSlot(t, filepath.Join(dir, name))
			for version, a := range known {
				if maps.Equal(a.content, content) {
					found[name] = version
				}
			}
		}
		must(t, os.RemoveAll(dir))
	}
	return found
}

// listOf names what is below system.
func listOf(t testing.TB, disk string) (names []string) {
	t.Helper()
	for line := range strings.Lines(tool(t, "e2fsprogs", "debugfs", "-R", "ls -p /system", flashPlace(t, disk))) {
		if f := strings.Split(line, "/"); len(f) > 5 && f[5] != "." && f[5] != ".." {
			names = append(names, f[5])
		}
	}
	return names
}

// settled checks the disk at the end of all cuts: what fsck says of the file system as the last cut
// left it, and, after the repair, again.
func settled(t testing.TB, p product, disk string) {
	t.Helper()
	// 4 means errors left uncorrected, which with -n are all; a cut ext2 without a journal has some.
	if code := fsck(t, disk, "-fn"); code > 4 {
		t.Errorf("e2fsck -fn after the last cut exits with %d", code)
	}
	if code := fsck(t, disk, "-fp"); code > 1 {
		t.Errorf("e2fsck -fp after the last cut exits with %d, want at most 1: it needed nobody", code)
	}
	for _, command := range []string{"repair", "verify"} {
		out, err := p.run("--yes", "--flash", disk, command)
		if err != nil {
			t.Error(err)
		}
		t.Logf("holdfast %s:\n%s", command, out)
	}
	if code := fsck(t, disk, "-fn"); code != 0 {
		t.Errorf("e2fsck -fn after the repair exits with %d", code)
	}
}

func fsck(t testing.TB, disk, option string) int {
	t.Helper()
	cmd := exec.Command("e2fsck", option, flashPlace(t, disk))
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("e2fsck is missing: apt-get install e2fsprogs: %v", err)
	}
	if cmd.ProcessState.ExitCode() != 0 {
		t.Logf("e2fsck %s:\n%s", option, out)
	}
	return cmd.ProcessState.ExitCode()
}

// holds reports whether one of the versions is whole in a slot.
func holds(slots map[string]string, versions []string) bool {
	for _, v := range slots {
		if slices.Contains(versions, v) {
			return true
		}
	}
	return false
}
