package history

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// newFlash makes a directory with cfg, and the files given of it.
func newFlash(t *testing.T, files map[string]string) string {
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
		dir := newFlash(t, files)
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
		dir := newFlash(t, nil)
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

// TestAppendWaits has somebody else at the log: two that rotate at a time would lose the old one.
func TestAppendWaits(t *testing.T) {
	dir := newFlash(t, nil)
	cfg, err := os.Open(filepath.Join(dir, "cfg"))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(cfg.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- Append(dir, "event") }()
	for waits := false; !waits; waits = isWaitedFor(t, cfg) {
		select {
		case err := <-done:
			t.Fatalf("Append = %v, want it to wait", err)
		default:
		}
	}
	if log, _ := read(t, dir); log != "-" {
		t.Errorf("the log holds %q already", log)
	}
	cfg.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if log, _ := read(t, dir); !strings.HasSuffix(log, "Z event\n") {
		t.Errorf("the log holds %q, want the event", log)
	}
}

// isWaitedFor reports whether the kernel lists somebody who waits for a lock on the file:
// "1: -> FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE".
func isWaitedFor(t *testing.T, f *os.File) bool {
	t.Helper()
	var st unix.Stat_t
	locks, err := os.ReadFile("/proc/locks")
	if err != nil || unix.Fstat(int(f.Fd()), &st) != nil {
		t.Fatal("look at the locks: ", err)
	}
	for line := range strings.Lines(string(locks)) {
		if strings.Contains(line, "-> FLOCK") && strings.Contains(line, fmt.Sprintf(":%d ", st.Ino)) {
			return true
		}
	}
	return false
}

// TestFixed: on vfat the log keeps its size, and what it says is what comes before the first zero.
func TestFixed(t *testing.T) {
	zeros := func(n int) string { return strings.Repeat("\x00", n) }
	pad := func(s string) string { return s + zeros(fixedSize-len(s)) }
	full := strings.Repeat("0123456\n", fixedSize/8)
	half := full[:fixedSize/2-8]
	for _, tt := range []struct {
		name, before, old string // "-" for none
		want, wantOld     string
	}{
		{"new", "-", "-", "event\n", "-"},
		{"blank", pad(""), "-", "event\n", "-"},
		{"another", pad("one\n"), "old\n", "one\nevent\n", "old\n"},
		{"torn", pad("one\ntw"), "-", "one\ntw\nevent\n", "-"},
		{"just fits", full[:fixedSize-8] + zeros(8), "-", full[:fixedSize-8] + "event\n", "-"},
		{"full", full, "-", half + "event\n", "-"},
		{"one long line", strings.Repeat("x", fixedSize), "-", "event\n", "-"},
		{"that grew", "one\n", "-", "event\n", "one\n"},
	} {
		files := map[string]string{}
		for name, text := range map[string]string{name: tt.before, oldName: tt.old, name + ".new": "cut off"} {
			if text != "-" {
				files[name] = text
			}
		}
		dir := newFlash(t, files)
		cfg, err := openCfg(dir)
		if err != nil {
			t.Fatal(err)
		}
		err = overwrite(cfg, "event\n")
		log, old := read(t, dir)
		if err != nil || log != pad(tt.want) || old != tt.wantOld {
			t.Errorf("%s: %v; log of %d bytes that begins %.40q, old %.20q", tt.name, err, len(log), log, old)
		}
		if _, err := os.Stat(filepath.Join(dir, "cfg", name+".new")); err == nil && tt.before == "-" {
			t.Errorf("%s: the unfinished log is left", tt.name)
		}
		cfg.Close()
	}
	cfg, err := openCfg(newFlash(t, map[string]string{name: "grew\n", oldName: "older\n"}))
	if err != nil {
		t.Fatal(err)
	}
	defer cfg.Close()
	if err := overwrite(cfg, "event\n"); err == nil || !strings.Contains(err.Error(), "not of this version") {
		t.Errorf("overwrite of a log that grew, beside an old one = %v", err)
	}
}
