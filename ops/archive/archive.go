// Package archive reads image archives: .tar.gz, .tar.zst, .tar.xz, .tar and .cpio.gz, with or without
// one top folder, in one pass and with little memory. It takes nothing but the known members of an
// image, and believes nothing that the archive says of itself.
package archive

import (
	"context"
	"errors"
	"io"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/ops"
)

// Source is where an archive comes from.
type Source struct {
	Name string // for people: "image.tgz", "standard input", "sdb1:/images/1.3.125.tgz"
	Size int64  // bytes, compressed; 0 when not known
	Open func(context.Context) (io.ReadCloser, error)
}

// Image is what an archive holds, or what is known of it so far.
type Image struct {
	Version   string              // of kernel.ver, else of system.ver
	Arguments string              // of kernel.arg
	Kernel    string              // version of the kernel itself; "" when it has not been seen
	ID        flash.ID            // of its manifest
	Sizes     map[string]int64    // bytes of each member
	Integrity flash.Integrity     // Intact or Verified once all was read; Unchecked without a manifest; else Unknown
	Signature signature.Signature // when Verified
	Notes     []string            // what is remarkable and no error: "signed by a key that is not known here"
}

// Size is the bytes of all members.
func (i Image) Size() (n int64) {
	for _, s := range i.Sizes {
		n += s
	}
	return n
}

// Copy reads the whole archive, gives every member to put, and checks the hashes, the signature and the
// kernel. limit bounds the bytes of all members; 0 is a default. An error about the archive is an
// *ops.Error of kind Invalid that names the member; what put and its writers return is given on as it is.
func Copy(ctx context.Context, src Source, trust signature.Trust, limit int64, put func(name string, size int64) (io.WriteCloser, error), rep ops.Reporter) (Image, error) {
	return Image{}, errors.ErrUnsupported
}

// Peek reads the beginning, as far as that costs little, and says what is known then: Sizes is not
// complete. need is the best guess of the bytes that the members will take on the flash.
func Peek(ctx context.Context, src Source, trust signature.Trust) (img Image, need int64, err error) {
	return Image{}, 0, errors.ErrUnsupported
}
