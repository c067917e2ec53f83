// Package sign signs images: it signs the SHA256SUMS of an archive or of a folder, with model and version
// in the trusted comment.
package sign

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/ops"
	"holdfast/ops/archive"
	"holdfast/ops/output"
)

const (
	op       = "image sign"
	sumsName = "SHA256SUMS"
	maxSums  = 64 << 10
)

// Request says what to sign.
type Request struct {
	Secret  signature.Secret
	Input   string // an image archive, the folder of an image, or a SHA256SUMS
	Output  string // the signed archive, or the signature; "" is the archive itself, or beside SHA256SUMS
	Force   bool   // replace an existing Output
	Model   string // "" says nothing of the model
	Version string // "" takes that of the image
}

// Plan is a checked Request.
type Plan struct {
	request   Request
	image     image
	signature []byte
	comment   string
}

// String says in plain words what Apply will write.
func (p *Plan) String() string {
	what := "write "
	if p.image.archive() {
		what = "write the archive again, with " + flash.SignatureFile + ", to "
	}
	return fmt.Sprintf("%s%s\n  by key %s: %s", what, p.request.Output, p.request.Secret.Key("").ID(), p.comment)
}

// Plan reads all that is to be signed, and refuses what is damaged: a signature would vouch for it.
func (r Request) Plan(ctx context.Context, rep ops.Reporter) (*Plan, error) {
	i, err := r.read(ctx, rep)
	if err != nil {
		return nil, err
	}
	if r.Version, err = i.agree(r.Version); err != nil {
		return nil, &ops.Error{Kind: ops.Usage, Op: op, Step: r.Input, Err: err, Hint: "say by --version which version it is"}
	}
	if r.Output == "" {
		r.Output, r.Force = i.output, true // a newer signature replaces an older one
	}
	if err := output.Check(r.Output, r.Force); err != nil {
		return nil, err
	}
	p := &Plan{request: r, image: i}
	if p.signature, err = r.Secret.Sign(i.sums, r.Model, r.Version); err != nil {
		return nil, &ops.Error{Kind: ops.Usage, Op: op, Err: err}
	}
	said, err := p.trust().Verify(i.sums, p.signature)
	p.comment = said.Comment
	return p, err
}

// agree is the version to sign: the image's own, or, where it says none, the one that was asked for.
func (i image) agree(asked string) (string, error) {
	switch {
	case asked == "" && i.version == "":
		return "", errors.New("says no version")
	case asked != "" && i.version != "" && asked != i.version:
		return "", fmt.Errorf("is version %s by its kernel.ver: to sign it as %s would make it invalid", i.version, asked)
	}
	return cmp.Or(asked, i.version), nil
}

// trust believes nobody but the signer.
func (p *Plan) trust() signature.Trust {
	return signature.Trust{Keys: []signature.Key{p.request.Secret.Key("own")}}
}

// image is what is signed.
type image struct {
	sums    []byte
	version string
	output  string // where the signature goes when nobody says

	format string // of an archive, else ""
	folder string // its top folder, "" for none
}

func (i image) archive() bool { return i.format != "" }

// read finds out what the input is.
func (r Request) read(ctx context.Context, rep ops.Reporter) (image, error) {
	info, err := os.Stat(r.Input)
	switch {
	case err != nil:
		return image{}, &ops.Error{Kind: ops.Invalid, Op: op, Err: err}
	case info.IsDir():
		return readFolder(ctx, r.Input, rep)
	case !info.Mode().IsRegular():
		return image{}, invalid(r.Input, errors.New("not a regular file"))
	case filepath.Base(r.Input) == sumsName:
		return readSums(filepath.Dir(r.Input))
	}
	return readArchive(ctx, r.Input, rep)
}

// readSums reads the SHA256SUMS of a folder. Its files need not be there: a key may be kept where no
// images are.
func readSums(dir string) (image, error) {
	name := filepath.Join(dir, sumsName)
	text, err := readText(name, maxSums)
	if err != nil {
		return image{}, invalid(name, err)
	}
	if _, err := flash.ParseManifest(bytes.NewReader(text), flash.SHA256); err != nil {
		return image{}, invalid(name, err)
	}
	i := image{sums: text, output: filepath.Join(dir, flash.SignatureFile)}
	for _, member := range []string{"kernel.ver", "system.ver"} {
		version, err := readText(filepath.Join(dir, member), maxSums)
		if i.version = strings.TrimSpace(string(version)); err == nil && i.version != "" {
			break
		}
	}
	return i, nil
}

