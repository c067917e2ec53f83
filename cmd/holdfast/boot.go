package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/cmd/holdfast/stage"
	"holdfast/ops"
	imagearchive "holdfast/ops/archive"
	"holdfast/ops/boot"
)

func (a *app) bootCommand() *cobra.Command {
	var (
		print, allow, override bool
		words                  string
	)
	cmd := &cobra.Command{
		Use:   "boot {NAME | ARCHIVE | URL | -}",
		Short: "boot an image through kexec: a slot, a staged version, or an archive from memory",
		Long: `Boot an image through kexec. NAME is a slot or a staged version; anything else is
an archive, which is read into memory, checked as an installation checks it, and
booted from there with img=archive. Nothing of it is saved.`,
		Example: `  holdfast boot backup --print        what would be loaded, and its command line
  holdfast boot active --append single
  holdfast boot image.tgz             from memory: nothing is saved`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, err := a.planBoot(cmd.Context(), args[0], words, override)
			if err != nil {
				return err
			}
			a.printPlan(plan)
			if print || a.dryRun {
				return nil
			}
			if err := a.confirm(cmd.Context(), "boot it now"); err != nil {
				return err
			}
			return a.apply(func(rep ops.Reporter) error { return plan.Apply(cmd.Context(), machine(allow), rep) })
		},
	}
	cmd.Flags().BoolVar(&print, "print", false, "show kernel, initrd and command line, and load nothing")
	cmd.Flags().StringVar(&words, "append", "", "`WORDS` to add to the command line for this boot")
	cmd.Flags().BoolVar(&override, "override", false, "boot an archive although it is for another model, or too old")
	cmd.Flags().BoolVar(&allow, "allow-kexec", false, "leave the system that runs here without shutting it down")
	return cmd
}

// planBoot plans a boot of an image whose hashes have been checked: what --print shows must hold for
// the boot that follows. What is not on the flash is an archive.
func (a *app) planBoot(ctx context.Context, name, words string, override bool) (boot.Plan, error) {
	request := boot.Request{Image: name, Consoles: stage.Consoles(), Operator: operator(), Append: words, Session: a.session()}
	r, err := a.report()
	isFlash := err == nil
	if isFlash {
		if img, ok := r.Image(name); ok {
			if img, err = img.Verify(ctx, r.Target.FS, ops.Discard); err != nil {
				return boot.Plan{}, err
			}
			request.Report = r.Verified(img)
			return request.Plan()
		}
	}
	src, ok, otherwise := a.archiveSource(name)
	switch {
	case otherwise != nil:
		return boot.Plan{}, otherwise
	case !ok && !isFlash:
		return boot.Plan{}, a.noFile(name, err)
	case !ok:
		request.Report = r
		plan, err := request.Plan()
		return plan, a.noFile(name, err)
	case !isFlash && a.flash != "":
		return boot.Plan{}, err
	case !isFlash:
		a.remark("no flash, so no flash= and no local arguments: " + err.Error())
	}
	m, err := a.readArchive(ctx, src, override)
	if err != nil {
		return boot.Plan{}, err
	}
	request.Report, request.Image = m.Report(r), boot.ArchiveName
	return request.Plan()
}

// readArchive reads an archive into memory, where it stays until the program ends.
func (a *app) readArchive(ctx context.Context, src imagearchive.Source, override bool) (*boot.Memory, error) {
	trust, err := a.trusted()
	if err != nil {
		return nil, err
	}
	p := &progress{out: a.err, live: isTerminal(a.err)}
	m, err := boot.ReadArchive(ctx, src, trust, p)
	p.done()
	if err != nil {
		return nil, err
	}
	if why := m.Objection(trust); why != "" && !override {
		return nil, &ops.Error{Kind: ops.Refused, Step: src.Name, Err: errors.New(why), Hint: "--override boots it all the same"}
	}
	return m, nil
}

// confirm asks on the terminal, unless --yes was given. Anything but the word is a no, and so is the
// end of ctx: the reading then goes on by itself, until the process ends.
func (a *app) confirm(ctx context.Context, what string) error {
	if a.yes {
		return nil
	}
	no := &ops.Error{Kind: ops.NotConfirmed, Err: errors.New("not confirmed"), Hint: "type yes when asked, or give --yes"}
	if !isTerminal(a.in) {
		return no
	}
	fmt.Fprintf(a.out, "Type yes to %s: ", what)
	line, err := a.answer(ctx)
	if err != nil || line == "yes" {
		return err
	}
	return no
}

// answer reads a line from the terminal. After the end of ctx, the reading goes on by itself until the
// process ends.
func (a *app) answer(ctx context.Context) (string, error) {
	answer := make(chan string, 1)
	go func() {
		var line []byte
		for b := make([]byte, 1); len(line) < 1<<10; { // one by one: the next answer is not ours
			if n, err := a.in.Read(b); n == 0 || err != nil || b[0] == '\n' {
				break
			}
			line = append(line, b[0])
		}
		answer <- strings.TrimSpace(string(line))
	}()
	select {
	case line := <-answer:
		return line, ctx.Err()
	case <-ctx.Done():
		fmt.Fprintln(a.out)
		return "", &ops.Error{Kind: ops.NotConfirmed, Err: ctx.Err()}
	}
}
