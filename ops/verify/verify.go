// Package verify checks hashes and signatures of images, of those on the flash and of archives.
package verify

import (
	"context"
	"errors"
	"fmt"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/ops"
	"holdfast/ops/archive"
	"holdfast/ops/status"
)

const op = "verify"

// Result is what was found of an image or of a configuration.
type Result struct {
	Name      string // slot, staged version, config.cur and so on, or an archive
	Version   string // "" when not known
	Integrity flash.Integrity
	Signer    string   // name of the key, when Verified
	Remarks   []string // what is remarkable and no problem
	Problems  []string // each starts with the file it is about, where it is about one
	Good      bool     // it is what this machine asks for
}

// Flash checks the image of that name, or, without a name, everything that is there. The error is
// ctx's, or says that there is nothing of that name.
func Flash(ctx context.Context, r *status.Report, name string, rep ops.Reporter) ([]Result, error) {
	if name != "" {
		img, ok := r.Image(name)
		if !ok {
			return nil, &ops.Error{Kind: ops.Usage, Op: op, Err: fmt.Errorf("no image %q on this flash, and no such file", name)}
		}
		if !img.Present {
			return nil, &ops.Error{Kind: ops.Invalid, Op: op, Step: name, Err: errors.New("empty")}
		}
		img, err := img.Verify(ctx, r.Target.FS, rep)
		return []Result{image(img)}, err
	}
	r, err := r.VerifyAll(ctx, rep)
	if err != nil {
		return nil, err
	}
	var all []Result
	for _, img := range r.Images {
		if img.Present {
			all = append(all, image(img))
		}
	}
	if len(all) == 0 {
		return nil, &ops.Error{Kind: ops.Invalid, Op: op, Err: errors.New("there is no image on this flash")}
	}
	for _, c := range r.Configs {
		if c.Present {
			all = append(all, config(c))
		}
	}
	return all, nil
}

func image(i status.Image) Result {
	r := Result{Name: i.Name, Version: i.Version, Integrity: i.Integrity, Signer: i.Signer, Problems: i.Problems}
	if i.Remark != "" {
		r.Remarks = []string{i.Remark}
	}
	r.judge(i.Broken)
	return r
}

func config(c status.Config) Result {
	r := Result{Name: "config." + c.Name, Integrity: c.Integrity, Good: c.Integrity == flash.Intact}
	if c.Problem != "" {
		r.Problems = []string{c.Problem}
	}
	return r
}

// judge decides whether the image is Good, and makes sure that there is a reason where it is not.
// broken is why it cannot be booted, "" when it can.
func (r *Result) judge(broken string) {
	r.Good = broken == "" && (r.Integrity == flash.Intact || r.Integrity == flash.Verified)
	why := broken
	if why == "" && !r.Good {
		why = "no manifest: nothing says whether it is whole"
	}
	if why == "" || r.Integrity == flash.Damaged && len(r.Problems) > 0 {
		return
	}
	for _, p := range r.Problems {
		if p == why {
			return
		}
	}
	r.Problems = append(append([]string(nil), r.Problems...), why)
}

// Archive reads a whole archive and writes it nowhere. A damaged one is a Result; the error is ctx's, or
// of what cannot be read at all.
func Archive(ctx context.Context, src archive.Source, trust signature.Trust, rep ops.Reporter) (Result, error) {
	lenient := trust
	lenient.Require = false // that it is not signed is for judge to say, and not damage
	got, err := archive.Copy(ctx, src, lenient, 0, archive.Discard, rep)
	r := Result{Name: src.Name, Version: got.Version, Integrity: got.Integrity, Signer: got.Signature.Signer, Remarks: got.Notes}
	var failed *ops.Error
	switch {
	case errors.As(err, &failed) && failed.Kind == ops.Invalid:
		r.Integrity, r.Problems = flash.Damaged, []string{err.Error()}
	case err != nil:
		return Result{}, err
	}
	if why := got.Objection(trust); err == nil && why != "" {
		r.Remarks = append(r.Remarks, why)
	}
	broken := ""
	if trust.Require && r.Integrity != flash.Verified {
		broken = status.Unsigned
	}
	r.judge(broken)
	return r, nil
}
