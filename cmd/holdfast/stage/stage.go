// Package stage is what PID 1 of the kexec stage and the processes it starts agree on: the places
// of the mounts, the state of the search for the flash as a file that PID 1 writes and the console
// watches, the exit statuses by which a console asks PID 1 for something, and the machine as a boot
// needs it.
package stage

import (
	"slices"
	"time"

	"holdfast/flash/signature"
	"holdfast/flash/volume"
	"holdfast/ops/status"
)

// The places.
const (
	FlashDir   = "/flash"                // the flash is mounted here
	BootDir    = "/boot"                 // the partition with GRUB's files, when it is another one
	TrustDir   = "/etc/holdfast"         // whom the machine believes, part of the initramfs
	RunDir     = "/run/holdfast"         // what lives as long as the stage
	InfoFile   = RunDir + "/stage.json"  // Info, by PID 1
	ConsoleLog = RunDir + "/console.log" // standard error of the full-screen console
	CrashLog   = ConsoleLog + ".1"       // the same of its last crash
	ActiveFile = "/sys/class/tty/console/active"
)

// Exit statuses by which a process of the stage asks PID 1 for something. Every other way to end is
// a crash, 0 included: nobody leaves the console of a machine that has nothing else to show.
const (
	ExitReboot   = 70
	ExitPowerOff = 71
	ExitConsole  = 72 // of a plain menu: the full-screen console again
	ExitShell    = 73 // of a plain menu: a shell on this terminal, then the menu again
)

// State is how far the search for the flash is.
type State string

// The states. A search that found none or several goes on: a disk may appear late.
const (
	Searching State = "searching"
	Found     State = "found"
	None      State = "none"
	Several   State = "several"
)

// Volume is a partition, or a disk without partitions, with a file system on it.
type Volume struct {
	Device  string `json:"device"`            // kernel name: "sda2"
	Type    string `json:"fstype"`            // "ext2", "ext3", "ext4", "vfat"
	UUID    string `json:"uuid,omitempty"`    // as UUID= names it
	Label   string `json:"label,omitempty"`   // as LABEL= names it
	Dir     string `json:"mount,omitempty"`   // where it is mounted, "" when it is not
	Access  string `json:"access,omitempty"`  // "ro" or "rw", "" when it is not mounted
	Unclean bool   `json:"unclean,omitempty"` // its journal waits for a replay, which reading does not do
}

// Info is what PID 1 knows of the stage.
type Info struct {
	Version    string   `json:"version"`
	State      State    `json:"state"`
	Problem    string   `json:"problem,omitempty"` // why State is None or Several, in plain words
	Flash      Volume   `json:"flash"`             // when State is Found
	Word       string   `json:"word,omitempty"`    // value of flash= for the next kernel
	Taken      string   `json:"taken,omitempty"`   // what was taken for a flash= that names no device here, in plain words
	Boot       Volume   `json:"boot"`              // holds GRUB's files; Device is "" when none does
	Candidates []Volume `json:"candidates,omitempty"`
	Printk     string   `json:"printk,omitempty"`  // /proc/sys/kernel/printk before it was quieted
	Modules    []string `json:"modules,omitempty"` // what went wrong with modules, a line each
	Notice     string   `json:"notice,omitempty"`  // what must be seen on every screen, in one line
	Mounts     []Mount  `json:"mounts,omitempty"`  // in the order of mounting
}

// Target is the flash that was found as the operations take it. False when there is no flash.
func (i Info) Target() (status.Target, bool) {
	if i.State != Found {
		return status.Target{}, false
	}
	i.awaitMount()
	t := status.Target{
		FS:     volume.Directory(i.Flash.Dir),
		Name:   i.Flash.Device,
		Type:   i.Flash.Type,
		Access: i.Flash.Access,
		Word:   i.Word,
	}
	if v, err := volume.Open(i.Flash.Dir); err == nil {
		t.Volume = v
	}
	t.GRUB = i.grub()
	t.Trust, _ = signature.ReadTrust(TrustDir) // which holds the error too
	return t, true
}

// guardTime is how long the guard of an operation that died may take: it waits 10 s for what is busy.
const guardTime = 12 * time.Second

// awaitMount waits until the flash is where PID 1 mounted it. The guard of a console that died in an
// operation may have to mount it anew, and who starts meanwhile would find an empty directory there.
func (i Info) awaitMount() {
	if !slices.ContainsFunc(i.Mounts, func(m Mount) bool { return m.Dir == i.Flash.Dir }) {
		return
	}
	for end := time.Now().Add(guardTime); time.Now().Before(end); time.Sleep(watchFast) {
		if m, err := volume.MountOn(i.Flash.Dir); err != nil || m != nil {
			return
		}
	}
}

// grub opens the place of GRUB's files.
func (i Info) grub() status.Place {
	switch {
	case i.Boot.Device == "":
		return status.Place{Problem: "GRUB's files are on no disk, or on several"}
	case i.Boot.Dir == "":
		return status.Place{Problem: i.Boot.Device + " with GRUB's files is not mounted: see the log"}
	}
	p := status.Place{FS: volume.Directory(i.Boot.Dir)}
	v, err := volume.Open(i.Boot.Dir)
	if err != nil {
		p.Problem = err.Error()
		return p
	}
	p.Volume = v
	return p
}
