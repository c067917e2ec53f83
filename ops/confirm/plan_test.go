package confirm

import (
	"strings"
	"testing"
	"time"

	"holdfast/flash"
	"holdfast/kexec"
	"holdfast/ops/status"
)

// TestIsAnother: an image that was put into the slot after the boot must not be marked for it.
func TestIsAnother(t *testing.T) {
	booted := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	now := booted.Add(time.Hour)
	const release, version = "6.1.0-56", "#1 SMP Debian 6.1.192-1 (2026-07-14)"
	banner := release + " (debian@example) " + version
	tests := []struct {
		name    string
		banner  string
		since   time.Time // of a trial; zero for an image that no record speaks of
		running Running
		want    string
	}{
		{"the same", banner, booted.Add(-time.Hour), Running{release, version, booted, now}, ""},
		{"nobody knows of it", banner, time.Time{}, Running{release, version, booted, now}, ""},
		{"another release", "6.1.0-57 (x) " + version, booted.Add(-time.Hour), Running{release, version, booted, now}, "its kernel is 6.1.0-57"},
		{"another build", release + " (x) #2 SMP", booted.Add(-time.Hour), Running{release, version, booted, now}, "another build"},
		{"a kernel that says its release alone", release, booted.Add(-time.Hour), Running{release, version, booted, now}, ""},
		{"a kernel that says nothing", "", booted.Add(-time.Hour), Running{release, version, booted, now}, ""},
		{"nothing known of what runs", banner, booted.Add(-time.Hour), Running{}, ""},
		{"installed since", banner, booted.Add(time.Minute), Running{release, version, booted, now}, "there since 2026-11-23T06:01:00Z"},
		{"installed just before", banner, booted.Add(time.Second), Running{release, version, booted, now}, ""},
		{"a clock at 1970", banner, booted.Add(time.Minute), Running{release, version, time.Unix(100, 0), now}, ""},
		{"installed in 1970", banner, time.Unix(100, 0), Running{release, version, booted, now}, ""},
		{"installed in the future", banner, now.Add(time.Minute), Running{release, version, booted, now}, ""},
	}
	for _, tt := range tests {
		img := status.Image{Header: kexec.Header{Banner: tt.banner}}
		if !tt.since.IsZero() {
			img.Entry = flash.Entry{State: flash.Trial, Tries: 1, Since: tt.since}
		}
		if got := tt.running.isAnother(img); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestBootTime(t *testing.T) {
	for text, want := range map[string]int64{
		"cpu  1 2 3\nctxt 9\nbtime 1795413000\nprocesses 5\n": 1795413000,
		"btime x\n": 0, "": 0, "cpu 1\n": 0,
	} {
		got := bootTime(strings.NewReader(text))
		if want == 0 && !got.IsZero() || want != 0 && got.Unix() != want {
			t.Errorf("bootTime(%q) = %v, want %d", text, got, want)
		}
	}
	if r := ReadRunning(); r.Release == "" || r.Booted.IsZero() || r.Booted.After(r.Now) {
		t.Errorf("ReadRunning() = %+v", r)
	}
}
