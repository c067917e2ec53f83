package status

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"testing"
	"testing/fstest"

	"aead.dev/minisign"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/ops"
)

// pair is a new pair of keys.
func pair(t *testing.T, name string) (signature.Secret, signature.Key) {
	t.Helper()
	_, private, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := private.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := signature.ParseSecret(text, "")
	if err != nil {
		t.Fatal(err)
	}
	return secret, secret.Key(name)
}

// sums gives an image a manifest, and its text.
func sums(m fstest.MapFS, dir string) []byte {
	var text []byte
	for _, name := range []string{"kernel.img", "kernel.ver"} {
		text = fmt.Appendf(text, "%x  %s\n", sha256.Sum256(m[path.Join(dir, name)].Data), name)
	}
	m[path.Join(dir, "SHA256SUMS")] = &fstest.MapFile{Data: text}
	return text
}

// signedFlash has active signed by the key that is known, backup by a stranger, factory by nobody, and 3
// without a manifest.
func signedFlash(t *testing.T) (fstest.MapFS, signature.Trust) {
	t.Helper()
	m := bootable("2")
	m["system/factory/kernel.img"], m["system/factory/kernel.ver"] = m["system/backup/kernel.img"], m["system/backup/kernel.ver"]
	m["system/3/kernel.img"] = m["system/backup/kernel.img"]
	sums(m, "system/factory")
	secret, key := pair(t, "release")
	stranger, _ := pair(t, "stranger")
	for dir, s := range map[string]signature.Secret{"system/active": secret, "system/backup": stranger} {
		sig, err := s.Sign(sums(m, dir), "", map[string]string{"system/active": "2", "system/backup": "1"}[dir])
		if err != nil {
			t.Fatal(err)
		}
		m[path.Join(dir, flash.SignatureFile)] = &fstest.MapFile{Data: sig}
	}
	return m, signature.Trust{Keys: []signature.Key{key}}
}

func TestSigner(t *testing.T) {
	m, trust := signedFlash(t)
	r, err := Read(Target{FS: m, GRUB: Place{FS: m}, Trust: trust})
	if err != nil {
		t.Fatal(err)
	}
	if r, err = r.VerifyAll(context.Background(), ops.Discard); err != nil {
		t.Fatal(err)
	}
	want := []struct {
		integrity flash.Integrity
		signer    string
		remark    bool
	}{{flash.Verified, "release", false}, {flash.Intact, "", true}, {flash.Intact, "", false}, {flash.Unchecked, "", false}}
	for k, w := range want {
		i := r.Images[k]
		if i.Integrity != w.integrity || i.Signer != w.signer || (i.Remark != "") != w.remark || i.Broken != "" || len(i.Problems) != 0 {
			t.Errorf("%s: %v, signer %q, remark %q, broken %q, problems %q; want %+v", i.Name, i.Integrity, i.Signer, i.Remark, i.Broken, i.Problems, w)
		}
	}
	d := r.Document()
	if s := d.Slots[0]; *s.Integrity != "verified" || s.Signer == nil || *s.Signer != "release" {
		t.Errorf("active is %s, signed by %v", *s.Integrity, s.Signer)
	}
	if s := d.Slots[1]; *s.Integrity != "intact" || s.Signer != nil {
		t.Errorf("backup is %s, signed by %v", *s.Integrity, s.Signer)
	}
}

// TestRequire: a machine that requires signatures boots nothing else. GRUB does, and what it will do is
// still told.
func TestRequire(t *testing.T) {
	m, trust := signedFlash(t)
	trust.Require = true
	r, err := Read(Target{FS: m, GRUB: Place{FS: m}, Trust: trust})
	if err != nil {
		t.Fatal(err)
	}
	broken := func(r *Report) []string {
		var all []string
		for _, i := range r.Images {
			all = append(all, i.Broken)
		}
		return all
	}
	if got, want := broken(r), []string{"", "", Unsigned, Unsigned}; !slices.Equal(got, want) {
		t.Errorf("before the hashing: broken %q, want %q", got, want)
	}
	delete(m, "system/backup/"+flash.SignatureFile) // as the first look sees an image that is not signed
	if r, err = Read(r.Target); err != nil || r.Images[1].Broken != Unsigned {
		t.Fatalf("backup is broken by %q, %v", r.Images[1].Broken, err)
	}
	chain := r.BootDocument().NextBoot
	if r, err = r.VerifyAll(context.Background(), ops.Discard); err != nil {
		t.Fatal(err)
	}
	if got, want := broken(r), []string{"", Unsigned, Unsigned, Unsigned}; !slices.Equal(got, want) {
		t.Errorf("broken %q, want %q", got, want)
	}
	if img, why, ok := r.Preferred(); !ok || img.Name != flash.Active || why != "the boot default, backup, cannot boot" {
		t.Errorf("Preferred() = %s, %q, %v", img.Name, why, ok)
	}
	if want := []string{"backup", "backup", "maintenance"}; !slices.Equal(chain, want) {
		t.Errorf("GRUB boots %q, want %q", chain, want)
	}
	m["system/backup/kernel.img"] = &fstest.MapFile{Data: append(m["system/backup/kernel.img"].Data, 0)}
	if i, err := r.Images[1].Verify(context.Background(), m, ops.Discard); err != nil || i.Broken != "kernel.img: hash differs" {
		t.Errorf("a damaged one is broken by %q, %v", i.Broken, err)
	}
}

// TestTrustProblem: what is wrong with the keys is seen where all problems are.
func TestTrustProblem(t *testing.T) {
	m, trust := signedFlash(t)
	trust.Problem = "/etc/holdfast/model: not one printable word"
	r, err := Read(Target{FS: m, GRUB: Place{FS: m}, Trust: trust})
	if err != nil || !slices.Contains(r.AllProblems(), trust.Problem) {
		t.Errorf("problems %q, %v", r.AllProblems(), err)
	}
}
