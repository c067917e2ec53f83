package flash

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/flash/signature"
)

// verified verifies active for somebody who knows no keys.
func verified(f *Flash, fsys fs.FS) (Integrity, []string, error) {
	found, err := f.Slots[0].Verify(context.Background(), fsys, signature.Trust{}, nil)
	return found.Integrity, found.Problems, err
}

// signedFlash is a flash on disk whose active image minisign signed, and those who know the key, and
// another one.
func signedFlash(t *testing.T, manifest string, args ...string) (dir string, signer, other signature.Trust) {
	t.Helper()
	sum := map[string]string{"SHA256SUMS": "sha256sum", "system.sig": "md5sum"}[manifest]
	dir = onDisk(t, sum, manifest)
	keys := t.TempDir()
	for name, trust := range map[string]*signature.Trust{"release": &signer, "other": &other} {
		tool(t, "minisign", keys, "minisign", "-G", "-W", "-p", name+".pub", "-s", name+".key")
		key, err := signature.ReadKey(filepath.Join(keys, name+".pub"), name)
		if err != nil {
			t.Fatal(err)
		}
		trust.Keys = []signature.Key{key}
	}
	active := filepath.Join(dir, "system", "active")
	tool(t, "minisign", active, "minisign", append([]string{"-S", "-s", filepath.Join(keys, "release.key"),
		"-m", manifest, "-x", SignatureFile}, args...)...)
	return dir, signer, other
}

func TestVerifySignature(t *testing.T) {
	comment := []string{"-t", "model=FW-2 version=1.3.124"}
	edit := func(name string, f func(string) string) func(*testing.T, string) {
		return func(t *testing.T, active string) {
			text, err := os.ReadFile(filepath.Join(active, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(active, name), []byte(f(string(text))), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	replace := func(name, old, new string) func(*testing.T, string) {
		return edit(name, func(s string) string { return strings.Replace(s, old, new, 1) })
	}
	const minisig = SignatureFile + ": "
	tests := []struct {
		name     string
		manifest string // "" is SHA256SUMS
		args     []string
		edit     func(t *testing.T, active string)
		stranger bool // the signer is not known
		want     Integrity
		says     string // the only problem, or the remark, begins so
	}{
		{name: "prehashed", args: comment, want: Verified},
		{name: "legacy", args: append([]string{"-l"}, comment...), want: Verified},
		{name: "minisign's own comment", want: Verified},
		{name: "a file differs", args: comment, edit: replace("initrd.img", "two", "2"), want: Damaged, says: "initrd.img: hash differs"},
		{name: "another manifest", args: comment, edit: edit("SHA256SUMS", func(s string) string {
			lines := slices.Sorted(strings.Lines(s))
			slices.Reverse(lines)
			return "\n" + strings.Join(lines, "")
		}), want: Damaged, says: minisig + "the signature does not belong to it"},
		{name: "changed comment", args: comment, edit: replace(SignatureFile, "FW-2", "FW-3"), want: Damaged, says: minisig + "the signature does not belong to it"},
		{name: "truncated", args: comment, edit: edit(SignatureFile, func(s string) string { return s[:150] }), want: Damaged, says: minisig + "not a minisign signature"},
		{name: "empty", args: comment, edit: edit(SignatureFile, func(string) string { return "" }), want: Damaged, says: minisig + "not a minisign signature"},
		{name: "endless", args: comment, edit: edit(SignatureFile, func(s string) string { return s + strings.Repeat("\n", signature.MaxSize) }),
			want: Damaged, says: minisig + "longer than 10240 bytes"},
		{name: "a directory", args: comment, edit: func(t *testing.T, active string) {
			name := filepath.Join(active, SignatureFile)
			if os.Remove(name) != nil || os.Mkdir(name, 0o755) != nil {
				t.Fatal("no directory")
			}
		}, want: Damaged, says: minisig + "not a regular file"},
		{name: "for another version", args: []string{"-t", "version=1.3.125"}, want: Damaged, says: minisig + "is for version 1.3.125, the image says 1.3.124"},
		{name: "a stranger's", args: comment, stranger: true, want: Intact, says: "signed by a key that is not known here: "},
		{name: "a stranger's, and a file differs", args: comment, stranger: true, edit: replace("initrd.img", "two", "2"), want: Damaged, says: "initrd.img: hash differs"},
		{name: "none", args: comment, edit: func(t *testing.T, active string) {
			if err := os.Remove(filepath.Join(active, SignatureFile)); err != nil {
				t.Fatal(err)
			}
		}, want: Intact},
		{name: "Formilux", manifest: "system.sig", want: Intact},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.manifest == "" {
				tt.manifest = "SHA256SUMS"
			}
			dir, trust, other := signedFlash(t, tt.manifest, tt.args...)
			if tt.stranger {
				trust = other
			}
			if tt.edit != nil {
				tt.edit(t, filepath.Join(dir, "system", "active"))
			}
			f, err := Read(os.DirFS(dir))
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.Slots[0].Verify(context.Background(), os.DirFS(dir), trust, nil)
			if err != nil || got.Integrity != tt.want || (got.Signature.Signer == "release") != (tt.want == Verified) {
				t.Fatalf("Verify = %+v, %v; want %v", got, err, tt.want)
			}
			says := append(got.Problems, got.Remark)
			if !strings.HasPrefix(says[0], tt.says) || tt.says == "" && says[0] != "" || len(got.Problems) > 1 {
				t.Errorf("problems %q, remark %q; want %q", got.Problems, got.Remark, tt.says)
			}
			if (got.Remark != "") != (tt.want == Intact && tt.stranger) {
				t.Errorf("remark %q", got.Remark)
			}
		})
	}
}

// TestVerifyChangedMeanwhile: what is signed must be what the files were hashed against.
func TestVerifyChangedMeanwhile(t *testing.T) {
	dir, trust, _ := signedFlash(t, "SHA256SUMS")
	f, err := Read(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	f.Slots[0].Manifest.Sums = f.Slots[0].Manifest.Sums[:3] // all but kernel.ver
	got, err := f.Slots[0].Verify(context.Background(), os.DirFS(dir), trust, nil)
	want := []string{SignatureFile + ": what it signs changes while it is read"}
	if err != nil || got.Integrity != Damaged || !slices.Equal(got.Problems, want) {
		t.Errorf("Verify = %+v, %v; want damaged, %q", got, err, want)
	}
}
