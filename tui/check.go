package tui

import (
	"context"
	"fmt"
	"strings"

	"holdfast/flash"
	"holdfast/ops"
	"holdfast/ops/status"
)

// check hashes an image that somebody asked about, or all of them, whatever was known of them; what it
// finds is on the screens at once.
func (h *hub) check(console, name string) {
	if !h.free() {
		return
	}
	target, number := h.state.Report.Target, h.target
	h.act(Action{Console: console, Verb: Verifies, Object: name}, func(ctx context.Context, rep ops.Reporter) (Outcome, error) {
		r, err := status.Read(target)
		if err != nil {
			return Outcome{}, err
		}
		here := func(event func()) {
			h.send(func() {
				if number == h.target && h.state.Report != nil {
					event()
				}
			})
		}
		here(func() { h.reread(r, nil, false) })
		var found []status.Image
		for _, img := range r.Images {
			if !img.Present || name != "" && img.Name != name {
				continue
			}
			if img, err = img.Verify(ctx, target.FS, rep); err != nil {
				return Outcome{}, err
			}
			found = append(found, img)
			here(func() { h.verified(img) })
		}
		return findings(found), nil
	})
}

// findings is what came of hashing images.
func findings(images []status.Image) Outcome {
	var o Outcome
	var damaged []string
	for _, img := range images {
		if img.Integrity == flash.Damaged {
			damaged = append(damaged, img.Name)
		}
		o.Lines = append(o.Lines, ops.Line{Label: img.Name, Text: finding(img)})
	}
	switch {
	case len(images) == 0:
		o.Text = "there is no image to verify"
	case len(damaged) == 0:
		o.Text = fmt.Sprintf("%d images, none is damaged", len(images))
	default:
		o.Text = "damaged: " + strings.Join(damaged, ", ")
		o.Hint = "install it again (i), and let another one be the boot default until then (d)"
	}
	if len(images) == 1 {
		o.Text = images[0].Name + ": " + finding(images[0])
		o.Lines = nil
	}
	return o
}

// finding says what the hashes and the signature of an image came to.
func finding(img status.Image) string {
	switch {
	case img.Integrity == flash.Verified && img.Signer != "":
		return "verified, signed by " + img.Signer
	case img.Integrity == flash.Unchecked:
		return "unchecked: there is no manifest"
	case img.Remark != "":
		return img.Integrity.String() + ", " + img.Remark
	case len(img.Problems) > 0:
		return img.Integrity.String() + ": " + strings.Join(img.Problems, "; ")
	}
	return img.Integrity.String()
}
