package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"testing/fstest" // its MapFS is the standard library's file system in memory
	"time"

	"holdfast/flash"
	"holdfast/kexec/kexectest"
	opsarchive "holdfast/ops/archive"
	"holdfast/ops/status"
)

// demoImage is an image of the demonstration.
type demoImage struct {
	slot, version, kernel, arguments string
	broken                           bool
}

var demoImages = []demoImage{
	{"active", "1.3.124", "6.1.0-56-appliance", "quiet acpi=off panic_on_oops=1\n", false},
	{"backup", "1.3.121", "6.1.0-49-appliance", "quiet\n", false},
	{"factory", "1.2.0", "5.10.0-21-appliance", "", false},
	{"1.3.125", "1.3.125", "6.1.0-57-appliance", "quiet # the bench build of tonight\n", true},
}

// demoMenu is what disk create writes for such a flash, without what is about terminals.
const demoMenu = `default saved
timeout 2
fallback 2 4

title Active image
savedefault 1
root (hd0,1)
kernel /system/active/kernel.img quiet acpi=off flash=sda2 img=active GRUB_ENTRY=0
initrd /system/active/initrd.img

title Active image (retry)
savedefault 2
root (hd0,1)
kernel /system/active/kernel.img quiet acpi=off flash=sda2 img=active GRUB_ENTRY=1
initrd /system/active/initrd.img

title Backup image
savedefault 3
root (hd0,1)
kernel /system/backup/kernel.img quiet flash=sda2 img=backup GRUB_ENTRY=2
initrd /system/backup/initrd.img

title Backup image (retry)
savedefault 4
root (hd0,1)
kernel /system/backup/kernel.img quiet flash=sda2 img=backup GRUB_ENTRY=3
initrd /system/backup/initrd.img

title Maintenance console
savedefault 4
root (hd0,0)
kernel /firmware/kernel.img console=tty0 console=ttyS0,115200 flash=sda2
initrd /firmware/initrd.img
`

// demoTarget is a flash made up in memory: three good images and a staged one that lost some bytes
// on its way, to look at the console without an appliance.
func demoTarget() status.Target {
	m := fstest.MapFS{
		"cfg/system.arg": {Data: []byte("console=ttyS0,115200\n")},
		"cfg/config.cur": {Data: []byte("demonstration")},
		"cfg/config.fac": {Data: []byte("demonstration")},

		"boot/grub/menu.lst":  {Data: []byte(demoMenu)},
		"boot/grub/default":   {Data: []byte("0\n#\n#\n#\n#\n#\n")},
		"firmware/kernel.img": {Data: kexectest.Kernel("6.1.0-56-maintenance")},
		"firmware/initrd.img": {Data: []byte("demonstration")},
	}
	for _, i := range demoImages {
		i.add(m)
	}
	m["cfg/slots0"] = &fstest.MapFile{Data: demoRecord(m)}
	return status.Target{FS: m, Name: "demonstration", Type: "in memory", Access: "ro", Word: "sda2",
		GRUB: status.Place{FS: m}}
}

// demoRecord is a state record for the images of m: active and backup have confirmed.
func demoRecord(m fstest.MapFS) []byte {
	f, err := flash.Read(m)
	if err != nil {
		return nil
	}
	at := time.Date(2026, 11, 3, 22, 14, 0, 0, time.UTC)
	active, backup := f.Slots[0].ID, f.Slots[1].ID
	record := flash.Record{
		Seq: 7,
		Entries: []flash.Entry{
			{ID: active, State: flash.Confirmed, Since: at},
			{ID: backup, State: flash.Confirmed, Since: at.AddDate(0, -3, 0)},
		},
		Last: flash.Event{Kind: flash.Installed, ID: active, Tries: 3, At: at},
	}
	b, err := record.Encode()
	if err != nil {
		return nil
	}
	return b
}

// demoArchives is a stick in the demonstration's machine, with a newer image on it.
func demoArchives(context.Context) ([]opsarchive.Found, error) {
	m := fstest.MapFS{}
	demoImage{"1.3.126", "1.3.126", "6.1.0-58-appliance", "quiet acpi=off\n", false}.add(m)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	var errs []error
	for _, member := range []string{"SHA256SUMS", "kernel.ver", "kernel.arg", "kernel.img", "initrd.img"} {
		data := m["system/1.3.126/"+member].Data
		errs = append(errs, w.WriteHeader(&tar.Header{Name: member, Mode: 0o644, Size: int64(len(data))}))
		_, err := w.Write(data)
		errs = append(errs, err)
	}
	if err := errors.Join(append(errs, w.Close(), z.Close())...); err != nil {
		return nil, err
	}
	const file = "images/1.3.126.tar.gz"
	stick := fstest.MapFS{file: {Data: b.Bytes(), ModTime: time.Date(2026, 11, 20, 17, 2, 0, 0, time.UTC)}}
	source, err := opsarchive.FS("sdb1", stick, file)
	return []opsarchive.Found{{Source: source, Path: file, Where: "sdb1 (STICK)", ModTime: stick[file].ModTime}}, err
}

func (i demoImage) add(m fstest.MapFS) {
	files := map[string][]byte{
		"kernel.img": pad(kexectest.Kernel(i.kernel), 1<<20),
		"initrd.img": pad([]byte(i.version), 3<<20),
		"kernel.arg": []byte(i.arguments),
		"kernel.ver": []byte(i.version + "\n"),
	}
	var sums bytes.Buffer
	for name, data := range files {
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), name)
	}
	if i.broken {
		files["initrd.img"][1<<20] ^= 1
	}
	files["SHA256SUMS"] = sums.Bytes()
	for name, data := range files {
		m[path.Join("system", i.slot, name)] = &fstest.MapFile{Data: data, Mode: fs.FileMode(0o644)}
	}
}

// pad lengthens data with zeros, so that the demonstration's sizes look like sizes.
func pad(data []byte, size int) []byte {
	return append(data, make([]byte, max(0, size-len(data)))...)
}
