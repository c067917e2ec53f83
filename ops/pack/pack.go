// Package pack makes image archives: a compressed tar with one top folder holding SHA256SUMS, kernel.arg,
// kernel.ver, kernel.img and initrd.img. What says which image it is comes first, so that a look at the
// beginning is enough to know it. Package archive reads them.
package pack

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"holdfast/flash"
	"holdfast/flash/signature"
	"holdfast/ops"
	"holdfast/ops/archive"
	"holdfast/ops/output"
)

const op = "image pack"

// The files of an image.
const (
	kernelName  = "kernel.img"
	initrdName  = "initrd.img"
	argsName    = "kernel.arg"
	versionName = "kernel.ver"
	sumsName    = "SHA256SUMS"
)

// Request says what to pack. Initrd and Args may be empty.
type Request struct {
	Kernel  string // file name of a bzImage
	Initrd  string // file name
	Version string // becomes kernel.ver, and the name of the folder
	Args    string // text of kernel.arg, see DESIGN "The flash"
	Output  string // file name of the archive; its end says how it is compressed, see compressors
	Force   bool   // replace an existing archive

	Secret *signature.Secret // signs the image; nil for none
	Model  string            // that the image is for, by its signature; "" for any
}

// Plan is a checked Request.
type Plan struct {
	request Request
	kernel  string // its version string
	lines   []string
}

// String says in plain words what Apply will write.
func (p *Plan) String() string { return strings.Join(p.lines, "\n") }

// Plan checks the request and looks at the files it names.
func (r Request) Plan() (*Plan, error) {
	if err := archive.CheckStaged(r.Version); err != nil {
		return nil, &ops.Error{Kind: ops.Usage, Op: op, Err: err}
	}
	if err := checkArgs(r.Args); err != nil {
		return nil, &ops.Error{Kind: ops.Usage, Op: op, Step: "kernel arguments", Err: err}
	}
	if err := output.Check(r.Output, r.Force, r.Kernel, r.Initrd); err != nil {
		return nil, err
	}
	kernel, err := ReadKernel(r.Kernel)
	if err != nil {
		return nil, &ops.Error{Kind: ops.Invalid, Op: op, Step: r.Kernel, Err: err, Hint: "give the kernel's bzImage, such as /boot/vmlinuz-*"}
	}
	p := &Plan{request: r, kernel: kernel.Version}
	p.lines = append(p.lines, fmt.Sprintf("write %s, version %s", r.Output, r.Version), "  "+sumsName)
	if r.Secret != nil {
		if _, err := r.Secret.Sign(nil, r.Model, r.Version); err != nil {
			return nil, &ops.Error{Kind: ops.Usage, Op: op, Err: err}
		}
		p.lines = append(p.lines, fmt.Sprintf("  %s, by key %s", flash.SignatureFile, r.Secret.Key("").ID()))
	}
	for _, m := range r.members() {
		size, err := m.size()
		if err != nil {
			return nil, &ops.Error{Kind: ops.Invalid, Op: op, Step: m.name, Err: err}
		}
		p.lines = append(p.lines, fmt.Sprintf("  %s, %d bytes%s", m.name, size, p.remark(m)))
	}
	return p, nil
}

func (p *Plan) remark(m member) string {
	if m.name == kernelName {
		return ", Linux " + p.kernel
	}
	return ""
}

// member is a file of the archive, its content from a file or given as text.
type member struct {
	name, file, text string
}

func (m member) size() (int64, error) {
	if m.file == "" {
		return int64(len(m.text)), nil
	}
	info, err := os.Stat(m.file)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, errors.New("not a regular file")
	}
	return info.Size(), nil
}

