package safety

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"holdfast/flash"
	"holdfast/ops"
	"holdfast/ops/status"
)

// Hashed is the report with the images of these slots hashed, as far as nobody has done so. The error
// is ctx's.
//
// An image that cannot be read is damaged, and never counts. But a disk that fails for a moment must not
// cost an image its slot: one that is found damaged is hashed once more, and Unreadable tells of one
// that the disk keeps to itself.
func Hashed(ctx context.Context, r *status.Report, rep ops.Reporter, slots ...string) (*status.Report, error) {
	for _, name := range slots {
		img, ok := r.Image(name)
		if !ok || !img.Present || img.Integrity != flash.Unknown {
			continue
		}
		now, err := img.Verify(ctx, r.Target.FS, rep)
		if err == nil && now.Integrity == flash.Damaged {
			now, err = img.Verify(ctx, r.Target.FS, rep)
		}
		if err != nil {
			return nil, err
		}
		r = r.Verified(now)
	}
	return r, nil
}

// Unreadable is the error of the disk that keeps a damaged image from being read; nil where what is there
// can be read, and is wrong.
func Unreadable(r *status.Report, name string) error {
	img, ok := r.Image(name)
	if !ok || !img.Present || Whole(img) {
		return nil
	}
	entries, err := fs.ReadDir(r.Target.FS, img.Dir)
	if err != nil {
		return fmt.Errorf("%s: %w", img.Dir, err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		if err := readAll(r.Target.FS, path.Join(img.Dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func readAll(fsys fs.FS, name string) error {
	f, err := flash.OpenRegular(fsys, name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return err
}

// CheckReadable refuses to judge images of which one cannot be read: what looks damaged may be whole tomorrow.
func CheckReadable(r *status.Report, slots ...string) error {
	for _, name := range slots {
		if err := Unreadable(r, name); err != nil {
			return &ops.Error{Kind: ops.NoFlash, Step: name, Err: fmt.Errorf("it cannot be told whether this image is whole: %w", err),
				Hint: "try again; if the disk has failed there, replace it: holdfast install ARCHIVE --slot " + name}
		}
	}
	return nil
}

// Known is a report with what the hashes said of the same images in an earlier one: in the same slot,
// with the same content by its ID, and of the same size. Of two images with the same ID nothing is carried:
// they may have changed places since, and one of them may be damaged.
func Known(r, earlier *status.Report) *status.Report {
	for _, i := range r.Images {
		was, ok := earlier.Image(i.Name)
		if !ok || i.Integrity != flash.Unknown || was.Integrity == flash.Unknown || hasTwin(r, i) || was.ID != i.ID || was.Size != i.Size || was.Staged != i.Staged {
			continue
		}
		i.Integrity, i.Signer, i.Broken, i.Problems = was.Integrity, was.Signer, was.Broken, was.Problems
		r = r.Verified(i)
	}
	return r
}

// hasTwin reports that the flash has another image with the same ID.
func hasTwin(r *status.Report, i status.Image) bool {
	return slices.ContainsFunc(r.Images, func(o status.Image) bool { return o.ID == i.ID && o.Name != i.Name && o.Present })
}
