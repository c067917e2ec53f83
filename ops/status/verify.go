package status

import (
	"context"
	"io/fs"
	"slices"

	"holdfast/flash"
	"holdfast/ops"
)

// Verify hashes one image and gives it back with what was found: a damaged one is Broken.
func (i Image) Verify(ctx context.Context, fsys fs.FS, rep ops.Reporter) (Image, error) {
	integrity, problems, err := i.Image.Verify(ctx, fsys, func(done int64) {
		rep.Progress(ops.Progress{Step: "check " + i.Name, Done: done, Total: i.Size})
	})
	if err != nil {
		return i, err
	}
	i.Integrity = integrity
	i.fail(problems...)
	if integrity == flash.Damaged && i.Broken == "" {
		i.Broken = "damaged"
	}
	return i, nil
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