// copy gives the content to dst, size bytes, and its hash.
func (m member) copy(ctx context.Context, dst io.Writer, size int64, rep ops.Reporter, step string) ([]byte, error) {
	var src io.Reader = strings.NewReader(m.text)
	if m.file != "" {
		f, err := os.Open(m.file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		src = f
	}
	hash := sha256.New()
	if err := output.Copy(ctx, io.MultiWriter(dst, hash), src, rep, step+" "+m.name, size); err != nil {
		return nil, err
	}
	return hash.Sum(nil), nil
}

// members gives the files in the order of the archive, small ones first. kernel.arg is there also when
// it is empty: it says that the image wants no arguments.
func (r Request) members() []member {
	args := strings.TrimSpace(r.Args)
	if args != "" {
		args += "\n"
	}
	list := []member{{name: argsName, text: args}, {name: versionName, text: r.Version + "\n"}, {name: kernelName, file: r.Kernel}}
	if r.Initrd != "" {
		list = append(list, member{name: initrdName, file: r.Initrd})
	}
	return list
}

// Apply writes the archive. The same files give the same bytes.
func (p *Plan) Apply(ctx context.Context, rep ops.Reporter) error {
	if err := p.write(ctx, rep); err != nil {
		return output.Error(op, err)
	}
	rep.Log("wrote " + p.request.Output)
	return nil
}

// sized is a member with what a first reading said of it.
type sized struct {
	member
	size int64
	hash []byte // nil for those that SHA256SUMS does not list
}

// write reads large files twice: their hashes come before them.
func (p *Plan) write(ctx context.Context, rep ops.Reporter) error {
	list, err := p.hash(ctx, rep)
	if err != nil {
		return err
	}
	out, err := output.Create(p.request.Output, p.request.Force)
	if err != nil {
		return err
	}
	defer out.Cleanup()
	packed, err := compressor(p.request.Output)(out, tarSize(list))
	if err != nil {
		return err
	}
	w := tar.NewWriter(packed)
	folder := p.request.Version + "/"
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder, Mode: 0o755, Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	for _, m := range list {
		if err := add(ctx, w, folder, m, rep); err != nil {
			return fmt.Errorf("pack %s: %w", m.name, err)
		}
	}
	if err := errors.Join(w.Close(), packed.Close()); err != nil {
		return err
	}
	return out.Commit()
}

// hash gives all members, SHA256SUMS and its signature in front.
func (p *Plan) hash(ctx context.Context, rep ops.Reporter) ([]sized, error) {
	var list []sized
	var sums strings.Builder
	for _, m := range p.request.members() {
		size, err := m.size()
		if err != nil {
			return nil, err
		}
		hash, err := m.copy(ctx, io.Discard, size, rep, "hash")
		if err != nil {
			return nil, err
		}
		list = append(list, sized{m, size, hash})
		fmt.Fprintf(&sums, "%x  %s\n", hash, m.name)
	}
	text := sums.String()
	front := []sized{{member: member{name: sumsName, text: text}, size: int64(len(text))}}
	if p.request.Secret != nil {
		sig, err := p.request.Secret.Sign([]byte(text), p.request.Model, p.request.Version)
		if err != nil {
			return nil, err
		}
		front = append(front, sized{member: member{name: flash.SignatureFile, text: string(sig)}, size: int64(len(sig))})
	}
	return append(front, list...), nil
}

// add writes a member. Owner and time stay zero: they are not content.
func add(ctx context.Context, w *tar.Writer, folder string, m sized, rep ops.Reporter) error {
	header := tar.Header{Typeflag: tar.TypeReg, Name: folder + m.name, Mode: 0o644, Size: m.size, Format: tar.FormatUSTAR}
	if err := w.WriteHeader(&header); err != nil {
		return err
	}
	hash, err := m.copy(ctx, w, m.size, rep, "pack")
	if err == nil && m.hash != nil && !bytes.Equal(hash, m.hash) {
		err = errors.New("it changed while it was packed")
	}
	return err
}

// tarSize is the length of the tar, in bytes: headers, contents in blocks of 512, and two empty blocks.
func tarSize(list []sized) int64 {
	size := int64(3 * 512)
	for _, m := range list {
		size += 512 + (m.size+511)/512*512
	}
	return size
}

func checkArgs(args string) error {
	for _, c := range args {
		if c < ' ' && c != '\n' && c != '\t' || c == 0x7f {
			return fmt.Errorf("holds the control character %U", c)
		}
	}
	return nil
}
