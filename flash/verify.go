package flash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"reflect"
	"strings"

	"holdfast/flash/signature"
)

// Integrity is what the hashes say of an image.
type Integrity int

// The integrities. Unknown is an image that nobody has hashed yet.
const (
	Unknown   Integrity = iota
	Unchecked           // there is no manifest to check against
	Damaged             // a file differs from the manifest, or cannot be read
	Intact              // every file is as the manifest says
	Verified            // and the manifest is signed by a key that is known here
)

var integrities = []string{"checking", "unchecked", "damaged", "intact", "verified"}

func (i Integrity) String() string { return integrities[i] }

// SignatureFile is the member that signs the manifest.
const SignatureFile = "SHA256SUMS.minisig"

// decisive are the members that decide what boots: a manifest that leaves one out vouches for
// nothing.
var decisive = []string{"kernel.img", "initrd.img", "kernel.arg"}

// Check is what Verify found of an image.
type Check struct {
	Integrity Integrity
	Signature signature.Signature // when Verified
	Problems  []string            // each starts with the file it is about
	Remark    string              // about a signature that says nothing here; no problem
}

// Verify hashes the image against its manifest, checks the manifest's signature, and says what it found.
// A signature by a key that trust does not know makes the image neither better nor worse. progress, when
// not nil, is told the bytes hashed so far of the whole image. The error is ctx's, and only that.
func (i Image) Verify(ctx context.Context, fsys fs.FS, trust signature.Trust, progress func(done int64)) (Check, error) {
	if !i.Present || len(i.Manifest.Sums) == 0 && !i.brokenManifest {
		return Check{Integrity: Unchecked}, nil
	}
	if i.brokenManifest {
		return Check{Integrity: Damaged}, nil
	}
	v := verifier{ctx: ctx, fsys: fsys, image: i, progress: progress}
	v.checkFiles()
	if err := ctx.Err(); err != nil {
		return Check{}, err
	}
	v.checkSignature(trust)
	if len(v.found.Problems) > 0 {
		return Check{Integrity: Damaged, Problems: v.found.Problems}, nil
	}
	return v.found, nil
}

// verifier hashes one image's files.
type verifier struct {
	ctx      context.Context
	fsys     fs.FS
	image    Image
	progress func(int64)
	done     int64
	found    Check
}

func (v *verifier) problem(format string, args ...any) {
	v.found.Problems = append(v.found.Problems, fmt.Sprintf(format, args...))
}

func (v *verifier) checkFiles() {
	v.found.Integrity = Intact
	listed := map[string]bool{}
	for _, s := range v.image.Manifest.Sums {
		listed[s.Name] = true
		v.check(s)
	}
	for _, member := range decisive {
		_, err := fs.Stat(v.fsys, path.Join(v.image.Dir, member))
		if !listed[member] && !errors.Is(err, fs.ErrNotExist) {
			v.problem("%s: not in %s", member, algorithms[v.image.Manifest.Algorithm].file)
		}
	}
}

// checkSignature checks the signature of the manifest that the files were hashed against: it is read
// again, for its bytes are what is signed.
func (v *verifier) checkSignature(trust signature.Trust) {
	if v.image.Manifest.Algorithm != SHA256 {
		return // Formilux signs nothing
	}
	sig, err := readText(v.fsys, path.Join(v.image.Dir, SignatureFile), signature.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var text string
	if err == nil {
		text, err = v.manifest()
	}
	if err == nil {
		v.found.Signature, err = trust.Verify([]byte(text), []byte(sig))
	}
	signed := v.found.Signature.Version
	switch {
	case err == nil && signed != "" && v.image.Version != "" && signed != v.image.Version:
		v.problem("%s: is for version %s, the image says %s", SignatureFile, signed, v.image.Version)
	case err == nil:
		v.found.Integrity = Verified
	case errors.Is(err, signature.ErrUnknownKey):
		v.found.Remark = err.Error()
	default:
		v.problem("%s: %v", SignatureFile, cause(err))
	}
}

// manifest is the text of the manifest, which must still be the one that Read parsed.
func (v *verifier) manifest() (string, error) {
	text, err := readText(v.fsys, path.Join(v.image.Dir, algorithms[SHA256].file), maxManifest)
	if err != nil {
		return "", err
	}
	m, err := ParseManifest(strings.NewReader(text), SHA256)
	if err != nil || !reflect.DeepEqual(m, v.image.Manifest) {
		return "", errors.New("what it signs changes while it is read")
	}
	return text, nil
}

func (v *verifier) check(s Sum) {
	f, err := OpenRegular(v.fsys, path.Join(v.image.Dir, s.Name))
	if err != nil {
		v.problem("%s: %v", s.Name, missing(err))
		return
	}
	defer f.Close()
	h := algorithms[v.image.Manifest.Algorithm].new()
	if _, err := io.Copy(io.MultiWriter(h, v), f); err != nil {
		v.problem("%s: %v", s.Name, cause(err))
		return
	}
	if !bytes.Equal(h.Sum(nil), s.Hash) {
		v.problem("%s: hash differs", s.Name)
	}
}

// Write counts what goes by and stops the hashing when nobody waits for it any more.
func (v *verifier) Write(p []byte) (int, error) {
	if err := v.ctx.Err(); err != nil {
		return 0, err
	}
	v.done += int64(len(p))
	if v.progress != nil {
		v.progress(v.done)
	}
	return len(p), nil
}

func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("missing")
	}
	return cause(err)
}
