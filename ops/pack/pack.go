// Package pack makes and reads image archives: a gzip'd tar with one top folder holding kernel.img,
// initrd.img, kernel.arg, kernel.ver and SHA256SUMS over them.
package pack

import (
	"archive/tar"
	"compress/gzip"
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
	"holdfast/ops/output"
)

const op = "image pack"

// Request says what to pack. Initrd and Args may be empty.
type Request struct {
	Kernel  string // file name of a bzImage
	Initrd  string // file name
	Version string // becomes kernel.ver, and the name of the folder
	Args    string // text of kernel.arg, see DESIGN "The flash"
	Output  string // file name of the archive
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
	if err := CheckVersion(r.Version); err != nil {
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
	p.lines = append(p.lines, fmt.Sprintf("write %s, version %s", r.Output, r.Version))
	for _, m := range r.members() {
		size := int64(len(m.text))
		if m.file != "" {
			info, err := os.Stat(m.file)
			if err == nil && !info.Mode().IsRegular() {
				err = errors.New("not a regular file")
			}
			if err != nil {
				return nil, &ops.Error{Kind: ops.Invalid, Op: op, Step: m.name, Err: err}
			}
			size = info.Size()
		}
		p.lines = append(p.lines, fmt.Sprintf("  %s, %d bytes%s", m.name, size, p.remark(m)))
	}
	p.lines = append(p.lines, "  "+sumsName)
	if r.Secret != nil {
		if _, err := r.Secret.Sign(nil, r.Model, r.Version); err != nil {
			return nil, &ops.Error{Kind: ops.Usage, Op: op, Err: err}
		}
		p.lines = append(p.lines, fmt.Sprintf("  %s, by key %s", flash.SignatureFile, r.Secret.Key("").ID()))
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

// members gives the files in the order of the archive. kernel.arg is there also when it is empty:
// it says that the image wants no arguments.
func (r Request) members() []member {
	list := []member{{name: kernelName, file: r.Kernel}}
	if r.Initrd != "" {
		list = append(list, member{name: initrdName, file: r.Initrd})
	}
	args := strings.TrimSpace(r.Args)
	if args != "" {
		args += "\n"
	}
	return append(list, member{name: argsName, text: args}, member{name: versionName, text: r.Version + "\n"})
}

// Apply writes the archive. The same files give the same bytes.
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
	zip := gzip.NewWriter(out)
	a := archive{tar: tar.NewWriter(zip), folder: p.request.Version}
	if err := a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: a.folder + "/", Mode: 0o755, Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	for _, m := range p.request.members() {
		if err := a.add(ctx, m, rep); err != nil {
			return fmt.Errorf("pack %s: %w", m.name, err)
		}
	}
	sums := a.sums.String()
	if err := a.add(ctx, member{name: sumsName, text: sums}, rep); err != nil {
		return err
	}
	if p.request.Secret != nil {
		sig, err := p.request.Secret.Sign([]byte(sums), p.request.Model, p.request.Version)
		if err != nil {
			return err
		}
		if err := a.add(ctx, member{name: flash.SignatureFile, text: string(sig)}, rep); err != nil {
			return err
		}
	}
	if err := errors.Join(a.tar.Close(), zip.Close()); err != nil {
		return err
	}
	return out.Commit()
}

// archive writes members and notes their hashes. Owner and time stay zero: they are not content.
type archive struct {
	tar    *tar.Writer
	folder string
	sums   strings.Builder
}

func (a *archive) add(ctx context.Context, m member, rep ops.Reporter) error {
	var src io.Reader = strings.NewReader(m.text)
	size := int64(len(m.text))
	if m.file != "" {
		f, err := os.Open(m.file)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		src, size = f, info.Size()
	}
	header := tar.Header{Typeflag: tar.TypeReg, Name: a.folder + "/" + m.name, Mode: 0o644, Size: size, Format: tar.FormatUSTAR}
	if err := a.tar.WriteHeader(&header); err != nil {
		return err
	}
	hash := sha256.New()
	if err := output.Copy(ctx, io.MultiWriter(a.tar, hash), src, rep, "pack "+m.name, size); err != nil {
		return err
	}
	fmt.Fprintf(&a.sums, "%x  %s\n", hash.Sum(nil), m.name)
	return nil
}

// CheckVersion says whether version can name a staged image on the flash: a folder beside the
// slots, so the names of slots and of the folders that operations use are not versions.
func CheckVersion(version string) error {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
	rest := strings.TrimLeft(version, letters+".+~-")
	if rest != "" || version == "" || len(version) > 64 || !strings.Contains(letters, version[:1]) {
		return fmt.Errorf("version %q: want at most 64 letters, digits and . _ + ~ -, the first a letter, a digit or _", version)
	}
	for _, name := range []string{flash.Active, flash.Backup, flash.Factory, "incoming", "hold", "trash"} {
		// vfat does not tell Active from active.
		if strings.EqualFold(version, name) {
			return fmt.Errorf("version %q: is the name of a folder of the flash", version)
		}
	}
	return nil
}

func checkArgs(args string) error {
	for _, c := range args {
		if c < ' ' && c != '\n' && c != '\t' || c == 0x7f {
			return fmt.Errorf("holds the control character %U", c)
		}
	}
	return nil
}
