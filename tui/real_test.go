package tui

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/flash"
	"holdfast/flash/volume"
	"holdfast/ops/status"
)

// onDisk writes a flash to a directory and opens it. Memory is quick to sync on a busy machine.
func onDisk(t *testing.T, files fs.FS) (string, Target) {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "holdfast-tui-")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.CopyFS(dir, files); err != nil {
		t.Fatal(err)
	}
	v, err := volume.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return dir, Target{Target: status.Target{FS: v.FS(), Volume: v, Name: "test", Access: "rw", Word: "sda2",
		GRUB: status.Place{FS: v.FS(), Volume: v}}}
}

// TestRealOperations: the real operations by the console's requests. What an operation left is put right
// at the start; then images change places, an image is refused without its word and goes with it, and the
// screens show what there is.
func TestRealOperations(t *testing.T) {
	files := wholeFlash()
	files["system/backup/kernel.ver"].Data = []byte("0.9\n")
	sums := files["system/backup/SHA256SUMS"].Data
	files["system/backup/SHA256SUMS"].Data = append([]byte{}, append(sums, '\n')...) // another image
	for _, name := range []string{"kernel.img", "kernel.arg"} {
		files["system/incoming/"+name] = files["system/active/"+name] // a cut install: no manifest
	}
	dir, target := onDisk(t, files)
	b := newBenchOf(t, 3*time.Second, func(*hub) {})
	b.targets <- target
	s := b.w.until(t, "the repair", func(s *Snapshot) bool { return s.Outcome != nil && s.Countdown != nil })
	if s.Outcome.Failed || !strings.HasPrefix(s.Outcome.Text, "repaired: ") && !strings.Contains(s.Outcome.Text, "interrupted") {
		t.Errorf("the repair came to %+v", s.Outcome)
	}
	if _, err := os.Stat(filepath.Join(dir, "system/incoming")); err == nil {
		t.Error("incoming is there still")
	}
	was := s.Report.Images[1].ID
	do := func(task Task, word string) *Snapshot {
		t.Helper()
		d := b.asks(t, "ttyS0", task)
		if d.Refused != "" {
			t.Fatalf("%s: refused: %s; %s", task.title(), d.Refused, d.Hint)
		}
		n := 0
		if o := b.w.until(t, "", func(*Snapshot) bool { return true }).Outcome; o != nil {
			n = o.Number
		}
		b.requests <- request{kind: doTask, console: "ttyS0", draft: d, word: word}
		return b.w.until(t, task.title(), func(s *Snapshot) bool { return s.Outcome != nil && s.Outcome.Number > n && s.Action == nil })
	}
	s = do(Task{Verb: Rotates}, "")
	if s.Outcome.Failed || s.Report.Images[0].ID != was {
		t.Errorf("the rotation came to %+v", s.Outcome)
	}
	if r := s.Report.Record; r.Last.Kind != flash.Rotated {
		t.Errorf("last is %+v", r.Last)
	}
	s = do(Task{Verb: Removes, Object: "backup"}, "backup")
	if s.Outcome.Failed || s.Report.Images[1].Present {
		t.Errorf("the removal came to %+v", s.Outcome)
	}
	if d := b.asks(t, "ttyS0", Task{Verb: Removes, Object: "active"}); d.Refused == "" {
		t.Error("the last image may go")
	}
}
