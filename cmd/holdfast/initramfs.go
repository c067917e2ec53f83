package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/initramfs"
	"holdfast/initramfs/compress"
	"holdfast/ops"
	"holdfast/ops/output"
)

func (a *app) initramfsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "initramfs", Short: "make and look at initramfs archives", Args: noCommand, RunE: help}
	cmd.AddCommand(a.initramfsCreateCommand(), a.initramfsListCommand(), a.initramfsExtractCommand(), a.initramfsCheckCommand())
	return cmd
}

func (a *app) initramfsCreateCommand() *cobra.Command {
	var (
		r                initramfs.Request
		out              archiveFile
		modules, program string
		adds             []string
		method           string
		trust            trustFlags
	)
	cmd := &cobra.Command{
		Use:   "create -o FILE",
		Short: "make the console's initramfs, with this program as /init",
		Example: `  holdfast initramfs create -o console.cpio.zst --kernel-modules /lib/modules/6.1.0-56-cloud-amd64 \
      --module virtio_blk,ata_piix,vfat --busybox /bin/busybox \
      --trust-key release.pub --model FW-2`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if r.Compress, err = compress.Parse(method); err != nil {
				return usage("--compress: %v", err)
			}
			for _, add := range adds {
				parsed, err := initramfs.ParseAdd(add)
				if err != nil {
					return usage("--add: %v", err)
				}
				r.Adds = append(r.Adds, parsed)
			}
			if r.Texts, err = trust.texts(); err != nil {
				return err
			}
			r.Modules = strings.FieldsFunc(modules, func(c rune) bool { return c == ',' })
			if r.Init = program; program == "" {
				r.Command = "holdfast"
				if r.Init, err = os.Executable(); err != nil {
					return err
				}
			}
			return a.createInitramfs(cmd.Context(), r, out)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&out.name, "output", "o", "", "archive `FILE` to write")
	flags.BoolVar(&out.force, "force", false, "replace an existing file")
	flags.StringVar(&r.KernelModules, "kernel-modules", "", "`DIR` with the kernel's modules, as /lib/modules/VERSION")
	flags.StringVar(&modules, "module", "", "`NAMES` of the modules to load, by commas; what they need comes along")
	flags.StringVar(&r.Busybox, "busybox", "", "`PATH` of a busybox, for the shell")
	flags.StringArrayVar(&adds, "add", nil, "`SRC[:DST]`: a file or directory to add; a program brings its libraries; may be repeated")
	trust.add(cmd)
	flags.StringVar(&method, "compress", "zstd", "none, gzip, zstd, xz or lz4")
	flags.StringVar(&program, "init", "", "`PROGRAM` to be /init instead of this one")
	require(cmd, "output")
	return cmd
}

// archiveFile is where an archive is to be written.
type archiveFile struct {
	name  string
	force bool // replace an existing file
}

func (a *app) createInitramfs(ctx context.Context, r initramfs.Request, out archiveFile) error {
	if err := output.Check(out.name, out.force); err != nil {
		return err
	}
	p, err := r.Plan()
	if err != nil {
		return invalid(err)
	}
	for _, note := range p.Notes {
		fmt.Fprintln(a.out, "note:", note)
	}
	a.printComposition(p)
	if a.dryRun {
		return nil
	}
	return a.apply(func(rep ops.Reporter) error { return out.write(ctx, p, rep) })
}

// write makes the file, whole or not at all.
func (out archiveFile) write(ctx context.Context, p *initramfs.Plan, rep ops.Reporter) error {
	f, err := output.Create(out.name, out.force)
	if err != nil {
		return err
	}
	defer f.Cleanup()
	// xz takes its time for a MiB of output: the meter must see less than that at once.
	buffer := bufio.NewWriterSize(&meter{ctx: ctx, w: f, rep: rep, start: time.Now()}, 64<<10)
	if err := errors.Join(p.Write(buffer), buffer.Flush()); err != nil {
		return output.Error("", err)
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := f.Commit(); err != nil {
		return err
	}
	rep.Log(fmt.Sprintf("%s: %d bytes, %v", out.name, info.Size(), p.Compress))
	return nil
}

// meter tells how much was written, and stops when nobody wants it any more.
type meter struct {
	ctx   context.Context
	w     io.Writer
	rep   ops.Reporter
	start time.Time
	done  int64
}

func (m *meter) Write(b []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.w.Write(b)
	m.done += int64(n)
	m.rep.Progress(ops.Progress{Step: "compress", Done: m.done, Since: time.Since(m.start)})
	return n, err
}

// printComposition says what the archive is made of, before compression.
func (a *app) printComposition(p *initramfs.Plan) {
	type share struct {
		files int
		bytes int64
	}
	shares := map[initramfs.Origin]share{}
	for _, e := range p.Entries {
		s := shares[e.Origin]
		shares[e.Origin] = share{s.files + 1, s.bytes + e.Size}
	}
	for _, origin := range slices.Sorted(maps.Keys(shares)) {
		fmt.Fprintf(a.out, "%-8v %9d bytes in %d entries\n", origin, shares[origin].bytes, shares[origin].files)
	}
}
