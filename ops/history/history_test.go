package history

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestLine(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 8, time.FixedZone("", 3600))
	for event, want := range map[string]string{
		"plain":               "plain",
		"ü 中":                 "ü 中",
		`back\slash "quoted"`: `back\slash "quoted"`,
		"a\nb\tc\x00":         `a\nb\tc\x00`,
		"\x1b[2J":             `\x1b[2J`,
		"\xff\u202e\u0085":    `\xff\u202e\u0085`,
	} {
		if got, want := line(now, event), "2026-03-04T04:06:07Z "+want+"\n"; got != want {
			t.Errorf("line(%q) = %q, want %q", event, got, want)
		}
	}
}

// flash makes a directory with cfg, and the files given of it.
func flash(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "cfg"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, "cfg", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// read gives the log and the old log, "-" for one that is not there.
func read(t *testing.T, dir string) (log, old string) {
	t.Helper()
	get := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, "cfg", name))
		if os.IsNotExist(err) {
			return "-"
		}
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return get(name), get(oldName)
}

func TestAppend(t *testing.T) {
	full := strings.Repeat("x", maxSize-5) + "\n"
	for _, tt := range []struct {
		name             string
		before, old      string // "-" for none
		wantLog, wantOld string
	}{
		{"new", "-", "-", "event\n", "-"},
		{"empty", "", "-", "event\n", "-"},
		{"another", "one\n", "-", "one\nevent\n", "-"},
		{"torn", "one\ntw", "-", "one\ntw\nevent\n", "-"},
		{"just fits", full[2:], "old\n", full[2:] + "event\n", "old\n"},
		{"full", full, "old\n", "event\n", full},
		{"full, first time", full, "-", "event\n", full},
		{"larger than it may be", full + full, "-", "event\n", full + full},
		{"cut after the rotation", "-", full, "event\n", full},
	} {
		files := map[string]string{}
		for name, text := range map[string]string{name: tt.before, oldName: tt.old} {
			if text != "-" {
				files[name] = text
			}
		}
		dir := flash(t, files)
		err := appendTo(dir, "event\n")
		log, old := read(t, dir)
		if err != nil || log != tt.wantLog || old != tt.wantOld {
			t.Errorf("%s: %v; log of %d bytes ending in %.20q, old of %d bytes; want %d and %d", tt.name, err,
				len(log), log[max(0, len(log)-20):], len(old), len(tt.wantLog), len(tt.wantOld))
		}
	}
}

// What lies in the place of the log is neither waited for nor followed.
func TestAppendRefuses(t *testing.T) {
	target := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(target, []byte("mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string]func(dir, log string) error{
		"fifo":      func(_, log string) error { return unix.Mkfifo(log, 0o600) },
		"link":      func(_, log string) error { return os.Symlink(target, log) },
		"directory": func(_, log string) error { return os.Mkdir(log, 0o700) },
		"linked cfg": func(dir, _ string) error {
			return os.Rename(filepath.Join(dir, "cfg"), filepath.Join(dir, "c"))
		},
	} {
		dir := flash(t, nil)
		if err := put(dir, filepath.Join(dir, "cfg", "holdfast.log")); err != nil {
			t.Fatal(err)
		}
		if name == "linked cfg" {
			if err := os.Symlink("c", filepath.Join(dir, "cfg")); err != nil {
				t.Fatal(err)
			}
		}
		if err := Append(dir, "event"); err == nil {
			t.Errorf("%s: Append = nil", name)
		}
	}
	if b, _ := os.ReadFile(target); string(b) != "mine\n" {
		t.Errorf("the file behind the link holds %q", b)
	}
}

// Events from everywhere at once keep their lines, also while the log is rotated.
func TestAppendTogether(t *testing.T) {
	const events = 40
	dir := flash(t, map[string]string{name: strings.Repeat("x", maxSize-events*10) + "\n"})
	var all sync.WaitGroup
	for i := range events {
		all.Go(func() {
			if err := Append(dir, fmt.Sprintf("event %d.", i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	log, old := read(t, dir)
	for i := range events {
		if n := strings.Count(old+log, fmt.Sprintf("Z event %d.\n", i)); n != 1 {
			t.Errorf("event %d is there %d times", i, n)
		}
	}
	if len(old) > maxSize || !strings.HasPrefix(old, "x") {
		t.Errorf("the old log has %d bytes and begins with %.10q", len(old), old)
	}
}
