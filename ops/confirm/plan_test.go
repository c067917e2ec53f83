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
		{"the same", banner, booted.Add(-time.Hour), Running{Release: release, Version: version, Booted: booted, Now: now}, ""},
		{"nobody knows of it", banner, time.Time{}, Running{Release: release, Version: version, Booted: booted, Now: now}, ""},
		{"another release", "6.1.0-57 (x) " + version, booted.Add(-time.Hour), Running{Release: release, Version: version, Booted: booted, Now: now}, "its kernel is 6.1.0-57"},
		{"another build", release + " (x) #2 SMP", booted.Add(-time.Hour), Running{Release: release, Version: version, Booted: booted, Now: now}, "another build"},
		{"a kernel that says its release alone", release, booted.Add(-time.Hour), Running{Release: release, Version: version, Booted: booted, Now: now}, ""},
		{"a kernel that says nothing", "", booted.Add(-time.Hour), Running{Release: release, Version: version, Booted: booted, Now: now}, ""},
		{"nothing known of what runs", banner, booted.Add(-time.Hour), Running{}, ""},
		{"installed since", banner, booted.Add(time.Minute), Running{Release: release, Version: version, Booted: booted, Now: now}, "there since 2026-11-23T06:01:00Z"},
		{"installed just before", banner, booted.Add(time.Second), Running{Release: release, Version: version, Booted: booted, Now: now}, ""},
		{"a clock at 1970", banner, booted.Add(time.Minute), Running{Release: release, Version: version, Booted: time.Unix(100, 0), Now: now}, ""},
		{"installed in 1970", banner, time.Unix(100, 0), Running{Release: release, Version: version, Booted: booted, Now: now}, ""},
		{"installed in the future", banner, now.Add(time.Minute), Running{Release: release, Version: version, Booted: booted, Now: now}, ""},
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

// TestChanged: what this system put into a slot is not what it was booted from, and no clock is asked.
func TestChanged(t *testing.T) {
	this, other := flash.BootID{1}, flash.BootID{2}
	for _, tt := range []struct {
		now  flash.BootID
		rec  flash.Record
		slot string
		want bool
	}{
		{this, flash.Record{Changed: [2]flash.BootID{this, other}}, "active", true},
		{this, flash.Record{Changed: [2]flash.BootID{other, this}}, "active", false},
		{this, flash.Record{Changed: [2]flash.BootID{other, this}}, "backup", true},
		{this, flash.Record{Changed: [2]flash.BootID{this, this}}, "factory", false},
		{this, flash.Record{}, "active", false},
		{flash.BootID{}, flash.Record{}, "active", false},
	} {
		if got := (Running{Boot: tt.now}).changed(tt.rec, tt.slot); got != tt.want {
			t.Errorf("%x, %x, %s: %v", tt.now, tt.rec.Changed, tt.slot, got)
		}
	}
	if ReadRunning().Boot == (flash.BootID{}) {
		t.Error("ReadRunning() has no Boot")
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
