package status

import (
	"context"
	"io/fs"
	"path"
	"slices"
	"time"

	"holdfast/flash"
	"holdfast/ops"
)

// Unsigned is why an image is not booted, nor made the default, where the machine requires a signature.
const Unsigned = "not signed by a key that is known here"

// Verify hashes one image, checks its signature and gives it back with what was found: a damaged one is
// Broken, and so is one that is not Verified where the machine requires that.
func (i Image) Verify(ctx context.Context, fsys fs.FS, rep ops.Reporter) (Image, error) {
	start := time.Now()
	found, err := i.Image.Verify(ctx, fsys, i.trust, func(done int64) {
		rep.Progress(ops.Progress{Step: "check " + i.Name, Done: done, Total: i.Size, Since: time.Since(start)})
	})
	if err != nil {
		return i, err
	}
	i.Integrity, i.Signer, i.Remark = found.Integrity, found.Signature.Signer, found.Remark
	if i.Broken == Unsigned {
		i.Broken = "" // as it was hashed now, there may be a better reason
	}
	i.fail(found.Problems...)
	if i.Integrity == flash.Damaged && i.Broken == "" {
		i.Broken = "damaged"
	}
	if i.Integrity != flash.Verified {
		i.require()
	}
	return i, nil
}

// require marks an image that is not signed as one that the machine does not boot, if it is so minded.
func (i *Image) require() {
	if i.trust.Require && i.Broken == "" {
		i.Broken = Unsigned
	}
}

// mayVerify reports whether the image has what only a hashing can judge. Without it, the image is none
// that is signed, and that can be said at once.
func (i *Image) mayVerify(fsys fs.FS) bool {
	return !absent(fsys, path.Join(i.Dir, flash.SignatureFile))
}

// Verified is the report with the image of that name replaced by a verified one.
func (r *Report) Verified(img Image) *Report {
	n := *r
	n.Images = append([]Image(nil), r.Images...)
	for k := range n.Images {
		if n.Images[k].Name == img.Name {
			n.Images[k] = img
		}
	}
	return &n
}

// VerifyAll is the report with every image hashed and every configuration read. The error is ctx's.
func (r *Report) VerifyAll(ctx context.Context, rep ops.Reporter) (*Report, error) {
	n := r
	for _, i := range r.Images {
		if !i.Present {
			continue
		}
		i, err := i.Verify(ctx, r.Target.FS, rep)
		if err != nil {
			return nil, err
		}
		n = n.Verified(i)
	}
	configs := slices.Clone(r.Configs)
	for k, c := range configs {
		var err error
		if configs[k], err = c.Verify(ctx, r.Target.FS, rep); err != nil {
			return nil, err
		}
	}
	all := *n
	all.Configs = configs
	return &all, nil
}

// AllProblems lists every problem, those of an image after its name.
func (r *Report) AllProblems() []string {
	var all []string
	for _, i := range r.Images {
		for _, p := range i.Problems {
			all = append(all, i.Name+": "+p)
		}
	}
	for _, c := range r.Configs {
		if c.Problem != "" {
			all = append(all, c.Problem)
		}
	}
	return append(all, r.Problems...)
}
