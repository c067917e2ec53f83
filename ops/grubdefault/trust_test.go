package grubdefault

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"aead.dev/minisign"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/kexec/kexectest"
	"holdfast/ops"
	"holdfast/ops/opstest"
	"holdfast/ops/status"
)

// TestSignedByStranger: who signed an image only its hashing tells, which is done before anything is
// written when nobody did it for the plan.
func TestSignedByStranger(t *testing.T) {
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := signature.ParseKey("release", []byte(public.String()))
	if err != nil {
		t.Fatal(err)
	}
	sums := fmt.Sprintf("%x  kernel.img\n", sha256.Sum256(kexectest.Kernel("6.1.0-b")))
	files := with(with(legacyTree(), "system/backup/SHA256SUMS", sums), "system/backup/"+flash.SignatureFile, string(minisign.Sign(private, []byte(sums))))
	f := newFixture(t, "-t ext2 -I 128 -b 1024", files).disk()
	before := f.bytes()
	target := f.report().Target
	for _, trust := range []signature.Trust{{Require: true}, {Require: true, Keys: []signature.Key{key}}} {
		target.Trust = trust
		r, err := status.Read(target)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = apply(t, Request{Report: r, Slot: "backup"})
		refused := ops.ExitCode(err) == int(ops.Refused) && strings.Contains(err.Error(), "backup: "+status.Unsigned)
		if known := trust.Keys != nil; refused == known || known && err != nil || bytes.Equal(before, f.bytes()) == known {
			t.Errorf("the signer is known %v: %v", known, err)
		}
	}
}

// TestUnreadableImage: a disk that does not give an image back does not make it a damaged one.
func TestUnreadableImage(t *testing.T) {
	initrd := "the initrd"
	sums := fmt.Sprintf("%x  kernel.img\n%x  initrd.img\n", sha256.Sum256(kexectest.Kernel("6.1.0-b")), sha256.Sum256([]byte(initrd)))
	files := with(with(legacyTree(), "system/backup/SHA256SUMS", sums), "system/backup/initrd.img", initrd)
	f := newFixture(t, "-t ext2 -I 128 -b 1024", files).disk()
	before := f.bytes()
	target := f.report().Target
	target.FS = opstest.Failing{FS: target.FS, Name: "system/backup/initrd.img"}
	r, err := status.Read(target)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = apply(t, Request{Report: r, Slot: "backup"})
	if ops.ExitCode(err) != int(ops.NoFlash) || !errors.Is(err, syscall.EIO) {
		t.Errorf("set backup = %v, exit code %d", err, ops.ExitCode(err))
	}
	if !bytes.Equal(f.bytes(), before) {
		t.Error("the disk was changed")
	}
}
