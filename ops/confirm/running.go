package confirm

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"holdfast/flash"
	"holdfast/ops/status"
)

// Running is what the running kernel says of itself; what it does not say is zero.
type Running struct {
	Release string    // "6.1.0-56-cloud-amd64"
	Version string    // "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-1 (2026-07-14)"
	Booted  time.Time // to the second, by the clock as it is now
	Now     time.Time
	Boot    flash.BootID
}

// ReadRunning asks /proc.
func ReadRunning() Running {
	r := Running{Release: readWord("/proc/sys/kernel/osrelease"), Version: readWord("/proc/sys/kernel/version"), Now: time.Now(),
		Boot: flash.ParseBootID(readWord("/proc/sys/kernel/random/boot_id"))}
	if f, err := os.Open("/proc/stat"); err == nil {
		defer f.Close()
		r.Booted = bootTime(f)
	}
	return r
}

func readWord(name string) string {
	b, _ := os.ReadFile(name)
	return strings.TrimSpace(string(b))
}

// bootTime reads the line btime of /proc/stat (Documentation/filesystems/proc.rst, 1.7).
func bootTime(r io.Reader) time.Time {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "btime "); ok {
			if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil {
				return time.Unix(n, 0)
			}
		}
	}
	return time.Time{}
}

// sane is when a clock can be believed to have been set.
var sane = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// jitter is how much later than the boot something may seem to be that was before it: /proc/stat counts
// back from the clock, in whole seconds.
const jitter = 2 * time.Second

// changed reports that this system has put another image into a slot, or has begun to: that was not booted.
func (k Running) changed(rec flash.Record, slot string) bool {
	switch {
	case k.Boot == flash.BootID{}:
		return false
	case slot == flash.Active:
		return rec.Changed[0] == k.Boot
	}
	return slot == flash.Backup && rec.Changed[1] == k.Boot
}

// isAnother says why the image in a slot cannot be the one that runs, although img= names the slot: it
// was put there since. "" when nothing tells so.
//
// The kernel's release and version tell another kernel; two images with the same kernel they do not tell
// apart. Those the record's boot does, see changed, and its time, as long as the clock is right: an image that has been on trial
// since after this boot was not booted. What neither sees is an image of the same kernel, put in by other
// means.
func (k Running) isAnother(img status.Image) string {
	banner := img.Header.Banner
	release, rest, _ := strings.Cut(banner, " ")
	switch {
	case k.Release == "" || release == "":
	case release != k.Release:
		return "its kernel is " + release + ", and " + k.Release + " runs"
	case k.Version != "" && strings.Contains(rest, "#") && !strings.HasSuffix(banner, k.Version):
		return "its kernel is another build of " + release + " than the one that runs"
	}
	since := img.Entry.Since
	known := img.Entry.State != flash.Untold && since.After(sane) && k.Booted.After(sane)
	if known && since.After(k.Booted.Add(jitter)) && !since.After(k.Now) {
		return "it has been there since " + since.UTC().Format(time.RFC3339) + ", after this system was booted"
	}
	return ""
}
