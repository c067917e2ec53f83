// Package boot hands the machine over to an image: it checks the image, composes the kernel's
// command line, loads kernel and initrd, gives everything back, and jumps.
package boot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"holdfast/flash"
	"holdfast/kexec"
	"holdfast/ops"
	"holdfast/ops/session"
	"holdfast/ops/status"
)

const op = "boot"

// Machine is the running system, as far as a boot needs it.
type Machine interface {
	// Load puts kernel and initrd (nil for none) into memory for Jump.
	Load(kernel, initrd *os.File, commandLine string) (kexec.Method, error)
	// Unload forgets what Load loaded.
	Unload() error
	// Release prepares for the jump: data synced, our mounts undone, terminals and the kernel's log
	// level as they were found, and the plan printed on every console. restore takes them again, for
	// when the jump fails; it is never nil.
	Release(plan Plan) (restore func() error, err error)
	// Jump starts the loaded kernel. It returns only when it could not.
	Jump() error
}

// Request asks for a boot.
type Request struct {
	Report   *status.Report
	Image    string          // slot, or staged version
	Consoles []kexec.Console // of the running kernel
	Operator string          // name of the console the operator is at; "" when nobody asked
	Append   string          // words for this boot only
	Replace  *string         // the whole command line for this boot only
	Session  session.Options // for counting a try of an image on trial
	Alone    bool            // nobody is there: an image on trial whose try cannot be counted is not booted beside another one
}

// Plan is what a boot will do. It changes nothing that is stored but how many tries are left of an image
// on trial.
type Plan struct {
	Image       status.Image
	CommandLine kexec.CommandLine
	Console     string   // the console that will be the next kernel's /dev/console; "" when none
	Warnings    []string // in plain words

	fsys    fs.FS
	target  status.Target
	session session.Options
	instead string // what boots rather than an image whose try is not counted; "" for nothing
}

// Plan composes the boot and refuses, as an *ops.Error of kind Invalid or Refused, what cannot or
// must not be booted.
func (r Request) Plan() (Plan, error) {
	img, ok := r.Report.Image(r.Image)
	if !ok {
		return Plan{}, fail(ops.Usage, "", fmt.Errorf("no image %q on this flash", r.Image))
	}
	p := Plan{Image: img, fsys: r.Report.Target.FS, target: r.Report.Target, session: r.Session}
	p.CommandLine = kexec.Compose(kexec.Parts{
		Image:    img.Arguments,
		Consoles: r.Consoles,
		Operator: r.Operator,
		Local:    r.Report.Arguments,
		Flash:    r.Report.Target.Word,
		Slot:     img.Name,
		Append:   r.Append,
		Replace:  r.Replace,
	})
	p.Console = p.CommandLine.Console()
	if img.Broken != "" {
		return p, refuse(r.Report, img)
	}
	if err := p.CommandLine.Check(img.Header.CmdlineMax); err != nil {
		return p, fail(ops.Invalid, "compose the command line", err)
	}
	p.Warnings = warnings(p)
	if other, _, ok := r.Report.Preferred(img.Name); ok && r.Alone {
		p.instead = other.Name
	}
	return p, nil
}

// refuse says why an image is not booted and which one can be.
func refuse(r *status.Report, img status.Image) error {
	e := fail(ops.Invalid, img.Name, errors.New(img.Broken))
	if other, ok := another(r); ok {
		e.Hint = "boot " + other + " instead"
	}
	return e
}

// another is an image to boot instead: the preferred one, or else any that can boot.
func another(r *status.Report) (string, bool) {
	if img, _, ok := r.Preferred(); ok {
		return img.Name, true
	}
	for _, img := range r.Images {
		if img.Broken == "" {
			return img.Name, true
		}
	}
	return "", false
}

func warnings(p Plan) []string {
	var w []string
	if p.Image.Integrity == flash.Unchecked {
		w = append(w, "the image has no manifest: nothing says whether it is whole")
	}
	if p.Image.Initrd == "" {
		w = append(w, "the image has no initrd.img")
	}
	if p.Console == "" {
		w = append(w, "no console= on the command line: the next kernel chooses where it speaks")
	}
	return w
}

// Apply boots. It returns only when the machine could not be handed over, and the machine is then
// as it was before. Cancelling ctx is heeded until everything is loaded; after that the jump comes
// at once.
func (p Plan) Apply(ctx context.Context, m Machine, rep ops.Reporter) error {
	if err := p.verify(ctx, rep); err != nil {
		return err
	}
	method, err := p.load(ctx, m)
	if err != nil {
		return err
	}
	rep.Log(fmt.Sprintf("%s: loaded by %v", p.Image.Name, method))
	if err := ctx.Err(); err != nil {
		return errors.Join(err, m.Unload())
	}
	if err := errors.Join(p.countTry(ctx, rep), ctx.Err()); err != nil {
		return errors.Join(err, m.Unload())
	}
	restore, err := m.Release(p)
	if err == nil {
		err = m.Jump()
	}
	return fail(ops.Internal, "hand the machine over", errors.Join(err, restore(), m.Unload()))
}

// verify hashes an image that nobody has hashed yet: what is loaded must be what was released.
func (p *Plan) verify(ctx context.Context, rep ops.Reporter) error {
	if p.Image.Integrity != flash.Unknown {
		return nil
	}
	img, err := p.Image.Verify(ctx, p.fsys, rep)
	if err != nil {
		return err
	}
	p.Image = img
	if img.Broken != "" {
		return fail(ops.Invalid, img.Name, errors.New(img.Broken))
	}
	return nil
}

func (p *Plan) load(ctx context.Context, m Machine) (kexec.Method, error) {
	var none kexec.Method
	kernel, err := openFile(ctx, p.fsys, p.Image.Kernel)
	if err != nil {
		return none, fail(ops.Invalid, "open the kernel", err)
	}
	defer kernel.Close()
	var initrd *os.File
	if p.Image.Initrd != "" {
		if initrd, err = openFile(ctx, p.fsys, p.Image.Initrd); err != nil {
			return none, fail(ops.Invalid, "open the initrd", err)
		}
		defer initrd.Close()
	}
	method, err := m.Load(kernel, initrd, p.CommandLine.String())
	if err != nil {
		var known *ops.Error
		if errors.As(err, &known) {
			return none, err
		}
		return none, fail(ops.Internal, "load "+p.Image.Name, err)
	}
	return method, nil
}

func fail(kind ops.Kind, step string, err error) *ops.Error {
	return &ops.Error{Kind: kind, Op: op, Step: step, Err: err}
}
