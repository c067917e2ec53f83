package plain

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/kexec/kexectest"
	opsarchive "holdfast/ops/archive"
	"holdfast/ops/status"
)

// members are the files of an image.
func members(version string) map[string][]byte {
	m := map[string][]byte{"kernel.img": kexectest.Kernel("6.1.0-" + version), "kernel.ver": []byte(version + "\n"), "kernel.arg": []byte("quiet\n")}
	var sums bytes.Buffer
	for _, name := range []string{"kernel.ver", "kernel.arg", "kernel.img"} {
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(m[name]), name)
	}
	m["SHA256SUMS"] = sums.Bytes()
	return m
}

func wholeFlash(staged ...string) fstest.MapFS {
	files := fstest.MapFS{
		"cfg/system.arg":      {},
		"boot/grub/menu.lst":  {Data: []byte(menuList)},
		"firmware/kernel.img": {Data: kexectest.Kernel("6.1.0-maintenance")},
		"boot/grub/default":   {Data: []byte("0\n##########\n")},
	}
	images := map[string]string{"active": "1.3.124", "backup": "1.3.120"}
	for _, v := range staged {
		images[v] = v
	}
	for dir, version := range images {
		for name, data := range members(version) {
			files["system/"+dir+"/"+name] = &fstest.MapFile{Data: data}
		}
	}
	return files
}

// tarball is an archive of an image.
func tarball(version string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	m := members(version)
	for _, name := range []string{"SHA256SUMS", "kernel.ver", "kernel.arg", "kernel.img"} {
		_ = w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(m[name]))})
		_, _ = w.Write(m[name])
	}
	_ = w.Close()
	return b.Bytes()
}

// stick is a volume with an archive on it.
func stick(t *testing.T, data []byte) []opsarchive.Found {
	t.Helper()
	at := time.Date(2026, 11, 2, 3, 4, 5, 0, time.UTC)
	found := opsarchive.Find(opsarchive.Volume{Name: "sdb1", FS: fstest.MapFS{"image.tar": {Data: data, ModTime: at}}})
	if len(found) != 1 {
		t.Fatalf("found %+v", found)
	}
	return found
}

// TestOperations: what is asked on the way to each, and that nothing but the right word goes on. The flash
// is none that could be written, so that the right word ends in a refusal.
func TestOperations(t *testing.T) {
	const written = "this is a demonstration: nothing can be written"
	later := signature.Trust{Floor: "2.0"}
	damaged := tarball("1.3.126")
	damaged[2000] ^= 1
	for _, c := range []struct {
		name  string
		files fs.FS
		trust signature.Trust
		data  []byte // of the archive; nil: there is none
		keys  string
		want  []string // printed, in this order
		not   string
	}{
		{"list", wholeFlash("1.4.0"), later, nil, "6\n\n", []string{"  1  install an image from an archive\n", "  2  exchange active and backup\n",
			"  3  make 1.4.0 the active image\n", "  4  remove an image\n", "  5  verify the images\n", "Number of what to do"}, ""},
		{"no archive", wholeFlash(), later, nil, "5\n1\n", []string{"Looking for archives on every volume ...", "No archive was found."}, ""},
		{"install", wholeFlash(), signature.Trust{}, tarball("1.3.126"), "5\n1\n1\nyes\n", []string{"  1  sdb1:/image.tar, ", "1.3.126", "Type yes to install it", written}, ""},
		{"install, no", wholeFlash(), signature.Trust{}, tarball("1.3.126"), "5\n1\n1\ny\n", []string{"Type yes to install it", "Nothing was done."}, written},
		{"install, Enter", wholeFlash(), signature.Trust{}, tarball("1.3.126"), "5\n1\n\n", []string{"Number of the archive", "Number, or Enter for the menu: "}, "Type"},
		{"install what is there", wholeFlash(), signature.Trust{}, tarball("1.3.124"), "5\n1\n1\nyes\n", []string{"There is nothing to do."}, written},
		{"too old", wholeFlash(), later, tarball("1.3.126"), "5\n1\n1\noverride\nyes\n", []string{"Type override to install it although", "Type yes to install it", written}, ""},
		{"too old, yes", wholeFlash(), later, tarball("1.3.126"), "5\n1\n1\nyes\nyes\n", []string{"Type override to install it although", "Nothing was done."}, written},
		{"no archive at all", wholeFlash(), signature.Trust{}, []byte("text\n"), "5\n1\n1\nyes\n", []string{"not possible: "}, "Type yes"},
		{"rotate", wholeFlash(), signature.Trust{}, nil, "5\n2\nyes\n", []string{"active", "Type yes to do it", written}, ""},
		{"rotate, no", wholeFlash(), signature.Trust{}, nil, "5\n2\n2\n", []string{"Type yes to do it", "Nothing was done."}, written},
		{"remove", wholeFlash(), signature.Trust{}, nil, "5\n3\n2\nbackup\n", []string{"  2  backup", "Type backup to remove it", written}, ""},
		{"remove, yes", wholeFlash(), signature.Trust{}, nil, "5\n3\n2\nyes\n", []string{"Type backup to remove it", "Nothing was done."}, written},
		{"verify", wholeFlash(), signature.Trust{}, nil, "5\n4\n", []string{"active   intact\n", "backup   intact\n"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options()
			o.Report = func() (*status.Report, error) {
				return status.Read(status.Target{FS: c.files, Name: "sda2", Word: "sda2", GRUB: status.Place{FS: c.files}, Trust: c.trust})
			}
			o.Archives = func(context.Context) ([]opsarchive.Found, error) {
				if c.data == nil {
					return nil, errors.New("sdc1 cannot be read")
				}
				return stick(t, c.data), nil
			}
			_, out := dialog(o, c.keys)
			rest := out
			for _, want := range c.want {
				_, after, ok := strings.Cut(rest, want)
				if !ok {
					t.Fatalf("printed\n%s\nwithout %q in its place", out, want)
				}
				rest = after
			}
			if c.not != "" && strings.Contains(out, c.not) {
				t.Errorf("printed\n%s\nwith %q", out, c.not)
			}
		})
	}
}

// TestTellsTheState: the menu says how images have booted, and offers to clear a mark.
func TestTellsTheState(t *testing.T) {
	files := wholeFlash()
	f, err := flash.Read(files)
	if err != nil {
		t.Fatal(err)
	}
	record, err := flash.Record{Seq: 1, Entries: []flash.Entry{
		{ID: f.Slots[0].ID, State: flash.Bad}, {ID: f.Slots[1].ID, State: flash.Confirmed},
	}, Last: flash.Event{Kind: flash.RolledBack, ID: f.Slots[0].ID, Tries: 3}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	files["cfg/slots0"] = &fstest.MapFile{Data: record}
	o := options()
	o.Report = func() (*status.Report, error) {
		return status.Read(status.Target{FS: files, Name: "sda2", GRUB: status.Place{FS: files}})
	}
	_, out := dialog(o, "5\n3\nyes\n")
	for _, want := range []string{"not checked yet, bad", "not checked yet, confirmed", "last ", "did not confirm in 3 tries", "clear the mark of active, which is bad", "Type yes to do it"} {
		if !strings.Contains(out, want) {
			t.Errorf("printed\n%s\nwithout %q", out, want)
		}
	}
}
