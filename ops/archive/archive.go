// Package archive reads image archives: .tar.gz, .tar.zst, .tar.xz, .tar and .cpio.gz, with or without
// one top folder, in one pass and with little memory. It takes nothing but the known members of an
// image, and believes nothing that the archive says of itself.
//
// Bytes go a straight way: the source, counted (feed); decompressed on a goroutine of their own (ahead);
// cut into members (tarReader, cpioReader); checked, hashed and given away (taking); judged (judge.go).
// The tar headers are read here, and not by archive/tar, because that hides what an attack is made of:
// headers that override a name or a size, sparse maps, and how many headers there are.
package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/kexec"
	"holdfast/ops"
)

// DefaultLimit bounds the bytes of all members when nobody says another bound.
const DefaultLimit = 4 << 30

// Image is what an archive holds, or what is known of it so far.
type Image struct {
	Format    string              // "tar.gz", "cpio.zst", "tar"
	Folder    string              // the one that all members are in; "" for none
	Version   string              // of kernel.ver, else of system.ver
	Arguments string              // of kernel.arg
	Kernel    string              // version of the kernel itself; "" when it has not been seen
	Header    kexec.Header        // of the kernel; zero when it has not been seen
	ID        flash.ID            // of its manifest; zero when that has not been seen
	Sizes     map[string]int64    // bytes of each member
	Listed    []string            // members that its SHA256SUMS lists; nil so long as that has not been seen
	Integrity flash.Integrity     // Intact or Verified once all was read; Unchecked without a manifest; else Unknown
	Signature signature.Signature // once a signature by a known key was seen: its Signer is then not ""
	Notes     []string            // what is remarkable and no error: "signed by a key that is not known here"
}

// Size is the bytes of all members.
func (i Image) Size() (n int64) {
	for _, s := range i.Sizes {
		n += s
	}
	return n
}

// Objection is what a machine has against an image that is whole: it is for another model, or older
// than the floor. "" for nothing. An operator may override it.
func (i Image) Objection(trust signature.Trust) string {
	if m := i.Signature.Model; m != "" && trust.Model != "" && m != trust.Model {
		return fmt.Sprintf("it is for model %s, this machine is a %s", m, trust.Model)
	}
	if trust.Floor == "" {
		return ""
	}
	if i.Version == "" {
		return fmt.Sprintf("it does not say its version, this machine takes %s or later", trust.Floor)
	}
	if signature.Compare(i.Version, trust.Floor) < 0 {
		return fmt.Sprintf("version %s is older than %s, the oldest that this machine takes", i.Version, trust.Floor)
	}
	return ""
}

// Put makes the writer for a member, which is closed when the member is whole, and also after an error.
// Members come in the order of the archive: the manifest may be the first of them or the last.
type Put = func(name string, size int64) (io.WriteCloser, error)

// Discard is a Put that keeps nothing.
func Discard(string, int64) (io.WriteCloser, error) { return nowhere{io.Discard}, nil }

type nowhere struct{ io.Writer }

func (nowhere) Close() error { return nil }

// Copy reads the whole archive, gives every member to put, and checks the hashes, the signature and the
// kernel. limit bounds the bytes of all members; 0 is a default. An error about the archive is an
// *ops.Error of kind Invalid that names the member; what put and its writers return is given on as it is.
func Copy(ctx context.Context, src Source, trust signature.Trust, limit int64, put Put, rep ops.Reporter) (Image, error) {
	if limit <= 0 {
		limit = DefaultLimit
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	in, err := src.Open(reading)
	if err != nil {
		return Image{}, src.failed(ctx, &sourceError{err})
	}
	defer in.Close()
	f := &feed{ctx: reading, r: in, most: most(limit)}
	plain, method, err := decompress(f)
	if err != nil {
		return Image{}, src.failed(ctx, err)
	}
	a := readAhead(ctx, plain)
	defer a.close()
	defer stop() // before close, which waits for a read under way
	t := newTaking(trust, limit, put)
	start, size := time.Now(), src.size(in)
	t.tell = func(step string) {
		rep.Progress(ops.Progress{Step: step, Done: f.n.Load(), Total: size, Since: time.Since(start)})
	}
	if err := t.all(a, method); err != nil {
		return Image{}, src.failed(ctx, err)
	}
	return t.image, nil
}

// peekLen is how many bytes of the unpacked archive Peek looks at.
const peekLen = 1 << 20

// Peek reads the beginning, as far as that costs little, and says what is known then: Sizes is not
// complete. need is the best guess of the bytes that the members will take on the flash; 0 when
// there is no telling. A source that can be read only once can still be copied after it.
func Peek(ctx context.Context, src Source, trust signature.Trust) (img Image, need int64, err error) {
	in, err := src.peek(ctx)
	if err != nil {
		return Image{}, 0, src.failed(ctx, &sourceError{err})
	}
	defer in.Close()
	f := &feed{ctx: ctx, r: in, most: most(DefaultLimit)}
	plain, method, err := decompress(f)
	if err != nil {
		return Image{}, 0, src.failed(ctx, err)
	}
	t := newTaking(trust, DefaultLimit, Discard)
	err = t.all(&budget{plain, peekLen}, method)
	if err != nil && !errors.Is(err, errEnough) {
		return Image{}, 0, src.failed(ctx, err)
	}
	if err == nil {
		return t.image, t.image.Size(), nil
	}
	t.known()
	if t.allSized() {
		return t.image, t.image.Size(), nil
	}
	return t.image, max(t.image.Size(), unpackedSize(ctx, src, in, method)), nil
}

// most is how long an archive may be whose members have limit bytes: what does not compress grows by
// less than a hundredth.
func most(limit int64) int64 { return limit + limit/64 + 1<<20 }

// errEnough ends a Peek.
var errEnough = errors.New("seen enough")

// budget ends a reading with errEnough.
type budget struct {
	io.Reader
	left int64
}

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errEnough
	}
	n, err := b.Reader.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
