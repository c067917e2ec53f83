package archive

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/ops"
)

// signer makes a key by the real program, and signs with it.
type signer struct {
	dir string
	key signature.Key
}

func newSigner(t testing.TB, name string) signer {
	dir := t.TempDir()
	tool(t, "minisign", dir, "minisign", "-G", "-W", "-p", "key.pub", "-s", "key")
	text, err := os.ReadFile(filepath.Join(dir, "key.pub"))
	must(t, err)
	key, err := signature.ParseKey(name, text)
	must(t, err)
	return signer{dir, key}
}

func (s signer) sign(t testing.TB, text, comment string) string {
	must(t, os.WriteFile(filepath.Join(s.dir, "sums"), []byte(text), 0o644))
	tool(t, "minisign", s.dir, "minisign", "-S", "-s", "key", "-m", "sums", "-t", comment)
	sig, err := os.ReadFile(filepath.Join(s.dir, "sums.minisig"))
	must(t, err)
	return string(sig)
}

func TestSignatures(t *testing.T) {
	ours, theirs := newSigner(t, "works"), newSigner(t, "others")
	sums := sumsOf("kernel.img", kernel, "kernel.ver", "1.2\n")
	good := ours.sign(t, sums, "model=X1 version=1.2")
	knows := signature.Trust{Keys: []signature.Key{ours.key}}
	requires := signature.Trust{Keys: []signature.Key{ours.key}, Require: true}
	tests := []struct {
		name  string
		sig   string
		trust signature.Trust
		want  flash.Integrity
		says  string // an error, or a note
	}{
		{"by a known key", good, requires, flash.Verified, ""},
		{"by a key that nobody knows", good, signature.Trust{}, flash.Intact, "not known here"},
		{"by another key", theirs.sign(t, sums, "model=X1"), knows, flash.Intact, "not known here"},
		{"by another key, required", theirs.sign(t, sums, "model=X1"), requires, 0, "SHA256SUMS.minisig: signed by a key that is not known here"},
		{"none", "", knows, flash.Intact, ""},
		{"none, required", "", requires, 0, "this machine takes signed images only"},
		{"of another file", ours.sign(t, "other\n", "x"), knows, 0, "SHA256SUMS.minisig: the signature does not belong to it"},
		{"changed comment", strings.Replace(good, "model=X1", "model=X2", 1), knows, 0, "SHA256SUMS.minisig: the signature does not belong to it"},
		{"of another version", ours.sign(t, sums, "version=1.3"), knows, 0, "SHA256SUMS.minisig: is for version 1.3, the image says 1.2"},
		{"of no version", ours.sign(t, sums, "hello"), requires, flash.Verified, ""},
	}
	for _, tt := range tests {
		items := []item{{name: "SHA256SUMS", text: sums}, {name: "SHA256SUMS.minisig", text: tt.sig}, {name: "kernel.ver", text: "1.2\n"}, {name: "kernel.img", text: kernel}}
		if tt.sig == "" {
			items = append(items[:1], items[2:]...)
		}
		for _, order := range []string{"first", "last"} {
			img, _, err := copied(zipOf(tarOf(t, items...)), tt.trust, 0)
			said := strings.Join(img.Notes, "\n")
			if err != nil {
				said = err.Error()
			}
			var e *ops.Error
			if strings.Contains(said, "signed images only") && (!errors.As(err, &e) || !strings.Contains(e.Hint, "image sign")) {
				t.Errorf("%s: %v says nothing of how to sign it", tt.name, err)
			}
			if (err == nil) != (tt.want != 0) || img.Integrity != tt.want || !strings.Contains(said, tt.says) {
				t.Errorf("%s, manifest %s: %v, %q, %v", tt.name, order, img.Integrity, img.Notes, err)
			}
			if signed := img.Signature.Signer == "works"; signed != (img.Integrity == flash.Verified) {
				t.Errorf("%s: %+v", tt.name, img.Signature)
			}
			for i, j := 0, len(items)-1; i < j; i, j = i+1, j-1 {
				items[i], items[j] = items[j], items[i]
			}
		}
	}
}

func TestOldManifest(t *testing.T) {
	sig := md5Of("kernel.img", kernel, "system.ver", "1.0\n")
	img, _, err := copied(zipOf(tarOf(t, item{name: "image/", kind: '5'}, item{name: "image/kernel.img", text: kernel},
		item{name: "image/system.ver", text: "1.0\n"}, item{name: "image/system.sig", text: sig})), signature.Trust{}, 0)
	if err != nil || img.Integrity != flash.Intact || img.Version != "1.0" || img.ID.IsZero() {
		t.Errorf("Copy = %+v, %v", img, err)
	}
}

func TestWithoutManifest(t *testing.T) {
	img, _, err := copied(zipOf(tarOf(t, k)), signature.Trust{}, 0)
	other, _, _ := copied(zipOf(tarOf(t, k, item{name: "top/kernel.arg"})), signature.Trust{}, 0)
	if err != nil || img.Integrity != flash.Unchecked || img.ID.IsZero() || img.ID == other.ID {
		t.Errorf("Copy = %+v, %v", img, err)
	}
}

// TestIDIsThatOfTheFlash: an image has the same ID in its archive and once it is installed.
func TestIDIsThatOfTheFlash(t *testing.T) {
	with := content()
	with["SHA256SUMS"] = sumsOf("kernel.img", kernel, "initrd.img", initrd(), "kernel.arg", "acpi=off\n", "kernel.ver", "1.3.125\n")
	old := map[string]string{"kernel.img": kernel, "system.sig": md5Of("kernel.img", kernel)}
	for name, files := range map[string]map[string]string{"no manifest": content(), "SHA256SUMS": with, "system.sig": old} {
		dir := t.TempDir()
		active := filepath.Join(dir, "system", "active")
		must(t, os.MkdirAll(active, 0o755))
		must(t, os.Mkdir(filepath.Join(dir, "cfg"), 0o755))
		var items []item
		for name, text := range files {
			items = append(items, item{name: name, text: text})
			must(t, os.WriteFile(filepath.Join(active, name), []byte(text), 0o644))
		}
		img, _, err := copied(tarOf(t, items...), signature.Trust{}, 0)
		must(t, err)
		f, err := flash.Read(os.DirFS(dir))
		must(t, err)
		if f.Slots[0].ID != img.ID {
			t.Errorf("%s: %v in the archive, %v on the flash", name, img.ID, f.Slots[0].ID)
		}
	}
}

func TestObjection(t *testing.T) {
	signed := signature.Signature{Signer: "works", Model: "X1"}
	tests := []struct {
		img   Image
		trust signature.Trust
		says  string
	}{
		{Image{Version: "1"}, signature.Trust{}, ""},
		{Image{Version: "1", Signature: signed}, signature.Trust{Model: "X1", Floor: "1"}, ""},
		{Image{Version: "1", Signature: signed}, signature.Trust{Model: "X2"}, "for model X1"},
		{Image{Version: "1.9"}, signature.Trust{Floor: "1.10"}, "older than 1.10"},
		{Image{}, signature.Trust{Floor: "1"}, "does not say its version"},
	}
	for _, tt := range tests {
		if got := tt.img.Objection(tt.trust); (got == "") != (tt.says == "") || !strings.Contains(got, tt.says) {
			t.Errorf("%+v: Objection = %q, want %q", tt.trust, got, tt.says)
		}
	}
}
