package install

import (
	"errors"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/ops"
	"holdfast/ops/archive"
)

// objection is what a machine has against an image, so far as it is known: the beginning of an archive may
// not say the version yet.
func objection(t signature.Trust, img archive.Image) string {
	if img.Version == "" && img.Integrity == flash.Unknown {
		t.Floor = ""
	}
	return img.Objection(t)
}

// checkTrust refuses what no option lets pass: where signatures are required, an image without a good one.
func checkTrust(t signature.Trust, img archive.Image) error {
	if !t.Require || img.Integrity == flash.Verified || img.Integrity == flash.Unknown {
		return nil
	}
	return &ops.Error{Kind: ops.Invalid, Op: op, Err: errors.New("the image is not signed by a key that is known here, and this machine requires it"),
		Hint: "sign it: holdfast image sign --key KEY; the known keys are in /etc/holdfast/keys"}
}

// objected is the error of an objection that nobody overruled.
func objected(why string) error {
	return &ops.Error{Kind: ops.Refused, Op: op, Err: errors.New(why), Hint: "if it is to be installed all the same: --override"}
}
