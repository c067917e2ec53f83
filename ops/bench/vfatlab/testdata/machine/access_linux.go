package main

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"holdfast/flash/access"
	"holdfast/flash/volume"
)

// showAccess says what becomes of a vfat that is mounted in some way, for the time of an operation.
func showAccess() {
	place(0)
	for _, how := range []struct {
		name, data string
		flags      uintptr
		mounted    bool
		busy       bool
	}{
		{name: "read-only", flags: unix.MS_RDONLY, mounted: true},
		{name: "panics", flags: unix.MS_RDONLY, data: "errors=panic,flush", mounted: true},
		{name: "goes on already", flags: unix.MS_RDONLY, data: "errors=continue", mounted: true},
		{name: "busy", flags: unix.MS_RDONLY, mounted: true, busy: true},
		{name: "read-write", mounted: true},
		{name: "device"},
	} {
		target := part
		if how.mounted {
			check(unix.Mount(part, flashDir, "vfat", how.flags, how.data))
			target = flashDir
		}
		var shell *os.File
		if how.busy {
			var err error
			shell, err = os.Open(flashDir + "/cfg")
			check(err)
		}
		v, err := volume.Open(target)
		check(err)
		before := mountOptions(flashDir)
		a, err := access.Open(v, nil)
		check(err)
		within := mountOptions(a.Dir)
		check(os.WriteFile(a.Dir+"/cfg/new", nil, 0o644))
		check(a.Close())
		check(v.Close())
		say("ACCESS %s: %s, within %s, after %s", how.name, before, within, mountOptions(flashDir))
		if how.busy {
			shell.Close()
		}
		if how.mounted {
			check(unix.Unmount(flashDir, 0))
		}
	}
}

// mountOptions are those that matter of what is mounted on dir, "-" when nothing is.
func mountOptions(dir string) string {
	m, err := volume.MountOn(dir)
	check(err)
	if m == nil {
		return "-"
	}
	var words []string
	for _, w := range m.Options {
		if slices.Contains([]string{"ro", "rw", "flush"}, w) || strings.HasPrefix(w, "errors=") {
			words = append(words, w)
		}
	}
	return strings.Join(words, ",")
}
