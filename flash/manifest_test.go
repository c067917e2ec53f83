package flash

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"holdfast/flash/signature"
)

// onDisk writes a whole flash to a directory and makes the active image's manifest with coreutils.
func onDisk(t *testing.T, sum, manifest string) string {
	t.Helper()
	dir := t.TempDir()
	for name, f := range whole("system") {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	active := filepath.Join(dir, "system", "active")
	sums := tool(t, "coreutils", active, sum, "kernel.img", "initrd.img", "kernel.arg", "kernel.ver")
	if err := os.WriteFile(filepath.Join(active, manifest), []byte(sums), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestVerifyAgainstCoreutils(t *testing.T) {
	tests := []struct{ sum, manifest string }{{"sha256sum", "SHA256SUMS"}, {"md5sum", "system.sig"}}
	edits := []struct {
		name string
		edit func(t *testing.T, active string)
		want Integrity
		says string
	}{
		{"as made", func(*testing.T, string) {}, Intact, ""},
		{"one byte", func(t *testing.T, a string) { write(t, a+"/kernel.img", "kernel twO") }, Damaged, "kernel.img: hash differs"},
		{"removed", func(t *testing.T, a string) { os.Remove(a + "/initrd.img") }, Damaged, "initrd.img: missing"},
		{"longer", func(t *testing.T, a string) { write(t, a+"/kernel.ver", "1.3.124\n\n") }, Damaged, "kernel.ver: hash differs"},
	}
	for _, tt := range tests {
		for _, e := range edits {
			t.Run(tt.sum+" "+e.name, func(t *testing.T) {
				dir := onDisk(t, tt.sum, tt.manifest)
				e.edit(t, filepath.Join(dir, "system", "active"))
				f, err := Read(os.DirFS(dir))
				if err != nil {
					t.Fatal(err)
				}
				got, problems, err := verified(f, os.DirFS(dir))
				if got != e.want || err != nil {
					t.Errorf("Verify = %v, %v; want %v", got, err, e.want)
				}
				if e.says != "" && !slices.Contains(problems, e.says) {
					t.Errorf("problems %q, want %q", problems, e.says)
				}
			})
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestVerifyUnlisted holds a manifest to what decides the boot: one that leaves the kernel's
// arguments out vouches for nothing.
func TestVerifyUnlisted(t *testing.T) {
	dir := onDisk(t, "sha256sum", "SHA256SUMS")
	active := filepath.Join(dir, "system", "active")
	write(t, filepath.Join(active, "SHA256SUMS"), tool(t, "coreutils", active, "sha256sum", "kernel.img", "initrd.img"))
	f, err := Read(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	got, problems, _ := verified(f, os.DirFS(dir))
	if want := "kernel.arg: not in SHA256SUMS"; got != Damaged || !slices.Contains(problems, want) {
		t.Errorf("Verify = %v, %q; want damaged, %q", got, problems, want)
	}
}

func TestVerifyWithoutManifest(t *testing.T) {
	m := whole("system")
	f, _ := Read(m)
	if got, _, _ := verified(f, m); got != Unchecked {
		t.Errorf("no manifest: Verify = %v, want unchecked", got)
	}
	m["system/active/SHA256SUMS"] = file("rubbish")
	f, _ = Read(m)
	if got, _, _ := verified(f, m); got != Damaged {
		t.Errorf("broken manifest: Verify = %v, want damaged", got)
	}
}

// unreadable is a file system on which one file cannot be read: "open" or "stat" fails.
type unreadable struct {
	fstest.MapFS
	name, step string
}

func (u unreadable) Open(name string) (fs.File, error) {
	if name == u.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EIO}
	}
	return u.MapFS.Open(name)
}

func (u unreadable) Stat(name string) (fs.FileInfo, error) {
	if name == u.name && u.step == "stat" {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: syscall.EIO}
	}
	return u.MapFS.Stat(name)
}

// TestVerifyUnreadable: what is there and cannot be read is damage. It is not as if it were absent.
func TestVerifyUnreadable(t *testing.T) {
	for _, step := range []string{"open", "stat"} {
		for _, name := range []string{"SHA256SUMS", "system.sig", "kernel.arg", "initrd.img"} {
			m := whole("system")
			m["system/active/SHA256SUMS"] = file("")
			for _, member := range decisive {
				sum := sha256.Sum256(m["system/active/"+member].Data)
				if member != name {
					m["system/active/SHA256SUMS"].Data = fmt.Appendf(m["system/active/SHA256SUMS"].Data, "%x  %s\n", sum, member)
				}
			}
			if name == "system.sig" {
				delete(m, "system/active/SHA256SUMS")
				m["system/active/system.sig"] = file("")
			}
			fsys := unreadable{m, "system/active/" + name, step}
			f, err := Read(fsys)
			if err != nil {
				t.Fatal(err)
			}
			got, problems, _ := verified(f, fsys)
			all := append(problems, f.Slots[0].Problems...)
			if got != Damaged || !slices.ContainsFunc(all, func(p string) bool { return strings.HasPrefix(p, name+": ") }) {
				t.Errorf("%s of %s fails: Verify = %v, %q; want damaged", step, name, got, all)
			}
			listed := name != "initrd.img" || step == "stat" // nobody opens a file that the manifest leaves out
			if want := name + ": cannot be read: " + syscall.EIO.Error(); listed && !slices.Contains(all, want) {
				t.Errorf("%s of %s fails: %q, want %q", step, name, all, want)
			}
		}
	}
}

func TestVerifyCancelled(t *testing.T) {
	dir := onDisk(t, "sha256sum", "SHA256SUMS")
	f, _ := Read(os.DirFS(dir))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if got, err := f.Slots[0].Verify(ctx, os.DirFS(dir), signature.Trust{}, nil); got.Integrity != Unknown || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: Verify = %v, %v; want Unknown and context.Canceled", got, err)
	}
}

func TestParseManifestRefuses(t *testing.T) {
	h := strings.Repeat("ab", 32)
	tests := map[string]string{
		"parent":      h + "  ../kernel.img\n",
		"absolute":    h + "  /etc/shadow\n",
		"twice":       h + "  kernel.img\n" + h + " *kernel.img\n",
		"short hash":  h[2:] + "  kernel.img\n",
		"no name":     h + "\n",
		"one space":   h + " kernel.img\n",
		"escape":      h + "  kernel\x1b[2J.img\n",
		"escaped":     `\` + h + "  kernel\\n.img\n",
		"directory":   h + "  .\n",
		"endless":     strings.Repeat(h+"  kernel.img\n", maxSums+1),
		"binary":      "\x7fELF\x00\x00",
		"nothing":     "",
		"a long line": h + "  " + strings.Repeat("k", maxManifest),
	}
	for name, text := range tests {
		if m, err := ParseManifest(strings.NewReader(text), SHA256); err == nil {
			t.Errorf("%s: ParseManifest = %+v, want an error", name, m)
		}
	}
	if m, err := ParseManifest(strings.NewReader(h+" *./kernel.img\r\n\r\n"), SHA256); err != nil || m.Sums[0].Name != "kernel.img" {
		t.Errorf("binary mark, ./ and CRLF: %+v, %v", m, err)
	}
}

func FuzzParseManifest(f *testing.F) {
	h := strings.Repeat("0f", 32)
	f.Add([]byte(h + "  kernel.img\n"))
	f.Add([]byte(h + " *a/b\r\n\n" + h + "  c\n"))
	f.Add([]byte("\\" + h + "  x\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseManifest(bytes.NewReader(b), SHA256)
		if err != nil {
			return
		}
		for _, s := range m.Sums {
			if len(s.Hash) != 32 || s.Name != printable(s.Name) || strings.Contains(s.Name, "..") && strings.HasPrefix(s.Name, "../") {
				t.Errorf("accepted %q with a hash of %d bytes", s.Name, len(s.Hash))
			}
		}
	})
}