// readText reads a small regular file.
func readText(name string, limit int64) ([]byte, error) {
	f, err := flash.OpenRegular(os.DirFS(filepath.Dir(name)), filepath.Base(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("longer than %d bytes", limit)
	}
	return text, err
}

// readFolder reads an image that is not packed, every file of it.
func readFolder(ctx context.Context, dir string, rep ops.Reporter) (image, error) {
	i, err := readSums(dir)
	if err != nil {
		return image{}, err
	}
	m, err := flash.ParseManifest(bytes.NewReader(i.sums), flash.SHA256)
	if err != nil {
		return image{}, invalid(dir, err)
	}
	found, err := flash.Image{Dir: ".", Present: true, Manifest: m}.Verify(ctx, os.DirFS(dir), signature.Trust{}, func(done int64) {
		rep.Progress(ops.Progress{Step: "check " + dir, Done: done})
	})
	if err != nil {
		return image{}, err
	}
	for _, problem := range found.Problems {
		if !strings.HasPrefix(problem, flash.SignatureFile+":") { // which will be another one
			return image{}, invalid(dir, errors.New(problem))
		}
	}
	return i, nil
}

// readArchive reads an archive, every member of it.
func readArchive(ctx context.Context, name string, rep ops.Reporter) (image, error) {
	src, err := archive.File(name)
	if err != nil {
		return image{}, err
	}
	var sums bytes.Buffer
	put := func(name string, _ int64) (io.WriteCloser, error) {
		if name == sumsName {
			return nowhere{&sums}, nil
		}
		return nowhere{io.Discard}, nil
	}
	got, err := archive.Copy(ctx, src, signature.Trust{}, 0, put, rep)
	if err != nil {
		return image{}, err
	}
	if sums.Len() == 0 {
		return image{}, invalid(name, fmt.Errorf("has no %s, which is what is signed", sumsName))
	}
	return image{sums: sums.Bytes(), version: got.Version, output: name, format: got.Format, folder: got.Folder}, nil
}

type nowhere struct{ io.Writer }

func (nowhere) Close() error { return nil }

func invalid(what string, err error) error {
	return &ops.Error{Kind: ops.Invalid, Op: op, Step: what, Err: err}
}

// Apply writes the signature, or the archive with it, whole or not at all.
func (p *Plan) Apply(ctx context.Context, rep ops.Reporter) error {
	if err := p.write(ctx, rep); err != nil {
		return output.Error(op, err)
	}
	rep.Log("wrote " + p.request.Output)
	return nil
}

func (p *Plan) write(ctx context.Context, rep ops.Reporter) error {
	out, err := output.Create(p.request.Output, p.request.Force)
	if err != nil {
		return err
	}
	defer out.Cleanup()
	if !p.image.archive() {
		if _, err := out.Write(p.signature); err != nil {
			return err
		}
		return out.Commit()
	}
	src, err := archive.File(p.request.Input)
	if err != nil {
		return err
	}
	buffer := bufio.NewWriterSize(out, 1<<20)
	if err := errors.Join(rewrite(ctx, buffer, src, p.image, p.signature, rep), buffer.Flush()); err != nil {
		return err
	}
	if err := p.readBack(ctx, out.Name(), rep); err != nil {
		return err
	}
	return out.Commit()
}

// readBack makes sure, before the old archive goes, that the new one is what was to be made.
func (p *Plan) readBack(ctx context.Context, name string, rep ops.Reporter) error {
	src, err := archive.File(name)
	if err != nil {
		return err
	}
	got, err := archive.Copy(ctx, src, p.trust(), 0, archive.Discard, rep)
	if err == nil && got.Integrity != flash.Verified {
		err = fmt.Errorf("the signed archive reads as %v", got.Integrity)
	}
	return err
}
