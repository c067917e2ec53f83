package flash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
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

// decisive are the members that decide what boots: a manifest that leaves one out vouches for
// nothing.
var decisive = []string{"kernel.img", "initrd.img", "kernel.arg"}

// Verify hashes the image against its manifest and says what it found, each problem starting with
// the file it is about. progress, when not nil, is told the bytes hashed so far of the whole image.
// The error is ctx's, and only that.
func (i Image) Verify(ctx context.Context, fsys fs.FS, progress func(done int64)) (Integrity, []string, error) {
	if !i.Present || len(i.Manifest.Sums) == 0 && !i.brokenManifest {
		return Unchecked, nil, nil
	}
	if i.brokenManifest {
		return Damaged, nil, nil
	}
	v := verifier{ctx: ctx, fsys: fsys, image: i, progress: progress}
	listed := map[string]bool{}
	for _, s := range i.Manifest.Sums {
		listed[s.Name] = true
		v.check(s)
	}
	for _, member := range decisive {
		_, err := fs.Stat(fsys, path.Join(i.Dir, member))
		if !listed[member] && !errors.Is(err, fs.ErrNotExist) {
			v.problem("%s: not in %s", member, algorithms[i.Manifest.Algorithm].file)
		}
	}
	if err := ctx.Err(); err != nil {
		return Unknown, nil, err
	}
	if len(v.problems) > 0 {
		return Damaged, v.problems, nil
	}
	return Intact, nil, nil
}

// verifier hashes one image's files.
type verifier struct {
	ctx      context.Context
	fsys     fs.FS
	image    Image
	progress func(int64)
	done     int64
	problems []string
}

func (v *verifier) problem(format string, args ...any) {
	v.problems = append(v.problems, fmt.Sprintf(format, args...))
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
